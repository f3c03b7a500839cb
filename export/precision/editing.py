"""Small edits of an ONNX graph that the rewrites and the quantiser share."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

Weights = NDArray[np.float32]


def copy_of(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model of one's own to change."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def fresh(taken: Iterable[str], wanted: str) -> str:
    """``wanted``, or that with a number where the name is taken."""
    names = set(taken)
    name, number = wanted, 1
    while name in names:
        number += 1
        name = f"{wanted}_{number}"
    return name


def put_constant(graph: onnx.GraphProto, name: str, values: NDArray[np.generic]) -> None:
    """Set the initialiser ``name``, adding it where there is none."""
    made = numpy_helper.from_array(np.asarray(values, order="C"), name)
    for tensor in graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(made)
            return
    graph.initializer.append(made)


def replace_nodes(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Let the graph have these nodes, in this order."""
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and initialisers that nothing reads, and types of tensors that are gone."""
    kept: list[onnx.NodeProto] = []
    needed = {value.name for value in graph.output}
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    if len(kept) < len(graph.node):
        replace_nodes(graph, reversed(kept))
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    if len(constants) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(constants)
    made = {name for node in graph.node for name in node.output}
    types = [value for value in graph.value_info if value.name in made]
    if len(types) < len(graph.value_info):
        del graph.value_info[:]
        graph.value_info.extend(types)
