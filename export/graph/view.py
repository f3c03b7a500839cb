"""An ONNX graph to look things up in: who makes a tensor, who reads it, what is constant."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships none
from numpy.typing import NDArray
from onnx import numpy_helper

from edge.errors import ModelError
from edge.onnx_file import read_onnx_facts

DEFAULT_DOMAINS = ("", "ai.onnx")

Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Reader:
    """A node that reads a tensor, and at which of its inputs."""

    node: onnx.NodeProto
    place: int


@dataclass(frozen=True)
class GraphView:
    """Lookups in one graph as it is now; changing the graph makes it stale."""

    graph: onnx.GraphProto
    makers: dict[str, onnx.NodeProto] = field(default_factory=dict)
    readers: dict[str, list[Reader]] = field(default_factory=dict)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    types: dict[str, onnx.TypeProto] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for tensor in self.graph.initializer:
            self.constants[tensor.name] = tensor
        for node in self.graph.node:
            self.makers.update(dict.fromkeys(filter(None, node.output), node))
            for place, name in enumerate(node.input):
                self.readers.setdefault(name, []).append(Reader(node, place))
            if node.op_type == "Constant" and (value := _tensor_of(node)) is not None:
                self.constants[node.output[0]] = value
        for info in (*self.graph.input, *self.graph.value_info, *self.graph.output):
            self.types[info.name] = info.type

    @property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        """What has to be fed: the inputs that no initialiser stands for."""
        given = {tensor.name for tensor in self.graph.initializer}
        return [value for value in self.graph.input if value.name not in given]

    def value(self, name: str) -> Array | None:
        """The values of a constant; None where the tensor is none or lies outside of the file."""
        tensor = self.constants.get(name)
        if tensor is None or _is_external(tensor):
            return None
        return numpy_helper.to_array(tensor)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """A constant's shape; None where the tensor is none."""
        tensor = self.constants.get(name)
        return None if tensor is None else tuple(tensor.dims)

    def element_type(self, name: str) -> int:
        """A member of ``onnx.TensorProto.DataType``; UNDEFINED where the file does not say."""
        if name in self.constants:
            return self.constants[name].data_type
        if name in self.types:
            return self.types[name].tensor_type.elem_type
        return onnx.TensorProto.UNDEFINED

    def maker(self, name: str) -> onnx.NodeProto | None:
        """The node that makes the tensor; None for inputs and initialisers."""
        return self.makers.get(name)

    def read_by(self, name: str) -> list[Reader]:
        """Every node that reads the tensor."""
        return self.readers.get(name, [])


def parse_model(data: bytes, *, name: str) -> onnx.ModelProto:
    """The model that ``data`` holds. Raises ModelError, with ``name``, where it holds none."""
    try:
        read_onnx_facts(data)
    except ModelError as exc:
        raise ModelError(
            f"{name}: {exc.message}", expected=exc.expected, found=exc.found, remedy=exc.remedy
        ) from exc
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as exc:
        raise ModelError(f"{name} is no ONNX file", found=str(exc)) from exc
    if not model.graph.node:
        raise ModelError(f"{name} is no ONNX file", expected="a graph", found="no node in it")
    return model


def name_of(node: onnx.NodeProto) -> str:
    """What to call a node: its name, else its first output's."""
    return node.name or next(filter(None, node.output), node.op_type)


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node, in every graph, a name of its own."""
    taken: set[str] = set()
    for graph in graphs_of(model.graph):
        for node in graph.node:
            name = wanted = name_of(node)
            count = 1
            while name in taken:
                count += 1
                name = f"{wanted}_{count}"
            taken.add(name)
            node.name = name


def drop_unread(model: onnx.ModelProto) -> None:
    """Remove the initialisers that no node and no output reads."""
    graphs = list(graphs_of(model.graph))
    read = {name for graph in graphs for node in graph.node for name in node.input}
    read |= {value.name for graph in graphs for value in graph.output}
    for graph in graphs:
        for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
            graph.initializer.remove(tensor)


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    """An attribute's value as Python has it, text decoded; ``default`` where it is absent."""
    for held in node.attribute:
        if held.name == name:
            value = onnx.helper.get_attribute_value(held)
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return default


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and every graph within its nodes."""
    yield graph
    for node in graph.node:
        for held in node.attribute:
            if held.type == onnx.AttributeProto.GRAPH:
                yield from graphs_of(held.g)
            elif held.type == onnx.AttributeProto.GRAPHS:
                for inner in held.graphs:
                    yield from graphs_of(inner)


def opset_of(model: onnx.ModelProto) -> int | None:
    """The version of the default operator set that the model imports; None without one."""
    versions = [held.version for held in model.opset_import if held.domain in DEFAULT_DOMAINS]
    return versions[0] if versions else None


def external_tensors(model: onnx.ModelProto) -> list[str]:
    """The names of all tensors, in any graph or attribute, whose values are in another file."""
    nodes = [node for function in model.functions for node in function.node]
    tensors: list[onnx.TensorProto] = []
    for graph in graphs_of(model.graph):
        nodes.extend(graph.node)
        tensors.extend(graph.initializer)
        tensors.extend(part for held in graph.sparse_initializer for part in _parts(held))
    for held in (held for node in nodes for held in node.attribute):
        tensors.extend([held.t, *held.tensors, *_parts(held.sparse_tensor)])
    return [tensor.name for tensor in tensors if _is_external(tensor)]


def _is_external(tensor: onnx.TensorProto) -> bool:
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data)


def _parts(tensor: onnx.SparseTensorProto) -> list[onnx.TensorProto]:
    return [tensor.values, tensor.indices]


def sort_nodes(graph: onnx.GraphProto) -> bool:
    """Put the nodes into topological order, stably; says whether any had to move.

    Raises ModelError, naming a node, where they form a cycle.
    """
    order = list(_ordered(graph))
    moved = any(a is not b for a, b in zip(order, graph.node, strict=True))
    if moved:
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in order]
        del graph.node[:]
        graph.node.extend(copies)
    return moved


def _ordered(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Kahn's algorithm; of the nodes that are ready, the one that stood first comes first."""
    nodes = list(graph.node)
    made = {name for node in nodes for name in node.output if name}
    needs = [made.intersection(_reads(node)) for node in nodes]
    waiting = [len(names) for names in needs]
    awaited: dict[str, list[int]] = {}
    for place, names in enumerate(needs):
        for name in names:
            awaited.setdefault(name, []).append(place)
    ready = [place for place, count in enumerate(waiting) if not count]
    while ready:
        node = nodes[heapq.heappop(ready)]
        yield node
        for place in (place for name in node.output for place in awaited.get(name, ())):
            waiting[place] -= 1
            if not waiting[place]:
                heapq.heappush(ready, place)
    stuck = next((node for node, count in zip(nodes, waiting, strict=True) if count), None)
    if stuck is not None:
        raise ModelError(
            f"the nodes of the graph form a cycle at {name_of(stuck)!r} ({stuck.op_type})",
            expected="a graph whose nodes can be put into an order",
            remedy="Export the model again.",
        )


def _reads(node: onnx.NodeProto) -> Iterable[str]:
    """The tensors that a node reads, those that the graphs within it take from outside too."""
    yield from filter(None, node.input)
    for held in node.attribute:
        inner = [held.g] if held.type == onnx.AttributeProto.GRAPH else list(held.graphs)
        for graph in inner:
            for child in graph.node:
                yield from _reads(child)


def _tensor_of(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The tensor of a Constant node; None for strings and sparse ones."""
    for held in node.attribute:
        if held.type == onnx.AttributeProto.TENSOR:
            tensor: onnx.TensorProto = held.t
            return tensor
        if held.name in ("value_float", "value_floats"):
            value = np.asarray(onnx.helper.get_attribute_value(held), np.float32)
            return numpy_helper.from_array(value)
        if held.name in ("value_int", "value_ints"):
            value = np.asarray(onnx.helper.get_attribute_value(held), np.int64)
            return numpy_helper.from_array(value)
    return None
