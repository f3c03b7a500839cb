"""From an exporter's graph to one that every runtime takes: the same numbers, fewer nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnx.inliner

from edge.errors import ModelError
from edge.runner.base import Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner
from export.graph.batch import free_batch as free_batch_axis
from export.graph.checks import require_operators, require_valid, require_whole
from export.graph.fold import fold
from export.graph.leaky import join_slopes
from export.graph.opset import FIRST, LAST, convert_opset, raise_ir
from export.graph.shapes import infer_shapes
from export.graph.trial import trial_feeds
from export.graph.view import drop_unread, graphs_of, name_nodes, name_of, opset_of, sort_nodes
from export.parity import compare_source

_RANDOM = {
    *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"),
    *("RandomUniform", "RandomUniformLike"),
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """The model, what was done to it, line by line, and how far its outputs moved.

    max_abs, max_rel: the largest difference of any output, and as a share of its scale.
    """

    model: onnx.ModelProto
    steps: tuple[str, ...]
    max_abs: float
    max_rel: float


def prepare(
    model: onnx.ModelProto, *, opset: int | None = None, free_batch: bool = False
) -> Prepared:
    """A model that computes the same, sorted, folded, with shapes, and valid by ONNX's checker.

    opset: the operator set to convert to. Without one it becomes 13 where it was lower (scales
    per channel), and 17 where it was higher and the converter can (TensorRT 8).
    free_batch: free a batch axis that is fixed at 1. ``model`` itself is left as it is.

    Raises ModelError where weights lie outside the file, ONNX Runtime lacks an operator, the model
    is not valid, cannot be converted or freed, is not deterministic, or computes something else
    afterwards; the node is named where there is one.
    """
    require_whole(model)
    work = onnx.ModelProto.FromString(model.SerializeToString())
    steps = [*_modernise(work)]
    if work.functions:
        work = onnx.inliner.inline_local_functions(work, convert_version=True)
        steps.append(f"{len(model.functions)} functions inlined")
    require_operators(work)
    if any([sort_nodes(graph) for graph in graphs_of(work.graph)]):
        steps.append("nodes put into topological order")
    start = work.SerializeToString()
    work, words = _to_opset(work, opset)
    steps += words
    freed = ""
    if free_batch:
        work, freed = _freed_early(work)
    work, folding = fold(work)
    steps.append(folding)
    if joined := join_slopes(work.graph):
        steps.append(joined)
        drop_unread(work)
    for graph in graphs_of(work.graph):
        sort_nodes(graph)
    work, shapes = infer_shapes(work)
    raise_ir(work)
    require_valid(work)
    if free_batch and not freed:
        work, freed = free_batch_axis(work)
        work, shapes = infer_shapes(work)
        require_valid(work)
    max_abs, max_rel = _hold(start, work)
    return Prepared(work, (*steps, *filter(None, [freed]), shapes), max_abs, max_rel)


def _freed_early(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """The model freed before a batch of 1 is folded into what it computes of its own shapes.

    As it was, and no words, where that fails: which shapes are constant may show only when folded.
    """
    shaped = onnx.shape_inference.infer_shapes(model)
    try:
        return free_batch_axis(shaped)
    except ModelError:
        return model, ""


def _modernise(model: onnx.ModelProto) -> list[str]:
    """Initialisers that are no inputs, names for all nodes, and no notes of the exporter's."""
    steps = []
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) < len(model.graph.input):
        steps.append(f"{len(model.graph.input) - len(inputs)} weights no longer listed as inputs")
        kept = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in inputs]
        del model.graph.input[:]
        model.graph.input.extend(kept)
    raise_ir(model)
    name_nodes(model)
    for graph in graphs_of(model.graph):
        for node in graph.node:
            node.ClearField("doc_string")
            del node.metadata_props[:]
    _part_symbols(model.graph)
    return steps


def _part_symbols(graph: onnx.GraphProto) -> None:
    """Give each free axis of an output a symbol of its own, where no input has that symbol.

    Exporters reuse one for axes of different lengths, and ONNX Runtime believes them: two tensors
    of one declared shape may share memory.
    """
    inputs = {axis.dim_param for value in graph.input for axis in value.type.tensor_type.shape.dim}
    for value in graph.output:
        for place, axis in enumerate(value.type.tensor_type.shape.dim):
            if axis.dim_param and axis.dim_param not in inputs:
                axis.dim_param = f"{value.name}_{place}"
    del graph.value_info[:]


def _to_opset(model: onnx.ModelProto, opset: int | None) -> tuple[onnx.ModelProto, list[str]]:
    found = opset_of(model)
    assert found is not None
    wanted = min(max(found, FIRST), LAST) if opset is None else opset
    if wanted == found:
        return model, []
    try:
        converted = convert_opset(model, wanted)
    except ModelError as exc:
        if opset is None and found > LAST:
            return model, [f"opset {found} kept: {exc.message}; TensorRT 8 takes up to {LAST}"]
        raise
    return converted, [f"opset {found} to {wanted}"]


def _hold(start: bytes, prepared: onnx.ModelProto) -> tuple[float, float]:
    """How far the outputs moved, absolutely and as a share of their scale."""
    original = OnnxRuntimeRunner(start, name="the model")
    changed = OnnxRuntimeRunner(prepared.SerializeToString(), name="the prepared model")
    with original, changed:
        feeds = trial_feeds(original, batch=changed.max_batch or 2)
        _require_deterministic(original, feeds[0], prepared)
        parity = compare_source(original.infer, changed, feeds)
    return parity.max_abs, parity.max_rel


def _require_deterministic(
    runner: OnnxRuntimeRunner, feed: Mapping[str, Tensor], model: onnx.ModelProto
) -> None:
    first, second = runner.infer(feed), runner.infer(feed)
    moved = [name for name, value in first.items() if not np.allclose(value, second[name], 1e-3)]
    if not moved:
        return
    nodes = (node for graph in graphs_of(model.graph) for node in graph.node)
    drawn = next((node for node in nodes if node.op_type in _RANDOM), None)
    where = f" because of node {name_of(drawn)!r} ({drawn.op_type})" if drawn is not None else ""
    raise ModelError(
        f"output {moved[0]!r} differs from run to run{where}",
        expected="the same outputs for the same inputs",
        remedy="Export the model with its noise as an input, or without it.",
    )
