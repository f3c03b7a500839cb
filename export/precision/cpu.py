"""Q/DQ as ONNX Runtime's CPU kernels fuse it.

They fuse a convolution whose input, weight and output are quantised, on unsigned activations: the
zero-point moves from signed 0 to unsigned 128, the scale stays what it is. What is never negative,
as behind a ReLU, gets 0 instead: every value it had is still there, and the ReLU itself then is
nothing but the end of the range and falls away.
"""

from __future__ import annotations

import numpy as np
import onnx

from calibration.observe import Ranges
from export.graph.view import GraphView
from export.precision.editing import drop_unused, put_constant
from export.precision.pairs import PASSING, WEIGHTED, Edge, keep_pairs, source_of

_MIDDLE = 128
_Q, _RELU = "QuantizeLinear", "Relu"


def for_cpu(paired: onnx.ModelProto, chosen: frozenset[str], ranges: Ranges) -> onnx.ModelProto:
    """Pairs around the chosen layers and what passes between them; unsigned activations.

    A layer that stays float reads floats: ONNX Runtime would quantise the weights of one between
    two pairs by itself, with one scale for all of them.
    """
    view = GraphView(paired.graph)
    inside = _inside(paired, view, chosen)
    absorbed = {
        node.name
        for node in paired.graph.node
        if node.name in inside
        and node.op_type == _RELU
        and (edges := _read_from(node, view))
        and all(_is_wanted(edge, inside) for edge in edges)
    }
    work = keep_pairs(
        paired, lambda edge: _is_wanted(edge, inside) and edge.reader.name not in absorbed
    )
    _make_unsigned(work.graph, ranges)
    return work


def _inside(paired: onnx.ModelProto, view: GraphView, chosen: frozenset[str]) -> set[str]:
    """The chosen layers, and what reads nothing but what they and the like make."""
    inside = set(chosen)
    for node in paired.graph.node:
        if node.op_type not in (*PASSING, _RELU):
            continue
        names = node.input[:1] if node.op_type == "Resize" else node.input
        makers = [view.maker(source_of(name, view) or name) for name in names]
        if all(maker is not None and maker.name in inside for maker in makers):
            inside.add(node.name)
    return inside


def _is_wanted(edge: Edge, inside: set[str]) -> bool:
    if edge.reader.op_type in WEIGHTED:
        return edge.reader.name in inside
    if edge.reader.name in inside:
        return True
    # A layer is fused with the pair behind it. What merely passes INT8 on has no need of one, and
    # an output such as a score would lose its small values in it.
    maker = edge.maker
    return maker is not None and maker.name in inside and maker.op_type in WEIGHTED


def _read_from(node: onnx.NodeProto, view: GraphView) -> list[Edge]:
    """The edges from a node's output; one without a pair gives an edge that nothing wants."""
    found: list[Edge] = []
    name = node.output[0]
    for reader in view.read_by(name):
        if reader.node.op_type != _Q:
            found.append(Edge(name, None, reader.node, reader.place))
            continue
        for taken in view.read_by(reader.node.output[0]):
            found += [
                Edge(name, node, last.node, last.place)
                for last in view.read_by(taken.node.output[0])
            ]
    return found


def _make_unsigned(graph: onnx.GraphProto, ranges: Ranges) -> None:
    view = GraphView(graph)
    for node in graph.node:
        if node.op_type != _Q:
            continue
        seen = ranges.tensors.get(node.input[0])
        zero = 0 if seen is not None and seen.low >= 0 else _MIDDLE
        name = f"{node.input[2]}_from_{zero}"
        put_constant(graph, name, np.asarray(zero, np.uint8))
        node.input[2] = name
        for reader in view.read_by(node.output[0]):
            reader.node.input[2] = name
    drop_unused(graph)
