"""Q/DQ pairs in a graph: putting them everywhere, and taking away those that a file does not want.

ONNX Runtime's quantiser puts them in. Everything is symmetric; weights have a scale for each output
channel and are stored as INT8, biases stay float.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from calibration.observe import Ranges
from edge.config import forbid_telemetry
from edge.errors import ModelError
from edge.extras import needing
from export.graph.view import GraphView, sort_nodes
from export.precision.editing import copy_of, drop_unused

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# What may run on INT8 between layers: on CPU, and for Add in TensorRT too.
PASSING = ("Add", "AveragePool", "Concat", "LeakyRelu", "MaxPool", "Mul", "Resize", "Sigmoid")
_Q, _DQ = "QuantizeLinear", "DequantizeLinear"


@dataclass(frozen=True, slots=True)
class Edge:
    """A tensor with a Q/DQ pair on its way to a reader. maker: None for an input of the model."""

    tensor: str
    maker: onnx.NodeProto | None
    reader: onnx.NodeProto
    place: int


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
    with needing("quantising a model"):
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
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
