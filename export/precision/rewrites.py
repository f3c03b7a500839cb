"""The same function in a form that quantises well and runs fast.

Every rewrite computes what the model computed before, to rounding. They are made before anything
is measured, so that ranges belong to the tensors that are quantised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from export.graph.fold import fold
from export.graph.leaky import join_slopes
from export.graph.opset import FIRST, LAST, convert_opset
from export.graph.view import GraphView, name_nodes, opset_of, sort_nodes
from export.precision.editing import Weights, copy_of, drop_unused, fresh, replace_nodes


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A model that computes the same, every node named, and what was done to it."""

    model: onnx.ModelProto
    steps: tuple[str, ...]


def rewrite(model: onnx.ModelProto) -> Rewritten:
    """Fold what merges into a layer, take PReLU apart and part outputs from what is read inside.

    The result is of an opset that has Q/DQ by channel and that TensorRT 8 takes. Raises ModelError
    where the model cannot be converted to one.
    """
    opset = opset_of(model) or 0
    work = convert_opset(copy_of(model), min(max(opset, FIRST), LAST))
    work, folded = fold(work)
    name_nodes(work)
    steps = [f"opset {opset} to {opset_of(work)}"] if opset_of(work) != opset else []
    steps.append(folded)
    if joined := join_slopes(work.graph):
        steps.append(joined)
        drop_unused(work.graph)
    if count := take_prelus_apart(work.graph):
        steps.append(f"{count} PReLU taken apart")
    part_outputs(work.graph)
    sort_nodes(work.graph)
    name_nodes(work)
    return Rewritten(work, tuple(steps))


def take_prelus_apart(graph: onnx.GraphProto) -> int:
    """PReLU → what runs without a slope for each channel inside: Max(x, a·x) for slopes up to 1,
    Min(x, a·x) for slopes from 1, and ReLU(x) − a·ReLU(−x) otherwise. Says how many."""
    view = GraphView(graph)
    nodes: list[onnx.NodeProto] = []
    count = 0
    for node in graph.node:
        slopes = view.value(node.input[1]) if node.op_type == "PRelu" else None
        if slopes is None or slopes.dtype != np.float32:
            nodes.append(node)
            continue
        nodes += _without_slopes(node, np.asarray(slopes, np.float32))
        count += 1
    if count:
        replace_nodes(graph, nodes)
        drop_unused(graph)
    return count


def part_outputs(graph: onnx.GraphProto) -> None:
    """Give every output by an Identity, so that the tensor before it can be quantised for others,
    or where it is made, while the output keeps its name."""
    view = GraphView(graph)
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    for value in graph.output:
        maker = view.maker(value.name)
        if maker is None or maker.op_type == "Identity":
            continue
        inner = fresh(taken, f"{value.name}_inner")
        taken.add(inner)
        maker.output[list(maker.output).index(value.name)] = inner
        for reader in view.read_by(value.name):
            reader.node.input[reader.place] = inner
        graph.node.append(onnx.helper.make_node("Identity", [inner], [value.name]))


def _without_slopes(node: onnx.NodeProto, slopes: Weights) -> list[onnx.NodeProto]:
    make = onnx.helper.make_node
    x, output, name = node.input[0], node.output[0], node.name
    scaled = f"{output}_scaled"
    if np.all(slopes <= 1) or np.all(slopes >= 1):
        kind = "Max" if np.all(slopes <= 1) else "Min"
        return [
            make("Mul", [x, node.input[1]], [scaled], name=f"{name}_scaled"),
            make(kind, [x, scaled], [output], name=name),
        ]
    over, under, negated = f"{output}_over", f"{output}_under", f"{output}_negated"
    return [
        make("Relu", [x], [over], name=f"{name}_over"),
        make("Neg", [x], [negated], name=f"{name}_negated"),
        make("Relu", [negated], [under], name=f"{name}_under"),
        make("Mul", [under, node.input[1]], [scaled], name=f"{name}_scaled"),
        make("Sub", [over, scaled], [output], name=name),
    ]
