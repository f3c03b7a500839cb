"""Reshapes that look their own axes up: constant targets in place of small subgraphs.

An exporter writes [N, H, W, C] to [N, H·W, C] as Shape, Gather, Unsqueeze and Concat, of
which shape inference makes no rank. ``Reshape`` says the same with 0, "as in the input", and -1.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from export.graph.view import GraphView, attribute

_OWN, _REST = 0, -1


def fix_own_axes(graph: onnx.GraphProto) -> int:
    """Give every reshape that can have one a constant target; says how many got one."""
    view, fixed = GraphView(graph), 0
    for node in graph.node:
        if node.op_type != "Reshape" or attribute(node, "allowzero", 0):
            continue
        shape = view.maker(node.input[1])
        if shape is None or shape.op_type != "Concat":
            continue
        target = _target(node, shape, view)
        if target is not None:
            name = f"{node.output[0]}_shape"
            value = np.asarray(target, np.int64)
            graph.initializer.append(numpy_helper.from_array(value, name))
            node.input[1] = name
            fixed += 1
    return fixed


def _target(node: onnx.NodeProto, shape: onnx.NodeProto, view: GraphView) -> list[int] | None:
    """The reshape's target, with 0 for an axis it keeps and at most one -1; None where neither
    says what is meant."""
    target: list[int] = []
    for name in shape.input:
        value = view.value(name)
        if value is not None:
            target += [int(axis) for axis in value.reshape(-1)]
            if 0 in target[-value.size :]:
                return None
        else:
            kept = _axis_looked_up(node.input[0], name, view) == len(target)
            target.append(_OWN if kept else _REST)
    return target if target.count(_REST) <= 1 else None


def _axis_looked_up(data: str, part: str, view: GraphView) -> int | None:
    """Which axis of ``data`` the one number ``part`` is; None where it is something else."""
    maker = view.maker(part)
    if maker is not None and maker.op_type == "Unsqueeze":
        maker = view.maker(maker.input[0])
    if maker is None or maker.op_type != "Gather":
        return None
    index, shape = view.value(maker.input[1]), view.maker(maker.input[0])
    if index is None or index.size != 1 or shape is None or shape.op_type != "Shape":
        return None
    if attribute(shape, "start", 0) or attribute(shape, "end") is not None:
        return None
    axis, looked_at = int(index.item()), shape.input[0]
    if looked_at == data:
        return axis
    before = view.maker(data)
    if before is not None and before.op_type == "Transpose" and before.input[0] == looked_at:
        order = attribute(before, "perm")
        if isinstance(order, list) and axis in order:
            return order.index(axis)
    return None
