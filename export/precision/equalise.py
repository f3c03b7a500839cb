"""Cross-layer equalisation: one layer's channels scaled down, the next layer's weights scaled up.

Between two convolutions with nothing but ReLU, LeakyReLU or PReLU between them a positive factor
for each channel can be moved from one to the other (Nagel et al., Data-Free Quantization Through
Weight Equalization and Bias Correction, 2019). An activation has one scale for all its channels,
weights have one for each output channel; so the factors are chosen for the activation: before a
depthwise convolution, whose weights have a scale for each of these channels too, all channels are
made to reach evenly far at no cost. Before any other, what the activation gains its weights lose,
and the factor is the geometric mean of the two (as in SmoothQuant, Xiao et al. 2023, with α = ½).
All of it is done to three quarters: what calibration saw too little of would be cut off otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from calibration.observe import Ranges
from export.graph.view import GraphView, attribute
from export.precision.editing import Weights, copy_of, put_constant

_POSITIVE = ("LeakyRelu", "PRelu", "Relu")
_STRENGTH = 0.75
# A channel that hardly ever speaks is not blown up without end.
_WIDEST = 1000.0


@dataclass(frozen=True, slots=True)
class Link:
    """Two convolutions, the second reading nothing but the first's output, which is ``tensor``."""

    first: onnx.NodeProto
    tensor: str
    second: onnx.NodeProto


def links(graph: onnx.GraphProto) -> Iterator[Link]:
    """Every pair of convolutions between which factors can be moved."""
    view = GraphView(graph)
    given = {value.name for value in graph.output}
    uses = {name: len(view.read_by(name)) for name in view.constants}
    for node in graph.node:
        if not _has_own_weights(node, view, uses):
            continue
        name = node.output[0]
        while name not in given and len(view.read_by(name)) == 1:
            reader = view.read_by(name)[0]
            if reader.place != 0:
                break
            if reader.node.op_type in _POSITIVE:
                name = reader.node.output[0]
                continue
            if _has_own_weights(reader.node, view, uses):
                yield Link(node, name, reader.node)
            break


def equalise(model: onnx.ModelProto, ranges: Ranges) -> tuple[onnx.ModelProto, int]:
    """A copy that computes the same with channels that reach more evenly far, and how many pairs of
    layers were changed. ranges: of this model, for every tensor between two layers."""
    work = copy_of(model)
    count = 0
    for link in list(links(work.graph)):
        seen = ranges.tensors.get(link.tensor)
        if seen is None or seen.peaks is None:
            continue
        view = GraphView(work.graph)
        factors = _factors(link, seen.peaks, view)
        if factors is None:
            continue
        _move(work.graph, link, factors, view)
        count += 1
    return work, count


def _has_own_weights(node: onnx.NodeProto, view: GraphView, uses: dict[str, int]) -> bool:
    if node.op_type != "Conv":
        return False
    names = [name for name in node.input[1:] if name]
    return all(uses.get(name) == 1 and view.shape(name) is not None for name in names)


def _factors(link: Link, peaks: NDArray[np.float64], view: GraphView) -> Weights | None:
    """What the first layer's channels are divided by; None where they cannot be."""
    weight = _weights(view, link.second.input[1])
    channels = len(_weights(view, link.first.input[1]))
    if len(peaks) != channels or not peaks.max() > 0:
        return None
    reach = _bounded(peaks)
    if _is_depthwise(link.second, view):
        factors = reach
    elif attribute(link.second, "group", 1) == 1 and weight.shape[1] == channels:
        axes = tuple(axis for axis in range(weight.ndim) if axis != 1)
        factors = np.sqrt(reach / _bounded(np.abs(weight).max(axis=axes).astype(np.float64)))
    else:
        return None
    powers = _STRENGTH * np.log(factors)
    return np.asarray(np.exp(powers - powers.mean()), np.float32)


def _bounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    greatest = float(values.max())
    return np.maximum(values, greatest / _WIDEST if greatest > 0 else 1.0)


def _move(graph: onnx.GraphProto, link: Link, factors: Weights, view: GraphView) -> None:
    first, second = link.first, link.second
    weight = _weights(view, first.input[1])
    put_constant(graph, first.input[1], weight / factors.reshape(-1, *(1,) * (weight.ndim - 1)))
    if len(first.input) > 2 and first.input[2]:
        put_constant(graph, first.input[2], _weights(view, first.input[2]) / factors)
    weight = _weights(GraphView(graph), second.input[1])
    axis = 0 if _is_depthwise(second, view) else 1
    shape = [-1 if place == axis else 1 for place in range(weight.ndim)]
    put_constant(graph, second.input[1], weight * factors.reshape(shape))


def _is_depthwise(node: onnx.NodeProto, view: GraphView) -> bool:
    shape = view.shape(node.input[1])
    return shape is not None and shape[1] == 1 and attribute(node, "group", 1) == shape[0]


def _weights(view: GraphView, name: str) -> Weights:
    values = view.value(name)
    assert values is not None
    return np.asarray(values, np.float32)
