"""TensorRT's rules for any file: operators and their forms, types, shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import onnx

from export.graph.view import (
    DEFAULT_DOMAINS,
    GraphView,
    attribute,
    external_tensors,
    graphs_of,
    opset_of,
)
from export.trt.base import MEASURED, OPERATORS, SHAPES, Broken, Check, Rule
from export.trt.operators import Generation

_T = onnx.TensorProto

_NEVER = {
    _T.STRING,
    *(_T.COMPLEX64, _T.COMPLEX128),
    *(_T.INT16, _T.UINT16, _T.UINT32, _T.UINT64),
}
_LARGE_K = 3840  # TopK


def _external_data(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for name in external_tensors(model):
        yield Broken(None, f"{name!r} keeps its values in another file")


def _opset(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    opset, (first, last) = opset_of(model), target.opsets
    if opset is None:
        yield Broken(None, "the file does not say which operator set it uses")
    elif not first <= opset <= last:
        yield Broken(None, f"opset {opset}; {target.name} takes {first} to {last}")


def _operator(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    functions = {(function.domain, function.name) for function in model.functions}
    for graph in graphs_of(model.graph):
        for node in graph.node:
            if node.domain not in DEFAULT_DOMAINS:
                if (node.domain, node.op_type) not in functions:
                    yield Broken(node, f"{node.domain}.{node.op_type} is of another domain")
            elif node.op_type not in target.operators:
                yield Broken(node, f"{target.name} has no {node.op_type}")


def _form(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    for graph in graphs_of(model.graph):
        for node in graph.node:
            check = _FORMS.get(node.op_type)
            if check is not None and (text := check(node, view)):
                yield Broken(node, text)


def _resize(node: onnx.NodeProto, view: GraphView) -> str:
    mode = attribute(node, "mode", "nearest")
    how = attribute(node, "coordinate_transformation_mode", "half_pixel")
    policy = attribute(node, "keep_aspect_ratio_policy", "stretch")
    if mode not in ("nearest", "linear"):
        return f"mode {mode}: only nearest and linear are there"
    if how in ("tf_crop_and_resize", "half_pixel_symmetric"):
        return f"coordinate transformation {how}"
    if attribute(node, "antialias", 0):
        return "antialiasing"
    return "" if policy == "stretch" else f"aspect ratio policy {policy}"


def _pool(node: onnx.NodeProto, view: GraphView) -> str:
    dilations = attribute(node, "dilations", [])
    assert isinstance(dilations, list)
    if any(step != 1 for step in dilations):
        return f"dilations {dilations}: only 1 is there"
    if node.op_type == "MaxPool" and len(node.output) > 1 and node.output[1]:
        return "its Indices output cannot be had"
    return ""


def _top_k(node: onnx.NodeProto, view: GraphView) -> str:
    if not attribute(node, "sorted", 1):
        return "sorted = 0"
    k = view.value(node.input[1]) if len(node.input) > 1 else None
    return f"K = {k.item()}, not below {_LARGE_K}" if k is not None and k.item() >= _LARGE_K else ""


def _scatter(node: onnx.NodeProto, view: GraphView) -> str:
    reduction = attribute(node, "reduction", "none")
    return "" if reduction == "none" else f"reduction {reduction}"


def _constant(node: onnx.NodeProto, view: GraphView) -> str:
    held = {value.name for value in node.attribute}
    unfit = held & {"sparse_value", "value_string", "value_strings"}
    return f"holds {unfit.pop()}" if unfit else ""


_FORMS: Mapping[str, Callable[[onnx.NodeProto, GraphView], str]] = {
    "Resize": _resize,
    "AveragePool": _pool,
    "LpPool": _pool,
    "MaxPool": _pool,
    "TopK": _top_k,
    "ScatterND": _scatter,
    "Constant": _constant,
}


def _element_type(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    """Types of initialisers, inputs, outputs and casts; zero-points have rules of their own."""
    points = {
        node.input[2]
        for node in view.graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and len(node.input) > 2
    }
    outside = {value.name for value in (*view.graph.input, *view.graph.output)}
    for name in dict.fromkeys([*outside, *view.constants, *view.types]):
        kind = view.element_type(name)
        maker = view.maker(name)
        quantised = maker is not None and maker.op_type == "QuantizeLinear"
        reads = {reader.node.op_type for reader in view.read_by(name)}
        if name in points or quantised or reads == {"DequantizeLinear"}:
            continue
        if kind in _NEVER or kind == _T.DOUBLE or (kind == _T.UINT8 and name not in outside):
            yield Broken(maker, f"{name!r} is {_T.DataType.Name(kind).lower()}")


# Which inputs of an operator say how large its output is. None: all of them.
_SHAPE_INPUTS: Mapping[str, tuple[int, ...] | None] = {
    "Reshape": (1,),
    "Expand": (1,),
    "Tile": (1,),
    "ConstantOfShape": (0,),
    "Range": None,
    "Resize": (1, 2, 3),
    "Upsample": (1,),
    "Slice": (1, 2, 3, 4),
    "Pad": (1, 3),
    "TopK": (1,),
    "OneHot": (1,),
    "Split": (1,),
    "Unsqueeze": (1,),
    "Squeeze": (1,),
}
_VALUE_SIZED = {"Compress", "NonMaxSuppression", "NonZero", "Unique"}


def _data_shape(model: onnx.ModelProto, view: GraphView, target: Generation) -> Iterator[Broken]:
    known: dict[str, bool] = {}
    for node in view.graph.node:
        if node.op_type in _VALUE_SIZED:
            yield Broken(node, "how much it gives depends on what it is given")
        elif node.op_type in _SHAPE_INPUTS:
            places = _SHAPE_INPUTS[node.op_type]
            names = [
                name
                for place, name in enumerate(node.input)
                if name and (places is None or place in places)
            ]
            if any(_from_values(name, view, known) for name in names):
                yield Broken(node, "the shape it makes is computed from values")


def _from_values(name: str, view: GraphView, known: dict[str, bool]) -> bool:
    """Whether a tensor depends on what the model is fed, and not on its shape alone."""
    todo, seen = [name], set[str]()
    while todo:
        current = todo.pop()
        if current in seen or current in view.constants or known.get(current) is False:
            continue
        seen.add(current)
        maker = view.maker(current)
        if maker is None or known.get(current):
            known[name] = True
            return True
        if maker.op_type not in ("Shape", "Size"):
            todo.extend(filter(None, maker.input))
    known.update(dict.fromkeys(seen, False))
    return False


EXTERNAL: Mapping[Rule, Check] = {
    Rule("external-data", "all weights are in the file", MEASURED): _external_data,
}
GENERAL: Mapping[Rule, Check] = {
    Rule("opset", "the operator set is one that the parser knows", OPERATORS): _opset,
    Rule("operator", "the parser has every operator", OPERATORS): _operator,
    Rule("operator-form", "operators are used as the parser takes them", OPERATORS): _form,
    Rule(
        "element-type",
        "no double, string, complex or 16-bit integers; uint8 as input or output only",
        OPERATORS,
    ): _element_type,
    Rule(
        "data-dependent-shape",
        "shapes follow from the inputs' shapes, so that outputs have room before the model runs",
        SHAPES,
    ): _data_shape,
}
