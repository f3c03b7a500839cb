"""A small quantised model that keeps every rule of TensorRT's importer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """Collects nodes and constants; every method returns the name of the tensor it makes."""

    def __init__(self, *, stored_int8: bool) -> None:
        self._stored_int8 = stored_int8
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(5)

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def pair(self, name: str) -> str:
        """Q and DQ of an activation."""
        scale = self.constant(f"{name}_scale", np.float32(0.05))
        zero = self.constant(f"{name}_zero", np.int8(0))
        quantised = self.node("QuantizeLinear", [name, scale, zero], f"{name}_q")
        return self.node("DequantizeLinear", [quantised, scale, zero], f"{name}_dq")

    def weight(self, name: str, shape: tuple[int, ...], *, axis: int) -> str:
        """DQ of a weight, INT8 or float and a Q, with one scale a channel."""
        values = self._random.integers(-127, 127, shape).astype(np.int8)
        scale = self.constant(f"{name}_scale", np.full(shape[axis], 0.01, np.float32))
        zero = self.constant(f"{name}_zero", np.zeros(shape[axis], np.int8))
        stored = values if self._stored_int8 else (values * np.float32(0.01)).astype(np.float32)
        inputs = [self.constant(name, stored), scale, zero]
        if not self._stored_int8:
            inputs[0] = self.node("QuantizeLinear", inputs, f"{name}_q", axis=axis)
        return self.node("DequantizeLinear", inputs, f"{name}_dq", axis=axis)

    def model(self, *, opset: int) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "quantised",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8, 8, 8])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 256])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model


def build(opset: int, *, stored_int8: bool = True) -> onnx.ModelProto:
    """conv1, Relu, conv2, Add with what went into conv1, upsampling, small head and large one."""
    made = Builder(stored_int8=stored_int8)
    data = made.pair("x")
    bias = made.constant("bias", np.zeros(8, np.float32))
    inside = made.node(
        "Conv", [data, made.weight("w1", (8, 8, 3, 3), axis=0), bias], "c1", pads=[1] * 4
    )
    inside = made.pair(made.node("Relu", [inside], "r1"))
    inside = made.node("Conv", [inside, made.weight("w2", (8, 8, 1, 1), axis=0), bias], "c2")
    added = made.pair(made.node("Add", [inside, data], "added"))
    wide = made.weight("w3", (8, 4, 2, 2), axis=1)
    made.node("ConvTranspose", [added, wide], "up", strides=[2, 2])
    made.node("Flatten", ["up"], "flat")
    made.node("MatMul", ["flat", made.constant("w4", np.ones((1024, 32), np.float32))], "small")
    made.node("Gemm", ["small", made.constant("w5", np.ones((512, 32), np.float32))], "g", transB=1)
    large = made.weight("w6", (512, 256), axis=1)
    made.node("MatMul", [made.pair("g"), large], "y")
    return made.model(opset=opset)


@pytest.fixture
def valid() -> Callable[..., onnx.ModelProto]:
    """Makes the valid model for an opset, its weights stored as INT8 or as float."""
    return build
