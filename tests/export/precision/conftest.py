"""A small network with everything that quantising has to tell apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.runner.base import Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner

Run = Callable[[onnx.ModelProto, dict[str, Tensor]], dict[str, Tensor]]


class Net:
    """Collects nodes and constants; every method returns the name of the tensor it makes."""

    def __init__(self, *, seed: int = 3) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.random = np.random.default_rng(seed)

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(
        self, x: str, output: str, shape: tuple[int, ...], *, spread: float = 0, **attributes: Any
    ) -> str:
        """A Conv with a bias. spread: how far apart the output channels' sizes are, in powers."""
        weight = self.random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        factors = 10 ** self.random.uniform(-spread, spread, shape[0])
        weight = weight * factors.reshape(-1, *(1,) * (len(shape) - 1))
        bias = 0.1 * self.random.standard_normal(shape[0]) * factors
        pads = attributes.pop("pads", [shape[-1] // 2] * 4)
        inputs = [x, self.constant(f"{output}_w", weight), self.constant(f"{output}_b", bias)]
        return self.node("Conv", inputs, output, pads=pads, **attributes)

    def prelu(self, x: str, output: str, slopes: Any) -> str:
        values = np.asarray(slopes, np.float32).reshape(-1, 1, 1)
        return self.node("PRelu", [x, self.constant(f"{output}_s", values)], output)

    def model(self, outputs: dict[str, list[Any]], *, opset: int = 17) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])],
            [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in outputs.items()],
            self.constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )
        onnx.checker.check_model(model, full_check=True)
        return model


@pytest.fixture
def build() -> Callable[[], Net]:
    """Makes an empty network."""
    return Net


@pytest.fixture
def network() -> onnx.ModelProto:
    """stem → point-wise and depth-wise with very uneven channels → squeeze-excite → residual Add of
    two convolutions → max-pool → Relu head, and a second output that is read inside too."""
    net = Net()
    stem = net.prelu(net.conv("x", "stem", (16, 3, 3, 3), strides=[2, 2]), "stem_act", [0.25] * 16)
    wide = net.conv(stem, "wide", (16, 16, 1, 1), spread=1.5)
    wide = net.prelu(wide, "wide_act", net.random.uniform(-0.2, 0.9, 16))
    deep = net.node("Relu", [net.conv(stem, "deep_in", (16, 16, 3, 3), spread=1.0)], "deep_relu")
    deep = net.conv(deep, "deep", (16, 1, 3, 3), group=16)
    mean = net.node("GlobalAveragePool", [deep], "squeeze")
    gate = net.node("Sigmoid", [net.conv(mean, "excite", (16, 16, 1, 1))], "gate")
    gated = net.node("Mul", [deep, gate], "gated")
    first = net.conv(gated, "first", (16, 16, 3, 3))
    first = net.node("Relu", [first], "first_relu")
    second = net.conv(first, "second", (16, 16, 3, 3))
    net.node("Add", [second, first], "sum")
    pooled = net.node("MaxPool", ["sum"], "pooled", kernel_shape=[2, 2], strides=[2, 2])
    both = net.conv(wide, "side", (16, 16, 3, 3), strides=[2, 2])
    joined = net.node("Concat", [pooled, both], "joined", axis=1)
    net.node("Relu", [net.conv(joined, "head", (8, 32, 1, 1))], "y")
    return net.model({"y": ["n", 8, 8, 8], "pooled": ["n", 16, 8, 8]})


class Pictures:
    """Random feeds, the same every time."""

    def __init__(self, count: int, *, seed: int = 11) -> None:
        self._count, self._seed = count, seed

    def feeds(self) -> Iterator[dict[str, Tensor]]:
        """Batches of 1."""
        random = np.random.default_rng(self._seed)
        for _ in range(self._count):
            yield {"x": random.uniform(-1, 1, (1, 3, 32, 32)).astype(np.float32)}


@pytest.fixture
def pictures() -> Pictures:
    """Sixteen of them."""
    return Pictures(16)


@pytest.fixture
def run() -> Run:
    """Runs a model once."""

    def once(model: onnx.ModelProto, feeds: dict[str, Tensor]) -> dict[str, Tensor]:
        with OnnxRuntimeRunner(model.SerializeToString()) as runner:
            return runner.infer(feeds)

    return once
