"""INT8 by Q/DQ: one set of ranges, three files with the same scales.

ONNX Runtime's quantiser puts a pair at every place that one of the files wants; each file then
keeps its own (``trt``, ``cpu``). Everything is symmetric; weights have a scale for each output
channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from calibration.observe import Ranges
from edge.config import forbid_telemetry
from edge.errors import MissingExtraError, ModelError
from export.graph.view import GraphView, attribute, sort_nodes
from export.precision.editing import copy_of, drop_unused
from export.trt_rules import is_small

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# What may run on INT8 between layers: on CPU, and for Add in TensorRT too.
PASSING = ("Add", "AveragePool", "Concat", "LeakyRelu", "MaxPool", "Mul", "Resize", "Sigmoid")
_FEW = 4
_Q, _DQ = "QuantizeLinear", "DequantizeLinear"


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


@dataclass(frozen=True, slots=True)
class Edge:
    """A tensor with a Q/DQ pair on its way to a reader. maker: None for an input of the model."""

    tensor: str
    maker: onnx.NodeProto | None
    reader: onnx.NodeProto
    place: int


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
    from export.precision.cpu import for_cpu
    from export.precision.trt import for_tensorrt, for_tensorrt_8

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


def insert_pairs(model: onnx.ModelProto, ranges: Ranges, chosen: frozenset[str]) -> onnx.ModelProto:
    """The model with a pair on every tensor around the chosen layers and whatever may pass INT8.

    Raises ModelError where ONNX Runtime's quantiser does not take the model.
    """
    work = onnx.shape_inference.infer_shapes(copy_of(model))
    nodes = [
        node.name
        for node in work.graph.node
        if node.name in chosen or (node.op_type in PASSING and _has_ranges(node, work, ranges))
    ]
    forbid_telemetry()
    try:
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    except ImportError as exc:
        raise MissingExtraError(
            "the quantiser does not import",
            found=str(exc),
            remedy="Run: pip install 'edgewarden[export]'",
        ) from exc
    limits = {
        name: TensorData(lowest=np.float32(-one.threshold), highest=np.float32(one.threshold))
        for name, one in ranges.tensors.items()
    }
    try:
        quantiser = QDQQuantizer(
            work,
            True,  # per channel
            False,  # all eight bits
            QuantType.QInt8,
            QuantType.QInt8,
            TensorsData(CalibrationMethod.MinMax, limits),
            nodes,
            [],
            sorted({node.op_type for node in work.graph.node if node.name in nodes}),
            {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
        )
        quantiser.quantize_model()
    except (RuntimeError, ValueError, KeyError) as exc:
        raise ModelError(
            "ONNX Runtime does not quantise the model", found=str(exc).splitlines()[0]
        ) from exc
    paired: onnx.ModelProto = quantiser.model.model
    sort_nodes(paired.graph)
    return paired


def edges(graph: onnx.GraphProto) -> Iterator[Edge]:
    """Every place where a node reads an activation through a Q/DQ pair."""
    view = GraphView(graph)
    for node in graph.node:
        if node.op_type in (_Q, _DQ):
            continue
        for place, name in enumerate(node.input):
            tensor = source_of(name, view)
            if tensor is not None:
                yield Edge(tensor, view.maker(tensor), node, place)


def source_of(name: str, view: GraphView) -> str | None:
    """The tensor that a pair quantises; None where ``name`` is not behind one. A weight that is
    stored as INT8 has no such tensor."""
    dequantise = view.maker(name)
    if dequantise is None or dequantise.op_type != _DQ:
        return None
    quantise_ = view.maker(dequantise.input[0])
    return None if quantise_ is None or quantise_.op_type != _Q else quantise_.input[0]


def keep_pairs(paired: onnx.ModelProto, wanted: Callable[[Edge], bool]) -> onnx.ModelProto:
    """A copy in which only the wanted edges pass through their pair."""
    work = copy_of(paired)
    for edge in list(edges(work.graph)):
        if not wanted(edge):
            edge.reader.input[edge.place] = edge.tensor
    drop_unused(work.graph)
    return work


def _has_ranges(node: onnx.NodeProto, model: onnx.ModelProto, ranges: Ranges) -> bool:
    constants = {tensor.name for tensor in model.graph.initializer}
    data = node.input[:1] if node.op_type == "Resize" else node.input
    names = [name for name in (*data, *node.output) if name]
    return all(name in ranges.tensors and name not in constants for name in names)


def _is_slight(node: onnx.NodeProto, view: GraphView) -> bool:
    shape = view.shape(node.input[1])
    assert shape is not None
    if node.op_type in ("Gemm", "MatMul"):
        return is_small(shape) or len(shape) != 2
    if node.op_type == "Conv" and shape[1] <= _FEW and attribute(node, "group", 1) == 1:
        return True
    axes = view.types[node.output[0]].tensor_type.shape.dim if node.output[0] in view.types else ()
    return len(axes) > 2 and all(axis.dim_value == 1 for axis in axes[2:])
