"""The ONNX Runtime adapter on real sessions: small graphs, and real models where they are."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, external_data_helper, helper

from edge.errors import ClosedError, InferenceError, ModelError
from edge.runner.onnxruntime import OnnxRuntimeRunner, SessionSettings, version

Doubler = Callable[..., bytes]
Maker = Callable[..., onnx.ModelProto]


def rows(count: int) -> Any:
    return np.arange(count * 3, dtype=np.float32).reshape(count, 3)


@pytest.mark.parametrize(("batch", "largest"), [("N", None), (1, 1), (4, 4)])
def test_it_runs_a_model_of_free_or_fixed_batch(
    doubler: Doubler, batch: int | str, largest: int | None
) -> None:
    with OnnxRuntimeRunner(doubler(batch)) as runner:
        (x,), (y,) = runner.signature.inputs, runner.signature.outputs
        assert str(x) == f"x float32[{'?' if batch == 'N' else batch}, 3]"
        assert y.name == "y"
        assert runner.max_batch == largest
        for count in (1, 3, 5):
            found = runner.infer({"x": rows(count)})
            assert list(found) == ["y"]
            np.testing.assert_array_equal(found["y"], rows(count) * 2)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.FLOAT16, np.float16),
        (TensorProto.DOUBLE, np.float64),
        (TensorProto.INT64, np.int64),
        (TensorProto.UINT8, np.uint8),
    ],
)
def test_the_model_says_the_dtype(make_model: Maker, kind: int, dtype: type[np.generic]) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    model = make_model(
        [node], inputs={"x": ["N", 3]}, outputs={"y": ["N", 3]}, kinds={"x": kind, "y": kind}
    )
    with OnnxRuntimeRunner(model.SerializeToString()) as runner:
        assert runner.signature.inputs[0].dtype == dtype
        found = runner.infer({"x": rows(2).astype(dtype)})["y"]
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, rows(2))
        with pytest.raises(ModelError, match="does not fit"):
            runner.infer({"x": rows(2)})


def test_an_input_that_is_no_number_is_refused(make_model: Maker) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    kinds = dict.fromkeys("xy", TensorProto.STRING)
    model = make_model([node], inputs={"x": ["N"]}, outputs={"y": ["N"]}, kinds=kinds)
    runner = OnnxRuntimeRunner(model.SerializeToString(), name="texts")
    with pytest.raises(ModelError, match=r"texts has a tensor .* tensor\(string\)"):
        runner.load()
    with pytest.raises(ClosedError):
        runner.infer({"x": rows(1)})


@pytest.mark.parametrize(
    ("settings", "threads", "spinning"),
    [
        (None, 0, "0"),  # 0 is ONNX Runtime's word for one thread a core
        (SessionSettings(threads=1), 1, "0"),
        (SessionSettings(threads=2, spinning=True), 2, "1"),
    ],
)
def test_threads_and_spinning_reach_the_session(
    doubler: Doubler,
    monkeypatch: pytest.MonkeyPatch,
    settings: SessionSettings | None,
    threads: int,
    spinning: str,
) -> None:
    made: list[onnxruntime.InferenceSession] = []

    class Watched(onnxruntime.InferenceSession):  # type: ignore[misc]  # the library has no types
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            made.append(self)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Watched)
    with OnnxRuntimeRunner(doubler(), settings=settings) as runner:
        runner.infer({"x": rows(1)})
        options = made[0].get_session_options()
        assert options.intra_op_num_threads == threads
        assert options.get_session_config_entry("session.intra_op.allow_spinning") == spinning
        assert made[0].get_providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize(
    "providers", [("MadeUpExecutionProvider",), ("CPUExecutionProvider", "MadeUpExecutionProvider")]
)
def test_a_provider_that_is_not_there_is_refused_not_passed_over(
    doubler: Doubler, providers: tuple[str, ...]
) -> None:
    runner = OnnxRuntimeRunner(doubler(), settings=SessionSettings(providers=providers))
    with pytest.raises(ModelError, match="cannot use MadeUpExecutionProvider") as caught:
        runner.load()
    assert "CPUExecutionProvider" in caught.value.expected


def test_weights_outside_of_the_file_are_refused_though_they_are_there(
    make_model: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = helper.make_node("Add", ["x", "w"], ["y"])
    weights = {"w": np.ones(3, np.float32)}
    model = make_model(
        [node], inputs={"x": ["N", 3]}, outputs={"y": ["N", 3]}, initialisers=weights
    )
    external_data_helper.convert_model_to_external_data(
        model, location="weights.bin", size_threshold=0, convert_attribute=False
    )
    onnx.save(model, tmp_path / "model.onnx")
    assert (tmp_path / "weights.bin").is_file()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="outside its file"):
        OnnxRuntimeRunner((tmp_path / "model.onnx").read_bytes()).load()


@pytest.mark.parametrize("damage", [b"", b"\x00\x01\x02", b"not a model at all"])
def test_bytes_that_are_no_model_are_refused(damage: bytes) -> None:
    with pytest.raises(ModelError):
        OnnxRuntimeRunner(damage).load()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_model_is_refused(doubler: Doubler, share: float) -> None:
    model = doubler()
    with pytest.raises(ModelError):
        OnnxRuntimeRunner(model[: int(len(model) * share)]).load()


def test_a_graph_that_does_not_hold_together_is_refused(
    make_model: Maker, capfd: pytest.CaptureFixture[str]
) -> None:
    node = helper.make_node("Add", ["x", "nowhere"], ["y"])
    model = make_model([node], inputs={"x": ["N", 3]}, outputs={"y": ["N", 3]})
    with pytest.raises(ModelError, match="does not load broken") as caught:
        OnnxRuntimeRunner(model.SerializeToString(), name="broken").load()
    assert "nowhere" in caught.value.found
    assert caught.value.__cause__ is not None
    assert capfd.readouterr() == ("", "")


def test_an_operator_that_this_version_lacks_is_refused(make_model: Maker) -> None:
    node = helper.make_node("NoSuchOperator", ["x"], ["y"])
    model = make_model([node], inputs={"x": ["N", 3]}, outputs={"y": ["N", 3]})
    with pytest.raises(ModelError, match="NoSuchOperator"):
        OnnxRuntimeRunner(model.SerializeToString()).load()


def test_a_model_that_fails_while_running_says_so_and_can_be_run_again(
    make_model: Maker, capfd: pytest.CaptureFixture[str]
) -> None:
    # Rows of any length into rows of two: three numbers do not go.
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    model = make_model(
        [node],
        inputs={"x": ["N", "C"]},
        outputs={"y": ["M", 2]},
        initialisers={"shape": np.asarray([-1, 2], np.int64)},
    )
    with OnnxRuntimeRunner(model.SerializeToString(), name="pairs") as runner:
        with pytest.raises(InferenceError, match="pairs failed while running") as caught:
            runner.infer({"x": rows(1)})
        assert "Reshape" in caught.value.found
        assert "\n" not in str(caught.value)
        assert runner.infer({"x": rows(2)})["y"].shape == (3, 2)
    assert capfd.readouterr() == ("", "")


def test_close_releases_the_session(doubler: Doubler, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[weakref.ref[Any]] = []
    make = onnxruntime.InferenceSession

    def watched(*args: Any, **named: Any) -> Any:
        session = make(*args, **named)
        alive.append(weakref.ref(session))
        return session

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    runner = OnnxRuntimeRunner(doubler())
    with runner:
        runner.infer({"x": rows(1)})
        assert alive[0]() is not None
    gc.collect()
    assert alive[0]() is None
    with pytest.raises(ClosedError):
        runner.infer({"x": rows(1)})
    with runner:
        assert runner.infer({"x": rows(1)})["y"].shape == (1, 3)


def test_version_is_the_librarys() -> None:
    assert version() == onnxruntime.__version__


def test_a_real_detector_runs_alike_one_by_one_and_as_a_batch(assets: Path) -> None:
    model = (assets / "models" / "yunet_n_dynamic.onnx").read_bytes()
    pictures = np.random.default_rng(5).uniform(0, 255, (3, 3, 64, 96)).astype(np.float32)
    with OnnxRuntimeRunner(model) as whole, OnnxRuntimeRunner(model, max_batch=1) as single:
        (spec,) = whole.signature.inputs
        assert spec.shape == (None, 3, None, None)
        assert len(whole.signature.outputs) == 12
        together, apart = whole.infer({"input": pictures}), single.infer({"input": pictures})
    for name, value in together.items():
        assert len(value) == 3
        difference = np.asarray(value, np.float64) - np.asarray(apart[name], np.float64)
        assert np.abs(difference).max() < 1e-4


def test_a_real_recogniser_fixed_at_one_takes_any_batch(assets: Path) -> None:
    path = assets / "models" / "face-reidentification-retail-0095.onnx"
    faces = np.random.default_rng(5).uniform(0, 255, (2, 3, 128, 128)).astype(np.float32)
    with OnnxRuntimeRunner(path.read_bytes()) as runner:
        assert runner.max_batch == 1
        (found,) = runner.infer({"data": faces}).values()
    assert found.shape == (2, 256, 1, 1)
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_a_real_model_without_an_opset_is_refused(assets: Path) -> None:
    path = assets / "models" / "super_resolution_subpixel_x3.onnx"
    with pytest.raises(ModelError, match="opset"):
        OnnxRuntimeRunner(path.read_bytes()).load()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_real_model_cut_short_is_refused(assets: Path, share: float) -> None:
    model = (assets / "models" / "yunet_n_320_320.onnx").read_bytes()
    with pytest.raises(ModelError):
        OnnxRuntimeRunner(model[: int(len(model) * share)]).load()
