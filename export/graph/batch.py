"""Freeing a batch axis that an exporter fixed at 1, and showing that nothing else changed.

What fixes it, besides the declared shapes, are constants that say a shape: a Reshape to [1, …], a
Resize to sizes. They are rewritten; then several inputs at once have to give what they give one by
one. Where they do not, the node that mixes or drops them is found and named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from edge.errors import InferenceError, ModelError
from edge.runner.base import Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner, SessionSettings
from export.graph.trial import opened, trial_feeds
from export.graph.view import Array, GraphView, name_of
from export.parity import PARITY_TOLERANCE, compare_source

_TOGETHER = 3
_NODE = re.compile(r"Node \(([^)]+)\)|[Nn]ame:? ?'([^']+)'")


def free_batch(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """The model with a free batch axis, and one line about it; unchanged where it is free already.

    Raises ModelError where the batch is fixed at another number than 1, and, naming the node,
    where the model cannot take several inputs at once or gives other outputs for them.
    """
    sizes = {_first_axis(value) for value in GraphView(model.graph).inputs}
    if sizes == {None}:
        return model, "the batch axis was free"
    if sizes != {1}:
        raise ModelError(
            "the batch axis cannot be freed",
            expected="inputs whose first axes are all 1",
            found=", ".join("free" if size is None else str(size) for size in sizes),
            remedy="Export the model with a batch of 1.",
        )
    freed = onnx.ModelProto.FromString(model.SerializeToString())
    changed = _rewrite_shapes(freed.graph)
    _declare(freed)
    parity = _hold(model, freed)
    words = f"batch axis freed: {_TOGETHER} inputs at once within {parity:.2g} of one by one"
    return freed, f"{words}; {changed} shapes rewritten" if changed else words


def _first_axis(value: onnx.ValueInfoProto) -> int | None:
    """The batch that an input declares; None where it is free, 0 where there is no axis."""
    axes = value.type.tensor_type.shape.dim
    if not axes:
        return 0
    return axes[0].dim_value if axes[0].HasField("dim_value") else None


def _declare(model: onnx.ModelProto) -> None:
    """Give inputs and outputs one free first axis, and forget the shapes in between."""
    graph = model.graph
    named = {axis.dim_param for value in graph.input for axis in value.type.tensor_type.shape.dim}
    symbol = next(name for name in ("batch", "N", "batch_size", "items") if name not in named)
    for value in (*GraphView(graph).inputs, *graph.output):
        axes = value.type.tensor_type.shape.dim
        if axes:
            axes[0].Clear()
            axes[0].dim_param = symbol
    del graph.value_info[:]


def _rewrite_shapes(graph: onnx.GraphProto) -> int:
    """Let constant shapes that begin with 1 follow the batch; says how many did."""
    view, changed = GraphView(graph), 0
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[0] not in view.constants:
            shape = view.value(node.input[1])
            if shape is not None and shape.size and shape[0] == 1:
                _point_to(graph, node, 1, _free_shape(shape))
                changed += 1
        elif node.op_type == "Resize" and len(node.input) > 3:
            scales = _scales_of(node, view)
            if scales is not None:
                _point_to(graph, node, 2, scales)
                del node.input[3:]
                changed += 1
    return changed


def _free_shape(shape: Array) -> Array:
    """A Reshape's target whose first axis is whatever is left, or the input's where -1 is taken."""
    rest = shape[1:]
    return np.concatenate([[0 if (rest == -1).any() else -1], rest]).astype(np.int64)


def _scales_of(node: onnx.NodeProto, view: GraphView) -> Array | None:
    """The scales that a Resize to constant sizes applies, where the input's shape is known."""
    sizes = view.value(node.input[3])
    kind = view.types.get(node.input[0])
    if sizes is None or kind is None or sizes[0] != 1:
        return None
    axes = [axis.dim_value for axis in kind.tensor_type.shape.dim]
    if len(axes) != len(sizes) or not all(axes[1:]):
        return None
    return np.asarray([1.0, *(sizes[1:] / np.asarray(axes[1:]))], np.float32)


def _point_to(graph: onnx.GraphProto, node: onnx.NodeProto, place: int, value: Array) -> None:
    """Give one node a constant of its own; others may share the one that it had."""
    name = f"{node.output[0]}_free_{place}"
    graph.initializer.append(numpy_helper.from_array(value, name))
    node.input[place] = name


def _hold(model: onnx.ModelProto, freed: onnx.ModelProto) -> float:
    """The largest relative difference between several inputs at once and one by one."""
    original = OnnxRuntimeRunner(model.SerializeToString(), name="the model as it was")
    with original:
        feeds = trial_feeds(original, batch=_TOGETHER)
        try:
            with _runner(freed) as runner:
                return compare_source(original.infer, runner, feeds).max_rel
        except (InferenceError, ModelError) as exc:
            where = _named_by(exc) or _first_difference(model, freed, feeds[0])
            raise ModelError(
                f"the batch axis cannot be freed: {where or 'a node'} holds a batch of 1",
                expected=f"{_TOGETHER} inputs at once to give what they give one by one",
                found=exc.found or exc.message,
                remedy="Export the model with a dynamic batch axis, or keep the batch of 1.",
            ) from exc


def _runner(model: onnx.ModelProto) -> OnnxRuntimeRunner:
    settings = SessionSettings(threads=1)
    name = "the model with a free batch"
    return OnnxRuntimeRunner(model.SerializeToString(), name=name, settings=settings)


def _named_by(exc: InferenceError | ModelError) -> str:
    named = _NODE.search(exc.found)
    return f"node {named.group(1) or named.group(2)!r}" if named else ""


def _first_difference(
    model: onnx.ModelProto, freed: onnx.ModelProto, feeds: Mapping[str, Tensor]
) -> str:
    """The first node in order whose output differs, with everything that is inside looked at."""
    singles = []
    with _runner(opened(model)) as runner:
        for row in range(_TOGETHER):
            singles.append(runner.infer({k: v[row : row + 1] for k, v in feeds.items()}))
    with _runner(opened(freed)) as runner:
        together = runner.infer(feeds)
    for node in freed.graph.node:
        for name in filter(None, node.output):
            if name in together and not _same([one[name] for one in singles], together[name]):
                return f"node {name_of(node)!r} ({node.op_type})"
    return ""


def _same(singles: list[Tensor], together: Tensor) -> bool:
    if all(np.array_equal(one, together) for one in singles):  # shapes, tables: no batch in them
        return True
    if not singles[0].ndim:
        return False
    joined = np.concatenate(singles)
    if joined.shape != together.shape:
        return False
    first, second = joined.astype(np.float64), together.astype(np.float64)
    scale = max(float(np.abs(first).max(initial=0)), 1e-6)
    return bool(np.abs(first - second).max(initial=0) <= PARITY_TOLERANCE * scale)
