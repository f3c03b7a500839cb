"""Small real ONNX models, made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

Axes = Sequence["int | str"]
ModelMaker = Callable[..., onnx.ModelProto]


@pytest.fixture
def make_model() -> ModelMaker:
    """``make_model(nodes, inputs={name: axes}, outputs={name: axes})``: opset 17, float32."""

    def make(
        nodes: Sequence[onnx.NodeProto],
        *,
        inputs: dict[str, Axes],
        outputs: dict[str, Axes],
        initialisers: dict[str, Any] | None = None,
        kinds: dict[str, int] | None = None,
    ) -> onnx.ModelProto:
        def value(name: str, axes: Axes) -> onnx.ValueInfoProto:
            kind = (kinds or {}).get(name, TensorProto.FLOAT)
            return helper.make_tensor_value_info(name, kind, list(axes))

        graph = helper.make_graph(
            list(nodes),
            "test",
            [value(*item) for item in inputs.items()],
            [value(*item) for item in outputs.items()],
            [
                numpy_helper.from_array(np.asarray(array), name)
                for name, array in (initialisers or {}).items()
            ],
        )
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8)

    return make


@pytest.fixture
def doubler(make_model: ModelMaker) -> Callable[[int | str], bytes]:
    """y = x + x over ``[batch, 3]``; the batch axis is free where it is given a name."""

    def make(batch: int | str = "N") -> bytes:
        node = helper.make_node("Add", ["x", "x"], ["y"])
        axes = [batch, 3]
        model = make_model([node], inputs={"x": axes}, outputs={"y": axes})
        return bytes(model.SerializeToString())

    return make
