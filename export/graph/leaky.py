"""PReLU with one slope for all channels as LeakyReLU, which ONNX Runtime runs within the layer
before it."""

from __future__ import annotations

import numpy as np
import onnx

from export.graph.view import GraphView


def join_slopes(graph: onnx.GraphProto) -> str:
    """Make every such PReLU in the graph a LeakyReLU, which computes the very same; one line that
    says how many, empty where there is none. Slopes that nothing else reads stay for the caller to
    drop."""
    view = GraphView(graph)
    count = 0
    for node in graph.node:
        slopes = view.value(node.input[1]) if node.op_type == "PRelu" else None
        if slopes is None or slopes.dtype != np.float32 or not slopes.size:
            continue
        alpha = slopes.flat[0]
        if not np.all(slopes == alpha):
            continue
        leaky = onnx.helper.make_node(
            "LeakyRelu", node.input[:1], node.output, name=node.name, alpha=float(alpha)
        )
        node.CopyFrom(leaky)
        count += 1
    return f"{count} PReLU with one slope made LeakyReLU" if count else ""
