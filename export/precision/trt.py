"""Q/DQ as TensorRT's importer takes it: symmetric INT8, pairs only where a layer gains by them."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from export.graph.view import GraphView, opset_of, sort_nodes
from export.precision.editing import fresh, replace_nodes
from export.precision.pairs import WEIGHTED, Edge, keep_pairs, source_of

_CONVS = ("Conv", "ConvTranspose")
_LATEST_FOR_8 = 17


def for_tensorrt(paired: onnx.ModelProto, chosen: frozenset[str]) -> onnx.ModelProto:
    """For TensorRT 10 and later: pairs on the input and the weight of the chosen layers and on the
    skip input of residual Adds, none behind a convolution."""
    skips = _skips(paired, chosen)

    def wanted(edge: Edge) -> bool:
        if edge.reader.op_type in WEIGHTED:
            return edge.reader.name in chosen
        return (edge.reader.name, edge.place) in skips

    return keep_pairs(paired, wanted)


def for_tensorrt_8(paired: onnx.ModelProto, chosen: frozenset[str]) -> onnx.ModelProto:
    """For TensorRT 8: the same, with weights stored as FP32 before their Q and DQ, as its importer
    expects them. They quantise to the very values that the other files store.

    The model has to be of opset 17 or less.
    """
    work = for_tensorrt(paired, chosen)
    assert (opset_of(work) or 0) <= _LATEST_FOR_8
    graph = work.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        weight = stored.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if weight is not None:
            nodes.append(_quantised_again(node, weight, stored))
        nodes.append(node)
    replace_nodes(graph, nodes)
    sort_nodes(graph)
    return work


def _quantised_again(
    node: onnx.NodeProto, weight: onnx.TensorProto, stored: dict[str, onnx.TensorProto]
) -> onnx.NodeProto:
    """Make the stored weight float; the node that quantises it for ``node`` to take back."""
    values = numpy_helper.to_array(weight)
    scale = numpy_helper.to_array(stored[node.input[1]])
    axis = next((held.i for held in node.attribute if held.name == "axis"), 1)
    shape = [1] * values.ndim
    if scale.size > 1:
        shape[axis] = scale.size
    floats = (values.astype(np.float32) * scale.reshape(shape)).astype(np.float32)
    weight.CopyFrom(numpy_helper.from_array(floats, weight.name))
    name = fresh(stored, f"{weight.name}_quantised")
    made = onnx.helper.make_node(
        "QuantizeLinear", [weight.name, *node.input[1:]], [name], name=f"{node.name}_quantise"
    )
    made.attribute.extend(node.attribute)
    node.input[0] = name
    return made


def _skips(paired: onnx.ModelProto, chosen: frozenset[str]) -> set[tuple[str, int]]:
    """The Adds that a chosen convolution runs into, with the place of the other input."""
    view = GraphView(paired.graph)
    found = set[tuple[str, int]]()
    for node in paired.graph.node:
        if node.op_type != "Add":
            continue
        sources = [source_of(name, view) or name for name in node.input]
        by_conv = [place for place in (0, 1) if _fuses(sources[place], view, chosen)]
        later = [
            place for place in by_conv if _comes_from(sources[place], sources[1 - place], view)
        ]
        if by_conv:
            found.add((node.name, 1 - (later or by_conv)[0]))
    return found


def _fuses(name: str, view: GraphView, chosen: frozenset[str]) -> bool:
    maker = view.maker(name)
    return maker is not None and maker.op_type in _CONVS and maker.name in chosen


def _comes_from(name: str, earlier: str, view: GraphView) -> bool:
    todo, seen = [name], set[str]()
    while todo:
        maker = view.maker(todo.pop())
        for read in maker.input if maker is not None else ():
            if read == earlier:
                return True
            if read not in seen:
                seen.add(read)
                todo.append(read)
    return False
