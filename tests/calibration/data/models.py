"""Small ONNX files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Axes = Sequence["int | str | None"]


def write(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Axes],
    outputs: Mapping[str, Axes],
    constants: Mapping[str, Any],
    integers: Sequence[str] = (),
) -> Path:
    """Write a model; inputs are float32 but for those named in ``integers``, which are int64."""

    def value(name: str, axes: Axes) -> onnx.ValueInfoProto:
        kind = TensorProto.INT64 if name in integers else TensorProto.FLOAT
        return helper.make_tensor_value_info(name, kind, list(axes))

    graph = helper.make_graph(
        list(nodes),
        "small",
        [value(*item) for item in inputs.items()],
        [value(*item) for item in outputs.items()],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def generator(path: Path, *, gain: float = 1.0, side: int = 32) -> Path:
    """tanh(z · W) on a grid of 8 × 8 cells, in three colours, with ``gain`` 0 always the same."""
    weight = np.random.default_rng(0).normal(0, 1, (8, 192)).astype(np.float32) * gain
    nodes = [
        helper.make_node("MatMul", ["z", "w"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["squashed"]),
        helper.make_node("Reshape", ["squashed", "form"], ["small"]),
        helper.make_node("Resize", ["small", "", "scales"], ["picture"], mode="nearest"),
    ]
    scales = np.asarray([1, 1, side / 8, side / 8], np.float32)
    constants = {"w": weight, "form": np.asarray([-1, 3, 8, 8]), "scales": scales}
    return write(path, nodes, {"z": ["N", 8]}, {"picture": ["N", 3, side, side]}, constants)


def conditional(path: Path) -> Path:
    """The label's own picture of 16 × 16 noise, plus a little of the latent."""
    table = np.random.default_rng(1).uniform(-0.8, 0.8, (3, 768)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "c"], ["base"]),
        helper.make_node("ReduceMean", ["z"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "little"], ["moved"]),
        helper.make_node("Add", ["base", "moved"], ["flat"]),
        helper.make_node("Reshape", ["flat", "form"], ["picture"]),
    ]
    return write(
        path,
        nodes,
        {"z": ["N", 8], "c": ["N"]},
        {"picture": ["N", 3, 16, 16]},
        {
            "table": table,
            "form": np.asarray([-1, 3, 16, 16]),
            "little": np.float32(0.01),
        },
        ["c"],
    )
