"""Small models written as text, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from edge.runner.base import Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner

Make = Callable[..., onnx.ModelProto]
Run = Callable[[onnx.ModelProto, Mapping[str, Tensor]], dict[str, Any]]


@pytest.fixture
def make() -> Make:
    """Makes a model of a graph in ONNX's own text form; weights by name, random where a shape."""

    def build(graph: str, *, opset: int = 13, domains: str = "", **weights: Any) -> onnx.ModelProto:
        header = f'<ir_version: 8, opset_import: ["": {opset}{domains}]>'
        model: onnx.ModelProto = onnx.parser.parse_model(f"{header} g {graph}")
        random = np.random.default_rng(3)
        for name, value in weights.items():
            if isinstance(value, tuple):
                value = random.normal(0, 0.3, value).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return model

    return build


@pytest.fixture
def run() -> Run:
    """Runs a model once."""

    def infer(model: onnx.ModelProto, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with OnnxRuntimeRunner(model.SerializeToString()) as runner:
            return runner.infer(feeds)

    return infer
