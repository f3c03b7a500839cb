"""A small generator with several inputs, made of ONNX alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from edge.runner.base import Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner

onnx: Any = pytest.importorskip("onnx", reason="needs the extra export")

Run = Callable[[Any, Mapping[str, Tensor]], dict[str, Tensor]]


@pytest.fixture
def infogan() -> Any:
    """picture = z + code, spread; label × 10, and the parts as they came in, as outputs."""
    from onnx import TensorProto, helper

    def value(name: str, *shape: int | str, kind: int = TensorProto.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    nodes = [
        helper.make_node("Identity", ["z"], ["z_seen"]),
        helper.make_node("Identity", ["code"], ["code_seen"]),
        helper.make_node("Cast", ["label"], ["label_seen"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "infogan",
        [
            value("z", "N", 3, 1, 1),
            value("code", "N", 2),
            value("label", "N", kind=TensorProto.INT64),
        ],
        [value("z_seen", "N", 3, 1, 1), value("code_seen", "N", 2), value("label_seen", "N")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture
def run() -> Run:
    """One model once, in ONNX Runtime."""

    def run_once(model: Any, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        onnx.checker.check_model(model, full_check=True)
        with OnnxRuntimeRunner(model.SerializeToString()) as runner:
            return runner.infer(feeds)

    return run_once


@pytest.fixture
def latent() -> Tensor:
    return np.random.default_rng(1).standard_normal((4000, 5)).astype(np.float32)
