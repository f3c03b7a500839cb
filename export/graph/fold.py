"""Fewer nodes that compute the same: constants, and what merges into the layer before it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from onnx import numpy_helper

from edge.config import forbid_telemetry
from export.foreign import STUMBLES
from export.graph.own_axes import fix_own_axes
from export.graph.view import Array, GraphView, attribute, drop_unread, graphs_of

_QUANTISED = {"QuantizeLinear", "DequantizeLinear"}


def fold(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """The folded model, and one line that says what was done.

    A model with Q/DQ stays as it is: folding would take the pairs of its weights away.
    """
    if any(node.op_type in _QUANTISED for graph in graphs_of(model.graph) for node in graph.node):
        return model, "not folded: it is quantised"
    before = _count(model)
    forbid_telemetry()
    import onnxslim

    folded = onnx.ModelProto.FromString(model.SerializeToString())
    fix_own_axes(folded.graph)
    whole, trouble = folded.SerializeToString(), ""
    try:
        folded = onnxslim.slim(folded)
    except STUMBLES as exc:  # the model is still whole
        folded = onnx.ModelProto.FromString(whole)
        trouble = f"; onnxslim failed ({type(exc).__name__})"
    for merged in _products_with_norm(folded.graph):
        _merge_norm(folded.graph, *merged)
    drop_unread(folded)
    return folded, _words(before, _count(folded)) + trouble


def _count(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for graph in graphs_of(model.graph) for node in graph.node)


def _words(before: Counter[str], after: Counter[str]) -> str:
    gone, come = before - after, after - before
    if not gone and not come:
        return "nothing to fold"
    parts = [f"−{count} {name}" for name, count in gone.most_common()]
    parts += [f"+{count} {name}" for name, count in come.most_common()]
    return f"folded {before.total()} nodes to {after.total()}: {', '.join(parts)}"


def _products_with_norm(
    graph: onnx.GraphProto,
) -> list[tuple[onnx.NodeProto, onnx.NodeProto, dict[str, Array]]]:
    """MatMul or Gemm nodes with a constant weight that only a BatchNormalization reads."""
    view = GraphView(graph)
    outputs = {value.name for value in graph.output}
    found = []
    for norm in graph.node:
        product = view.maker(norm.input[0]) if norm.op_type == "BatchNormalization" else None
        if product is None or attribute(norm, "training_mode", 0):
            continue
        values = [view.value(name) for name in norm.input[1:5]]
        values += [view.value(name) for name in product.input[1:]]
        alone = len(view.read_by(norm.input[0])) == 1 and norm.input[0] not in outputs
        if alone and _is_plain_product(product) and all(value is not None for value in values):
            names = ("scale", "shift", "mean", "variance", "weight", "bias")
            held = {k: v for k, v in zip(names, values, strict=False) if v is not None}
            if held["weight"].ndim == 2:
                found.append((product, norm, held))
    return found


def _is_plain_product(node: onnx.NodeProto) -> bool:
    if node.op_type == "Gemm":
        gains = (attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0))
        return gains == (1.0, 1.0) and not attribute(node, "transA", 0)
    return node.op_type == "MatMul"


def _merge_norm(
    graph: onnx.GraphProto,
    product: onnx.NodeProto,
    norm: onnx.NodeProto,
    held: dict[str, Array],
) -> None:
    """Make one Gemm of both: y = γ (xW + b − μ) / √(σ² + ε) + β.

    BatchNormalization has its channels on axis 1, so what a product of rank 2 or more gives it
    there is the product's own columns only at rank 2; Gemm has no other.
    """
    epsilon = attribute(norm, "epsilon", 1e-5)
    assert isinstance(epsilon, float)
    wide = {name: np.asarray(value, np.float64) for name, value in held.items()}
    gain = wide["scale"] / np.sqrt(wide["variance"] + epsilon)
    rows = bool(attribute(product, "transB", 0))
    weight = wide["weight"] * (gain[:, None] if rows else gain)
    bias = (wide.get("bias", np.zeros(())) - wide["mean"]) * gain + wide["shift"]
    dtype, name = held["weight"].dtype, norm.output[0]
    constants = {f"{name}_weight": weight, f"{name}_bias": bias}
    for key, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(value.astype(dtype), key))
    gemm = onnx.helper.make_node(
        "Gemm", [product.input[0], *constants], [name], name=product.name, transB=int(rows)
    )
    product.CopyFrom(gemm)
    graph.node.remove(norm)
