"""TensorRT's rules for Q/DQ: which pairs its importer takes, and where they have to stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx

from export.graph.view import GraphView, attribute, opset_of
from export.trt.base import GUIDE, MEASURED, OPERATORS, Broken, Check, Rule
from export.trt.operators import Generation

_T = onnx.TensorProto
_Q, _DQ = "QuantizeLinear", "DequantizeLinear"
_PAIR = (_Q, _DQ)
_CONVS = ("Conv", "ConvTranspose")
_WEIGHTED = (*_CONVS, "Gemm", "MatMul")
_FP16_SCALES_SINCE = 19
_PER_AXIS_SINCE = 13

# What TensorRT fuses behind a convolution.
_ACTIVATIONS = {
    *("Celu", "Clip", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "PRelu"),
    *("Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh", "ThresholdedRelu"),
}

# A Gemm or MatMul with fewer weights than this gains nothing from INT8 and loses accuracy.
SMALL_PRODUCT = 1 << 16


def is_small(shape: tuple[int, ...]) -> bool:
    """Whether a Gemm's or MatMul's weight is too small to be worth INT8."""
    return int(np.prod(shape)) < SMALL_PRODUCT


def weight_axis(node: onnx.NodeProto) -> int | None:
    """The axis of the weight that counts output channels; None where the node has no weight."""
    if node.op_type == "Gemm":
        return 0 if attribute(node, "transB", 0) else 1
    return {"Conv": 0, "ConvTranspose": 1, "MatMul": 1}.get(node.op_type)


def _pairs(view: GraphView) -> Iterator[onnx.NodeProto]:
    yield from (node for node in view.graph.node if node.op_type in _PAIR)


def _zero_point_type(
    model: onnx.ModelProto, view: GraphView, target: Generation
) -> Iterator[Broken]:
    for node in _pairs(view):
        kind = _quantised_type(node, view)
        if kind not in (_T.INT8, _T.INT32):  # int32 has its own rule
            yield Broken(node, f"quantises to {_T.DataType.Name(kind).lower()}, not to int8")


def _quantised_type(node: onnx.NodeProto, view: GraphView) -> int:
    """The type of the quantised side, as the specification infers it."""
    if len(node.input) > 2 and node.input[2]:
        return view.element_type(node.input[2])
    if node.op_type == _Q:
        stated = attribute(node, "output_dtype", 0)
        return stated if isinstance(stated, int) and stated else _T.UINT8
    maker = view.maker(node.input[0])
    if maker is not None and maker.op_type == _Q:
        return _quantised_type(maker, view)
    return view.element_type(node.input[0])


def _zero_point(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for node in _pairs(view):
        if len(node.input) > 2 and node.input[2]:
            value = view.value(node.input[2])
            if value is None:
                yield Broken(node, "its zero-point is computed while the model runs")
            elif np.any(value != 0) and value.dtype != np.uint8:
                yield Broken(node, f"its zero-point is {_first(value[value != 0])}")


def _scale(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for node in _pairs(view):
        value = view.value(node.input[1])
        if value is None:
            yield Broken(node, "its scale is computed while the model runs")
            continue
        scales = np.asarray(value, np.float64)
        wrong = scales[~(np.isfinite(scales) & (scales > 0))]
        if wrong.size:
            yield Broken(node, f"{wrong.size} of {scales.size} scales, the first {_first(wrong)}")


def _scale_type(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    opset = opset_of(model) or 0
    for node in _pairs(view):
        kind = view.element_type(node.input[1])
        if kind == _T.FLOAT16 and opset < _FP16_SCALES_SINCE:
            yield Broken(node, f"an FP16 scale at opset {opset}")
        elif kind not in (_T.FLOAT, _T.FLOAT16):
            yield Broken(node, f"a {_T.DataType.Name(kind).lower()} scale")


def _per_axis(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    opset = opset_of(model) or 0
    for node in _pairs(view):
        count = _scales(node, view)
        if count is None or count == ():
            continue
        if _weight_shape(node, view) is None and int(np.prod(count)) > 1:
            yield Broken(node, f"{count[0]} scales for a tensor that is no constant weight")
        elif opset < _PER_AXIS_SINCE and int(np.prod(count)) > 1:
            yield Broken(node, f"scales per axis at opset {opset}; they are there from 13 on")


def _axis(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for node, reader, shape in _per_axis_weights(view):
        wanted, found = weight_axis(reader), _axis_of(node, len(shape))
        if wanted is not None and found != wanted:
            yield Broken(node, f"axis {found}; the weight of a {reader.op_type} has {wanted}")


def _scale_count(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for node, _, shape in _per_axis_weights(view):
        axis, count = _axis_of(node, len(shape)), _scales(node, view)
        if not 0 <= axis < len(shape) or count is None:
            continue
        if len(count) != 1 or count[0] != shape[axis]:
            yield Broken(node, f"scales {list(count)} for a weight {list(shape)} on axis {axis}")


def _per_axis_weights(
    view: GraphView,
) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto, tuple[int, ...]]]:
    """Each Q or DQ with several scales on a weight, the node that reads it, the weight's shape."""
    for node in _pairs(view):
        count, shape = _scales(node, view), _weight_shape(node, view)
        if count and shape is not None and int(np.prod(count)) > 1:
            for reader in _readers_past_pairs(node, view):
                yield node, reader, shape


def _float_bias(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for node in _pairs(view):
        biases = [
            reader.node.op_type
            for reader in view.read_by(node.output[0])
            if reader.place == 2 and reader.node.op_type in (*_CONVS, "Gemm")
        ]
        if biases:
            yield Broken(node, f"the bias of a {biases[0]} is quantised")
        elif node.op_type == _DQ and _quantised_type(node, view) == _T.INT32:
            yield Broken(node, "it takes int32")


def _float_weight(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for node in () if target.stored_int8 else _pairs(view):
        weight = view.constants.get(node.input[0])
        if weight is not None and weight.data_type == _T.INT8:
            yield Broken(node, f"{weight.name!r} is stored as int8")


def _both_sides(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for node in view.graph.node:
        if node.op_type in _WEIGHTED:
            data, weight = (_is_dequantised(name, view) for name in node.input[:2])
            if data != weight:
                bare = "weight" if data else "input"
                yield Broken(node, f"its {bare} is not behind Q/DQ, the other is")


def _fused(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for node in _pairs(view):
        maker = view.maker(node.input[0])
        if node.op_type == _Q and maker is not None and maker.op_type in _CONVS:
            behind = [
                reader.op_type
                for reader in _readers_past_pairs(node, view)
                if reader.op_type in _ACTIVATIONS
            ]
            if behind:
                yield Broken(node, f"stands between a {maker.op_type} and its {behind[0]}")


def _residual(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for node in view.graph.node:
        if node.op_type != "Add" or any(name in view.constants for name in node.input):
            continue
        quantised = [_is_dequantised(name, view) for name in node.input]
        sources = [_source(name, view) for name in node.input]
        branch = _branch_of(sources, view)
        if branch is not None and quantised[branch]:
            yield Broken(node, "Q/DQ on the branch that comes from the convolutions")
        elif branch is None and all(quantised) and any(_by_conv(name, view) for name in sources):
            yield Broken(node, "Q/DQ on both inputs, one of which a convolution makes")


def _branch_of(sources: list[str], view: GraphView) -> int | None:
    """Which of two tensors was computed from the other; None where neither was."""
    if _is_ancestor(sources[0], sources[1], view):
        return 1
    return 0 if _is_ancestor(sources[1], sources[0], view) else None


def _small_product(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for node in view.graph.node:
        if node.op_type in ("Gemm", "MatMul"):
            maker = view.maker(node.input[1])
            shape = _weight_shape(maker, view) if maker is not None else None
            if shape is not None and is_small(shape):
                yield Broken(node, f"a weight of {' × '.join(map(str, shape))} is quantised")


def _scales(node: onnx.NodeProto, view: GraphView) -> tuple[int, ...] | None:
    """The shape of a node's scales, () for one of all; None where they are not constant."""
    return view.shape(node.input[1])


def _axis_of(node: onnx.NodeProto, rank: int) -> int:
    axis = attribute(node, "axis", 1)
    assert isinstance(axis, int)
    return axis + rank if axis < 0 else axis


def _weight_shape(node: onnx.NodeProto, view: GraphView) -> tuple[int, ...] | None:
    """The shape of the constant behind a Q or DQ; None where there is none."""
    current: onnx.NodeProto | None = node
    while current is not None and current.op_type in _PAIR:
        shape = view.shape(current.input[0])
        if shape is not None:
            return shape
        current = view.maker(current.input[0])
    return None


def _readers_past_pairs(node: onnx.NodeProto, view: GraphView) -> Iterator[onnx.NodeProto]:
    for reader in view.read_by(node.output[0]):
        if reader.node.op_type in _PAIR:
            yield from _readers_past_pairs(reader.node, view)
        else:
            yield reader.node


def _is_dequantised(name: str, view: GraphView) -> bool:
    maker = view.maker(name)
    return maker is not None and maker.op_type == _DQ


def _source(name: str, view: GraphView) -> str:
    """The tensor before the Q/DQ pairs that ``name`` comes through."""
    maker = view.maker(name)
    while maker is not None and maker.op_type in _PAIR:
        name = maker.input[0]
        maker = view.maker(name)
    return name


def _by_conv(name: str, view: GraphView) -> bool:
    maker = view.maker(name)
    return maker is not None and maker.op_type in _CONVS


def _is_ancestor(name: str, of: str, view: GraphView) -> bool:
    todo, seen = [of], set[str]()
    while todo:
        maker = view.maker(todo.pop())
        for read in maker.input if maker is not None else ():
            if read == name:
                return True
            if read not in seen:
                seen.add(read)
                todo.append(read)
    return False


def _first(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    return f"{values.flat[0]:g}"


QUANTISATION: Mapping[Rule, Check] = {
    Rule("zero-point-type", "INT8 alone: uint8 is taken for int8", MEASURED): _zero_point_type,
    Rule("zero-point", "every zero-point is a constant 0", OPERATORS): _zero_point,
    Rule("scale", "scales are constant, finite and above 0", GUIDE): _scale,
    Rule("scale-type", "scales are FP32, or FP16 from opset 19 on", MEASURED): _scale_type,
    Rule("per-axis", "scales per axis are for constant weights", GUIDE): _per_axis,
    Rule(
        "axis",
        "a weight's scales go by its output channels: axis 0 of a Conv or a Gemm with transB, "
        "1 of a ConvTranspose, Gemm or MatMul",
        GUIDE,
    ): _axis,
    Rule("scale-count", "there is one scale for each channel of the axis", GUIDE): _scale_count,
    Rule("float-bias", "biases are float: int32 behind DQ breaks the build", MEASURED): _float_bias,
    Rule(
        "float-weight",
        "for TensorRT 8 weights are stored as FP32, with Q and DQ behind them",
        "onnxruntime issue 14229: only activation types allowed as input to this layer",
    ): _float_weight,
    Rule(
        "both-sides", "Q/DQ stand on the input and the weight of a layer, or on neither", GUIDE
    ): _both_sides,
    Rule("fused-activation", "none stands between Conv and its activation", GUIDE): _fused,
    Rule("residual-skip", "at a residual Add they stand on the skip input only", GUIDE): _residual,
    Rule("small-product", "small Gemm and MatMul stay float", MEASURED): _small_product,
}
