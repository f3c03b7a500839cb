"""Golden inputs and outputs: made, compared, replayed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import ModelError
from edge.manifest import Input
from edge.runner.base import Runner, Signature, Tensor, TensorSpec
from edge.runner.fake import FakeRunner
from edge.runner.golden import GoldenResult, compare, make_inputs, replay, warm_up
from edge.runner.onnxruntime import OnnxRuntimeRunner

LETTERBOX = {"mode": "letterbox", "pad": 0, "multiple_of": 32}
STRETCH = {"mode": "stretch"}


def axis(low: int, opt: int, high: int) -> dict[str, int]:
    return {"min": low, "opt": opt, "max": high}


def spec(**changes: Any) -> Input:
    values = {
        "name": "input",
        "layout": "NCHW",
        "dtype": "float32",
        "color": "BGR",
        "mean": [0, 0, 0],
        "scale": [1, 1, 1],
        "resize": LETTERBOX,
        "shape": [axis(1, 1, 8), 3, axis(32, 480, 1088), axis(32, 640, 1920)],
    }
    return Input.model_validate({**values, **changes})


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({}, (1, 3, 128, 128)),
        ({"shape": [axis(2, 4, 8), 3, axis(32, 64, 1088), axis(256, 640, 1920)]}, (2, 3, 64, 256)),
        ({"shape": [1, 3, axis(96, 480, 960), axis(160, 640, 960)]}, (1, 3, 128, 160)),
        ({"shape": [1, 3, 320, 320]}, (1, 3, 320, 320)),
        (
            {"shape": [1, 3, axis(48, 480, 960), axis(48, 480, 960)]}
            | {"resize": {"mode": "letterbox", "pad": 0, "multiple_of": 48}},
            (1, 3, 96, 96),
        ),
        ({"shape": [1, 3, axis(30, 50, 99), 77], "resize": STRETCH}, (1, 3, 50, 77)),
        ({"shape": [1, 240, 320, 3], "layout": "NHWC", "resize": STRETCH}, (1, 240, 320, 3)),
        (
            {"color": "GRAY", "mean": [0], "scale": [1], "shape": [4, 1, 64, 64]},
            (4, 1, 64, 64),
        ),
    ],
)
def test_inputs_have_a_small_legal_shape(changes: dict[str, Any], shape: tuple[int, ...]) -> None:
    made = make_inputs(spec(**changes), seed=1)
    assert list(made) == ["input"]
    assert made["input"].shape == shape


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_inputs_have_the_dtype_and_the_values_of_pictures(dtype: str) -> None:
    found = make_inputs(spec(dtype=dtype), seed=1)["input"]
    assert found.dtype == dtype
    values = found.astype(np.float64)
    np.testing.assert_array_equal(values, np.round(values))
    assert values.min() >= 0
    assert values.max() <= 255
    assert values.std() > 20
    # Smooth under the noise: a neighbour is far nearer than any other pixel.
    assert np.abs(np.diff(values, axis=3)).mean() < values.std() / 2


def test_inputs_are_normalised_and_the_same_for_the_same_seed() -> None:
    first = make_inputs(spec(), seed=1)["input"]
    np.testing.assert_array_equal(first, make_inputs(spec(), seed=1)["input"])
    assert (first != make_inputs(spec(), seed=2)["input"]).mean() > 0.9
    other = make_inputs(spec(mean=[127.5, 100, 0], scale=[0.5, 2, 1]), seed=1)["input"]
    wanted = (first - np.reshape([127.5, 100, 0], (3, 1, 1))) * np.reshape([0.5, 2, 1], (3, 1, 1))
    np.testing.assert_allclose(np.asarray(other, np.float32), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("expected", "actual", "difference"),
    [
        ({"y": [1.0, 2.0]}, {"y": [1.0, 2.0]}, 0.0),
        ({"y": [1.0, 2.0]}, {"y": [1.5, 1.0]}, 1.0),
        ({"y": [1.0], "z": [5.0]}, {"z": [8.0], "y": [1.25]}, 3.0),
        ({"y": [1.0]}, {"y": [1.0], "more": [np.nan]}, 0.0),
        ({"y": np.zeros((0, 4))}, {"y": np.zeros((0, 4))}, 0.0),
        # Unsigned numbers must not wrap round.
        ({"y": np.asarray([3], np.uint8)}, {"y": np.asarray([5], np.uint8)}, 2.0),
        ({"y": np.asarray([True])}, {"y": np.asarray([False])}, 1.0),
    ],
)
def test_compare_gives_the_largest_difference(
    expected: dict[str, Any], actual: dict[str, Any], difference: float
) -> None:
    assert compare(arrays(expected), arrays(actual)) == difference


@pytest.mark.parametrize(
    ("expected", "actual", "said"),
    [
        ({}, {"y": [1.0]}, "no golden outputs"),
        ({"y": [1.0]}, {}, "no such output"),
        ({"y": [1.0], "z": [1.0]}, {"y": [1.0]}, "golden output 'z'"),
        ({"y": [1.0, 2.0]}, {"y": [[1.0, 2.0]]}, "expected [2]; found [1, 2]"),
        ({"y": [1.0]}, {"y": [1.0, 1.0]}, "expected [1]; found [2]"),
        ({"y": [1.0]}, {"y": [np.nan]}, "from the model"),
        ({"y": [1.0]}, {"y": [np.inf]}, "from the model"),
        ({"y": [np.nan]}, {"y": [np.nan]}, "from the golden file"),
        ({"y": [np.inf]}, {"y": [np.inf]}, "from the golden file"),
    ],
)
def test_outputs_that_cannot_be_compared_are_an_error(
    expected: dict[str, Any], actual: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelError) as caught:
        compare(arrays(expected), arrays(actual))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("tolerance", "passed"), [(0.5, True), (0.25, True), (0.2, False), (0.0, False)]
)
def test_replay_passes_up_to_the_tolerance(tolerance: float, passed: bool) -> None:
    with halver() as runner:
        found = replay(runner, arrays({"x": [[4.0]]}), arrays({"y": [[2.25]]}), tolerance)
    assert found == GoldenResult(max_abs=0.25, passed=passed)


def test_replay_refuses_inputs_that_are_not_the_models() -> None:
    with halver() as runner, pytest.raises(ModelError, match="wrong inputs"):
        replay(runner, arrays({"other": [[4.0]]}), arrays({"y": [[2.0]]}), 1.0)


def test_warm_up_runs_at_the_working_size() -> None:
    seen: list[tuple[int, ...]] = []

    def watch(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        seen.append(feeds["input"].shape)
        return {"y": np.zeros((len(feeds["input"]), 1), np.float32)}

    shape = (None, 3, None, None)
    inputs = (TensorSpec("input", shape, np.dtype(np.float32)),)
    with FakeRunner(Signature(inputs, ()), watch) as runner:
        warm_up(runner, spec(shape=[axis(1, 2, 8), 3, axis(32, 480, 960), axis(32, 640, 960)]))
    assert seen == [(2, 3, 480, 640)]


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("yunet_n_dynamic.onnx", {}),
        ("yunet_n_320_320.onnx", {"shape": [1, 3, 320, 320]}),
        ("yolox_nano.onnx", {"name": "images", "shape": [1, 3, 416, 416]}),
        (
            "face-reidentification-retail-0095.onnx",
            {"name": "data", "shape": [1, 3, 128, 128], "resize": STRETCH},
        ),
    ],
)
def test_a_real_model_gives_its_golden_outputs_again(
    assets: Path, model: str, changes: dict[str, Any]
) -> None:
    data = (assets / "models" / model).read_bytes()
    inputs = make_inputs(spec(**changes), seed=20)
    with OnnxRuntimeRunner(data) as first:
        golden = first.infer(inputs)
        warm_up(first, spec(**changes))
    with OnnxRuntimeRunner(data) as second:
        assert replay(second, inputs, golden, 1e-4).passed
        name, value = next(iter(golden.items()))
        golden[name] = np.asarray(value, np.float32) + np.float32(0.01)
        assert not replay(second, inputs, golden, 1e-4).passed


def halver() -> Runner:
    def halved(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"y": np.asarray(feeds["x"], np.float32) / 2}

    one = TensorSpec("x", (None, 1), np.dtype(np.float32))
    return FakeRunner(Signature((one,), ()), halved)


def arrays(values: Mapping[str, Any]) -> dict[str, Tensor]:
    return {
        name: value if isinstance(value, np.ndarray) else np.asarray(value, np.float32)
        for name, value in values.items()
    }
