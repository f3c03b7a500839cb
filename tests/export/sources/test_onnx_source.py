"""ONNX files as sources, and files that are no model."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.errors import ModelError, UsageError
from edge.runner.base import Tensor
from export.sources.base import SourceRequest
from export.sources.loading import load_source
from export.sources.tensors import input_names, output_names, rename

Save = Callable[[Any], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(model: Any) -> Path:
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


def two_headed(weight: float = 2.0) -> Any:
    """double = x · 2 in a branch, square = x · x; the weight is an input too, as in old files."""
    branch = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, ["N", 3])],
    )
    nodes = [
        helper.make_node("If", ["yes"], ["double"], then_branch=branch, else_branch=branch),
        helper.make_node("Mul", ["x", "x"], ["square"]),
    ]
    tensors = [
        numpy_helper.from_array(np.array(weight, np.float32), "two"),
        numpy_helper.from_array(np.array(True), "yes"),
    ]
    graph = helper.make_graph(
        nodes,
        "two_headed",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("two", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3])
            for name in ("double", "square")
        ],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def test_a_file_is_compared_with_itself(save: Save) -> None:
    with load_source(SourceRequest(path=save(two_headed()))) as source:
        outputs = source.run({"x": X})
        assert list(outputs) == ["double", "square"]
        np.testing.assert_array_equal(outputs["double"], X * 2)
        assert source.framework.startswith("ONNX Runtime ")
        assert source.notes == ("ONNX opset 13",)


def test_names_are_the_users_everywhere(save: Save) -> None:
    request = SourceRequest(
        path=save(two_headed()),
        inputs={"picture": (None, 3)},
        output_names=("two", "square"),
        keep_outputs=("square", "two"),
    )
    from edge.runner.onnxruntime import OnnxRuntimeRunner

    with (
        load_source(request) as source,
        OnnxRuntimeRunner(source.model.SerializeToString()) as runner,
    ):
        assert input_names(source.model) == ("picture",)
        for outputs in (source.run({"picture": X}), runner.infer({"picture": X})):
            assert list(outputs) == ["square", "two"]
            np.testing.assert_array_equal(outputs["two"], X * 2)


def test_what_only_fed_a_dropped_output_goes(save: Save) -> None:
    request = SourceRequest(path=save(two_headed()), keep_outputs=("square",))
    with load_source(request) as source:
        assert [node.op_type for node in source.model.graph.node] == ["Mul"]
        assert not source.model.graph.initializer
        assert output_names(source.model) == ("square",)


def test_names_can_change_places() -> None:
    model = two_headed()
    rename(model, {"double": "square", "square": "double"})
    assert [node.output[0] for node in model.graph.node] == ["square", "double"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"inputs": {"x": (None, 4)}}, r"another shape.*expected \?x3; found \?x4"),
        ({"inputs": {"x": (None, 3), "y": (None,)}}, "another number of inputs"),
        ({"output_names": ("a",)}, "another number of outputs"),
        ({"output_names": ("a", "a")}, "one name"),
        ({"keep_outputs": ("cube",)}, "no output 'cube'; expected some of double, square"),
        ({"keep_outputs": ("double", "double")}, "kept twice"),
        ({"uniform": ("x",)}, "without a latent"),
    ],
)
def test_words_that_the_model_does_not_bear_out(
    more: dict[str, Any], message: str, save: Save
) -> None:
    with pytest.raises(UsageError, match=message):
        load_source(SourceRequest(path=save(two_headed()), **more))


def test_weights_that_are_no_numbers(save: Save) -> None:
    with pytest.raises(ModelError, match="NaN or infinity in two"):
        load_source(SourceRequest(path=save(two_headed(weight=float("nan")))))


def test_weights_in_other_files(save: Save) -> None:
    model = two_headed()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    with pytest.raises(ModelError, match="keeps weights in other files"):
        load_source(SourceRequest(path=save(model)))


def test_an_operator_that_nobody_has(save: Save) -> None:
    model = two_headed()
    model.graph.node[1].op_type = "Frobnicate"
    with pytest.raises(ModelError, match="Frobnicate"):
        load_source(SourceRequest(path=save(model)))


def test_a_model_that_does_not_say_its_opset(assets: Path) -> None:
    path = assets / "models" / "super_resolution_subpixel_x3.onnx"
    with pytest.raises(ModelError, match=r"which operators it was made for.*no domain"):
        load_source(SourceRequest(path=path))


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.8, 0.99])
def test_a_file_that_is_cut_off(keep: float, save: Save) -> None:
    path = save(two_headed())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ModelError, match=r"model\.onnx: the file is no whole ONNX model"):
        load_source(SourceRequest(path=path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"weights": [1.0]}), "a pickle, which runs code"),
        (b"\x89HDF\r\n\x1a\n", "old format of Keras"),
        (b"PK\x03\x04" + bytes(40), "no whole archive"),
        (b"<html>not found</html>", "no whole ONNX model"),
    ],
)
def test_files_that_are_no_model(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_source(SourceRequest(path=path))


def test_no_model_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model is named"):
        load_source(SourceRequest())
    with pytest.raises(UsageError, match="cannot be read"):
        load_source(SourceRequest(path=tmp_path / "none.onnx"))
    with pytest.raises(UsageError, match="a folder without a model"):
        load_source(SourceRequest(path=tmp_path))


def test_wrong_inputs_are_named(save: Save) -> None:
    feeds: dict[str, Tensor] = {"y": X}
    with load_source(SourceRequest(path=save(two_headed()))) as source, pytest.raises(ModelError):
        source.run(feeds)
