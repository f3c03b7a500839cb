"""Small generators and picture models, each with or without one fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.manifest import Manifest
from edge.runner.base import Runner
from edge.runner.onnxruntime import OnnxRuntimeRunner

DIM, SIDE, CONDITIONS = 8, 28, 3

MakeModel = Callable[..., bytes]
Load = Callable[[bytes], Runner]
MakeManifest = Callable[..., Manifest]
Drawing = Callable[..., bytes]


@pytest.fixture
def make_model() -> MakeModel:
    """``make_model(nodes, inputs={name: axes}, outputs={name: axes}, weights={name: array})``."""

    def make(
        nodes: Sequence[onnx.NodeProto],
        *,
        inputs: dict[str, list[int | str]],
        outputs: dict[str, list[int | str]],
        weights: dict[str, Any],
        kinds: dict[str, int] | None = None,
    ) -> bytes:
        def values(axes: dict[str, list[int | str]]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(name, (kinds or {}).get(name, TensorProto.FLOAT), at)
                for name, at in axes.items()
            ]

        held = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
        graph = helper.make_graph(list(nodes), "test", values(inputs), values(outputs), held)
        opset = [helper.make_opsetid("", 17)]
        return bytes(
            helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
        )

    return make


@pytest.fixture
def drawing(make_model: MakeModel) -> Drawing:
    """``drawing(seed=…, gain=…, after=[nodes from raw to image], shape=[…], **weights)``.

    A generator: image = tanh(latent · weight + bias) as ``[N, 1, 28, 28]``, and with
    ``condition=True`` + one-hot condition · table. ``after`` replaces tanh.
    """

    def make(
        *,
        seed: int = 4,
        gain: float = 1.0,
        after: Sequence[onnx.NodeProto] | None = None,
        shape: Sequence[int] = (-1, 1, SIDE, SIDE),
        batch: int | str = "N",
        condition: bool = False,
        weights: dict[str, Any] | None = None,
    ) -> bytes:
        random = np.random.default_rng(seed)
        held: dict[str, Any] = {
            "weight": gain * random.normal(0, 1, (DIM, SIDE * SIDE)).astype(np.float32),
            "bias": np.zeros(SIDE * SIDE, np.float32),
            "table": random.normal(0, 1, (CONDITIONS, SIDE * SIDE)).astype(np.float32),
            "shape": np.asarray(shape, np.int64),
            **(weights or {}),
        }
        nodes = [helper.make_node("Gemm", ["latent", "weight", "bias"], ["drawn"])]
        inputs: dict[str, list[int | str]] = {"latent": [batch, DIM]}
        flat = "drawn"
        if condition:
            inputs["label"] = [batch, CONDITIONS]
            nodes += [
                helper.make_node("MatMul", ["label", "table"], ["told"]),
                helper.make_node("Add", ["drawn", "told"], ["both"]),
            ]
            flat = "both"
        nodes.append(helper.make_node("Reshape", [flat, "shape"], ["raw"]))
        nodes += after or [helper.make_node("Tanh", ["raw"], ["image"])]
        sides: list[int | str] = ["M", *shape[1:]]
        return make_model(nodes, inputs=inputs, outputs={"image": sides}, weights=held)

    return make


@pytest.fixture
def load() -> Iterator[Load]:
    with ExitStack() as stack:
        yield lambda data: stack.enter_context(OnnxRuntimeRunner(data))


@pytest.fixture
def generator(manifest_of: MakeManifest) -> MakeManifest:
    """``generator(low=-1, high=1, condition=False)``: the manifest of what ``drawing`` makes."""

    def make(*, low: float = -1.0, high: float = 1.0, condition: bool = False) -> Manifest:
        changes: dict[str, Any] = {
            "latent": {"name": "latent", "dim": DIM, "distribution": "normal"},
            "outputs": [{"name": "image", "range": [low, high]}],
        }
        if condition:
            labels = [f"kind {index}" for index in range(CONDITIONS)]
            changes["condition"] = {"name": "label", "labels": labels, "encoding": "one_hot"}
        return manifest_of("generator", **changes)

    return make
