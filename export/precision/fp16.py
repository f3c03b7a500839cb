"""Half precision inside, single precision outside.

ONNX Runtime's converter does the work. It lets what exceeds half precision's range become infinite
or be cut off, and its result is not in order; so here such values are looked for first, the layers
around them stay in FP32, and the result is sorted, checked and tried.

They are looked for in the FP32 model, because on a CPU ONNX Runtime computes a half precision model
in FP32 wherever it can: what would overflow on a GPU need not do so there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

import numpy as np
import onnx

from edge.config import forbid_telemetry
from edge.errors import ModelError
from edge.runner.base import Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner
from export.graph.checks import require_valid
from export.graph.opset import convert_opset
from export.graph.trial import opened, trial_feeds
from export.graph.view import (
    GraphView,
    attribute,
    graphs_of,
    name_nodes,
    name_of,
    opset_of,
    sort_nodes,
)

_LARGEST = float(np.finfo(np.float16).max)
# Other inputs than those tried reach further.
_HEADROOM = 2.0
_FP16_SCALES_SINCE = 19
_T = onnx.TensorProto


def to_fp16(
    model: onnx.ModelProto, *, feeds: Iterable[Mapping[str, Tensor]] | None = None
) -> onnx.ModelProto:
    """``model`` in half precision with its inputs and outputs as they were.

    feeds: inputs to find the largest values on; made ones without. Layers whose weights or values
    reach beyond half precision's range, 65,504, stay in FP32. A model with Q/DQ gets half precision
    scales, and opset 19 for them.

    Raises ModelError where a weight is not finite, and, naming the node, where the result still
    overflows.
    """
    work = onnx.ModelProto.FromString(model.SerializeToString())
    if _is_quantised(work) and (opset_of(work) or 0) < _FP16_SCALES_SINCE:
        work = convert_opset(work, _FP16_SCALES_SINCE)
    name_nodes(work)
    with OnnxRuntimeRunner(work.SerializeToString(), name="the FP32 model") as runner:
        made = trial_feeds(runner, batch=runner.max_batch or 1) if feeds is None else feeds
        tried: list[Mapping[str, Tensor]] = list(made)
    kept = _too_large(work, tried)
    half = _convert(work, kept)
    _join_casts(half.graph)
    for graph in graphs_of(half.graph):
        sort_nodes(graph)
    require_valid(half)
    _require_finite(half, tried)
    return half


def _is_quantised(model: onnx.ModelProto) -> bool:
    return any(node.op_type == "QuantizeLinear" for node in model.graph.node)


def _convert(model: onnx.ModelProto, kept: list[str]) -> onnx.ModelProto:
    forbid_telemetry()
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():  # of weights below 6e-8, which may as well be that
        warnings.simplefilter("ignore")
        half: onnx.ModelProto = convert_float_to_float16(
            model, keep_io_types=True, node_block_list=kept
        )
    return half


def _too_large(model: onnx.ModelProto, feeds: list[Mapping[str, Tensor]]) -> list[str]:
    """The nodes that read or make what half precision cannot hold."""
    view = GraphView(model.graph)
    wide = {name for name in view.constants if _is_wide(name, view)}
    with OnnxRuntimeRunner(opened(model).SerializeToString(), name="the FP32 model") as runner:
        for feed in feeds:
            reached = {**feed, **runner.infer(feed)}
            wide |= {name for name, value in reached.items() if _peak(value) * _HEADROOM > _LARGEST}
    makers = {name_of(maker) for name in wide if (maker := view.maker(name)) is not None}
    readers = {name_of(reader.node) for name in wide for reader in view.read_by(name)}
    return sorted(makers | readers)


def _is_wide(name: str, view: GraphView) -> bool:
    if view.element_type(name) != _T.FLOAT:
        return False
    value = view.value(name)
    assert value is not None
    if not np.isfinite(np.asarray(value, np.float32)).all():
        raise ModelError(
            f"weight {name!r} is not a number everywhere",
            expected="finite weights",
            found="NaN or infinity",
            remedy="Look at the training: it diverged.",
        )
    return _peak(value) > _LARGEST


def _peak(value: Tensor) -> float:
    if not np.issubdtype(value.dtype, np.floating):
        return 0.0
    return float(np.abs(value, dtype=np.float64).max(initial=0.0))


def _join_casts(graph: onnx.GraphProto) -> None:
    """Let a value that one FP32 layer hands to another stay FP32 on the way.

    The converter puts a cast to half precision behind the one and a cast back before the other.
    """
    view = GraphView(graph)
    wide = {name: source for name, source in _there_and_back(view)}
    outputs = {value.name for value in graph.output}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in wide:
                node.input[place] = wide[name]
    for name in wide.keys() & outputs:  # an output keeps its name: its cast reads the FP32 value
        view.makers[name].CopyFrom(onnx.helper.make_node("Identity", [wide[name]], [name]))
    _drop_unread_casts(graph)
    made = {name for node in graph.node for name in node.output}
    for info in [info for info in graph.value_info if info.name not in made]:
        graph.value_info.remove(info)


def _there_and_back(view: GraphView) -> Iterable[tuple[str, str]]:
    for node in view.graph.node:
        inner = view.maker(node.input[0]) if _casts_to(node, _T.FLOAT) else None
        if inner is not None and _casts_to(inner, _T.FLOAT16):
            yield node.output[0], inner.input[0]


def _casts_to(node: onnx.NodeProto, kind: int) -> bool:
    return node.op_type == "Cast" and attribute(node, "to") == kind


def _drop_unread_casts(graph: onnx.GraphProto) -> None:
    outputs = {value.name for value in graph.output}
    while True:
        read = {name for inner in graphs_of(graph) for node in inner.node for name in node.input}
        unread = [
            node
            for node in graph.node
            if node.op_type == "Cast" and node.output[0] not in read | outputs
        ]
        if not unread:
            return
        for node in unread:
            graph.node.remove(node)


def _require_finite(half: onnx.ModelProto, feeds: list[Mapping[str, Tensor]]) -> None:
    """Look for what overflows, from the first node on."""
    with OnnxRuntimeRunner(half.SerializeToString(), name="the FP16 model") as runner:
        bad = [feed for feed in feeds if not _finite(runner.infer(feed).values())]
    if not bad:
        return
    with OnnxRuntimeRunner(opened(half).SerializeToString(), name="the FP16 model") as runner:
        values = runner.infer(bad[0])
    for node in half.graph.node:
        if not _finite(values[name] for name in node.output if name in values):
            raise ModelError(
                f"node {name_of(node)!r} ({node.op_type}) overflows in half precision",
                expected=f"values up to {_LARGEST:g}",
                found="infinity or NaN",
                remedy="Keep the model in FP32, or rescale what goes into this layer.",
            )


def _finite(values: Iterable[Tensor]) -> bool:
    return all(np.isfinite(np.asarray(value, np.float64)).all() for value in values)
