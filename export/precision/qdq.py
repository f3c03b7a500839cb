"""INT8 by Q/DQ: one set of ranges, three files with the same scales.

ONNX Runtime's quantiser puts a pair at every place that one of the files wants; each file then
keeps its own (``trt``, ``cpu``). Everything is symmetric; weights have a scale for each output
channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from calibration.observe import Ranges
from edge.errors import ModelError
from export.graph.view import GraphView, attribute
from export.precision.cpu import for_cpu
from export.precision.pairs import PASSING, WEIGHTED, insert_pairs
from export.precision.trt import for_tensorrt, for_tensorrt_8
from export.trt_rules import is_small

_FEW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Files:
    """The three files of one calibration. layers: those in INT8; kept: those left in float, in the
    model's order, by node name.
    """

    trt: onnx.ModelProto
    trt8: onnx.ModelProto
    cpu: onnx.ModelProto
    layers: tuple[str, ...]
    kept: tuple[str, ...]


def layers(model: onnx.ModelProto) -> tuple[str, ...]:
    """The names of the nodes that INT8 is worth for, in the model's order.

    Left out: small Gemm and MatMul; convolutions of one pixel, as in squeeze-excite blocks, which
    save nothing and gate whole channels; and those that read a picture's few channels, which INT8
    kernels, made for sums over many, run slower than float ones.
    """
    view = GraphView(onnx.shape_inference.infer_shapes(model).graph)
    return tuple(
        node.name
        for node in model.graph.node
        if node.op_type in WEIGHTED
        and view.shape(node.input[1]) is not None
        and not _is_slight(node, view)
    )


def observed(model: onnx.ModelProto) -> frozenset[str]:
    """The tensors whose ranges ``quantise`` needs."""
    view = GraphView(model.graph)
    names = set[str]()
    for node in model.graph.node:
        if node.op_type in (*WEIGHTED, *PASSING):
            names.update(name for name in (*node.input, *node.output) if name)
    return frozenset(
        name
        for name in names
        if name not in view.constants and view.element_type(name) in (0, onnx.TensorProto.FLOAT)
    )


def quantise(
    model: onnx.ModelProto, ranges: Ranges, *, keep: frozenset[str] = frozenset()
) -> Int8Files:
    """Quantise a rewritten model. keep: names of layers that stay float, with what they read.

    Raises ModelError where nothing is left to quantise or the quantiser fails, ValueError where
    ``keep`` names no layer.
    """
    every = layers(model)
    unknown = keep.difference(every)
    if unknown:
        raise ValueError(f"expected names among {', '.join(every)}, found {sorted(unknown)}")
    chosen = tuple(name for name in every if name not in keep)
    if not chosen:
        raise ModelError(
            "there is nothing to quantise in the model",
            expected=f"a {', '.join(WEIGHTED)} that INT8 is worth for",
            found="all layers kept in float" if keep else "none",
        )
    paired = insert_pairs(model, ranges, frozenset(chosen))
    return Int8Files(
        trt=for_tensorrt(paired, frozenset(chosen)),
        trt8=for_tensorrt_8(paired, frozenset(chosen)),
        cpu=for_cpu(paired, frozenset(chosen), ranges),
        layers=chosen,
        kept=tuple(name for name in every if name in keep),
    )


def _is_slight(node: onnx.NodeProto, view: GraphView) -> bool:
    shape = view.shape(node.input[1])
    assert shape is not None
    if node.op_type in ("Gemm", "MatMul"):
        return is_small(shape) or len(shape) != 2
    if node.op_type == "Conv" and shape[1] <= _FEW and attribute(node, "group", 1) == 1:
        return True
    axes = view.types[node.output[0]].tensor_type.shape.dim if node.output[0] in view.types else ()
    return len(axes) > 2 and all(axis.dim_value == 1 for axis in axes[2:])
