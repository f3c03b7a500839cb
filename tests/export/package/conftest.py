"""A small recogniser, forms of it that are nearly as good or broken, and pictures to judge on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.bundler import About, ModelVariant, assemble, prove
from edge.fitting import Wishes
from edge.runner.base import Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.templates import template
from edge.types import ByteImage
from edge.vision.preprocess import to_tensor
from export.judging import Base

SIDE = 112


def recogniser(*, noise: float = 0.0, repeats: int = 1) -> bytes:
    """Two convolutions, pooled to a vector of 16; ``noise`` spoils its weights.

    repeats: how often the first is computed, for a model that is slower.
    """
    random = np.random.default_rng(5)
    weight = random.normal(0, 1, (16, 3, 7, 7)).astype(np.float32)
    weight += (noise * np.random.default_rng(6).normal(0, 1, weight.shape)).astype(np.float32)

    def convolve(name: str, out: str) -> onnx.NodeProto:
        return helper.make_node("Conv", ["data", name], [out], kernel_shape=[7, 7], strides=[4, 4])

    nodes = [convolve("w", "mixed_0")]
    for index in range(1, repeats):
        nodes += [
            convolve(f"w_{index}", f"again_{index}"),
            helper.make_node("Max", [f"mixed_{index - 1}", f"again_{index}"], [f"mixed_{index}"]),
        ]
    nodes += [
        helper.make_node("Relu", [f"mixed_{repeats - 1}"], ["kept"]),
        helper.make_node("Conv", ["kept", "v"], ["mixed"], kernel_shape=[3, 3], name="second"),
        helper.make_node("Relu", ["mixed"], ["used"]),
        helper.make_node("GlobalAveragePool", ["used"], ["pooled"]),
        helper.make_node("Sub", ["pooled", "middle"], ["centred"]),
        helper.make_node("Flatten", ["centred"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "recogniser",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 16])],
        [
            numpy_helper.from_array(weight, "w"),
            numpy_helper.from_array(random.normal(0, 0.1, (16, 16, 3, 3)).astype("f"), "v"),
            *(numpy_helper.from_array(weight, f"w_{index}") for index in range(1, repeats)),
            numpy_helper.from_array(np.full((1, 16, 1, 1), 2.0, np.float32), "middle"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@pytest.fixture(scope="session", name="recogniser")
def make_recogniser() -> Callable[..., bytes]:
    """``recogniser(noise=, repeats=)``: an ONNX file."""
    return recogniser


@pytest.fixture(scope="session")
def base() -> Base:
    """The recogniser without noise, as a reference."""
    data = recogniser()
    with OnnxRuntimeRunner(data) as runner:
        proof = prove(template("arcface-rgb"), runner, Wishes())
    variant = ModelVariant(id="fp32", data=data, tolerance=proof.tolerance)
    manifest, _ = assemble(proof, About(name="small", source="tests"), [variant])
    return Base(data=data, manifest=manifest, proof=proof)


@dataclass(frozen=True)
class Blobs:
    """Pictures of coloured blobs, as many as asked for, always the same."""

    base: Base
    count: int

    @property
    def groups(self) -> Sequence[int]:
        return range(self.count)

    def pictures(self) -> Iterator[ByteImage]:
        random = np.random.default_rng(1)
        for _ in range(self.count):
            blocks = random.integers(0, 256, (7, 7, 3), np.uint8)
            yield blocks.repeat(SIDE // 7, axis=0).repeat(SIDE // 7, axis=1)

    def feeds(self) -> Iterator[dict[str, Tensor]]:
        spec = self.base.manifest.input
        assert spec is not None
        for picture in self.pictures():
            yield {spec.name: to_tensor([picture], spec)}


@pytest.fixture(scope="session")
def blobs(base: Base) -> Callable[[int], Blobs]:
    """``blobs(count)``: pictures to judge on."""
    return lambda count: Blobs(base, count)
