"""Ranges of activations: right, and gathered in memory that does not grow."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from calibration.observe import (
    BINS,
    METHODS,
    Histogram,
    Observer,
    entropy,
    observe,
    observe_all,
    percentile,
)
from edge.errors import InferenceError, ModelError, UsageError
from edge.runner.base import Tensor


def _feeds(count: int, *, scale: float = 1.0) -> Iterator[dict[str, Tensor]]:
    random = np.random.default_rng(0)
    for _ in range(count):
        yield {"x": (scale * random.standard_normal((1, 4, 32, 32))).astype(np.float32)}


@pytest.fixture
def model() -> onnx.ModelProto:
    """y = relu(2x) + 1; the names of its activations are x, doubled, cut and y."""
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["doubled"]),
        helper.make_node("Relu", ["doubled"], ["cut"]),
        helper.make_node("Add", ["cut", "one"], ["y"]),
    ]
    axes: list[str | int | None] = ["n", 4, 32, 32]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, axes)],
        [
            numpy_helper.from_array(np.asarray(v, np.float32), n)
            for v, n in ((2, "two"), (1, "one"))
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_minmax_is_the_least_and_greatest_of_all_feeds(model: onnx.ModelProto) -> None:
    seen = np.stack([feed["x"] for feed in _feeds(5)])
    ranges = observe(model, _feeds(5))

    assert ranges.samples == 5
    assert set(ranges.tensors) == {"x", "doubled", "cut", "y"}
    assert ranges.tensors["x"].low == seen.min()
    assert ranges.tensors["doubled"].high == 2 * seen.max()
    assert ranges.tensors["doubled"].threshold == 2 * np.abs(seen).max()
    assert ranges.tensors["cut"].low == 0
    peaks = ranges.tensors["x"].peaks
    assert peaks is not None
    np.testing.assert_allclose(peaks, np.abs(seen).max(axis=(0, 1, 3, 4)), rtol=1e-6)


def test_one_pass_gives_what_each_method_gives_alone(model: onnx.ModelProto) -> None:
    passes: list[int] = []
    every = observe_all(model, _feeds(4), step=lambda: passes.append(1))
    assert len(passes) == 4
    assert tuple(every) == METHODS
    for method, ranges in every.items():
        alone = observe(model, _feeds(4), method=method)
        assert (ranges.method, ranges.samples) == (method, 4)
        for name, one in alone.tensors.items():
            found = ranges.tensors[name]
            assert (found.low, found.high, found.threshold) == (one.low, one.high, one.threshold)
            assert (found.histogram is None) == (method == "minmax")


def test_a_histogram_that_was_not_kept_cannot_be_asked_for() -> None:
    observer = Observer(histogram=False)
    observer.add(np.ones(3, np.float32))
    with pytest.raises(ValueError, match="a histogram for entropy"):
        observer.range("entropy")


def test_only_the_tensors_asked_for_are_observed(model: onnx.ModelProto) -> None:
    assert set(observe(model, _feeds(1), tensors=["cut"]).tensors) == {"cut"}


@pytest.mark.parametrize("method", METHODS)
def test_what_was_always_zero_may_be_something_else_on_other_samples(
    model: onnx.ModelProto, method: str
) -> None:
    ranges = observe(model, _feeds(2, scale=0.0), method=method)  # type: ignore[arg-type]  # one of METHODS
    assert ranges.tensors["doubled"].threshold == 1


@pytest.mark.parametrize("method", METHODS)
def test_what_is_hardly_more_than_zero_has_a_scale(method: str) -> None:
    observer = Observer(histogram=method != "minmax")
    observer.add(np.array([1e-40, -3e-39], np.float32))
    found = observer.range(method)  # type: ignore[arg-type]  # one of METHODS
    assert 0 < found.threshold < 1e-30
    assert np.float32(found.threshold / 127) >= np.finfo(np.float32).tiny


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_a_lone_outlier_does_not_set_the_range(method: str) -> None:
    observer = Observer(histogram=True)
    random = np.random.default_rng(1)
    observer.add(random.standard_normal(500_000).astype(np.float32))
    observer.add(np.array([100.0], np.float32))
    found = observer.range(method)  # type: ignore[arg-type]  # a Method
    assert found.high == 100
    assert 2.5 < found.threshold < 8


def test_the_histogram_grows_without_losing_a_value() -> None:
    random = np.random.default_rng(2)
    parts = [(10**power * random.standard_normal(3000)).astype(np.float32) for power in range(4)]
    parts.append(np.zeros(50, np.float32))
    observer = Observer(histogram=True)
    for part in parts:
        observer.add(part)
    histogram = observer.range("percentile").histogram
    assert histogram is not None
    every = np.abs(np.concatenate(parts))
    wanted, _ = np.histogram(every[every > 0], bins=BINS, range=(0, histogram.limit))

    assert histogram.counts.sum() == 4 * 3000
    assert histogram.limit >= every.max()
    # Bins that were joined may hold a value that lies on the edge of the next.
    assert np.abs(np.cumsum(histogram.counts) - np.cumsum(wanted)).max() <= 3


def test_percentile_is_the_end_of_the_bin() -> None:
    counts = np.zeros(BINS, np.int64)
    counts[:1000] = 1
    assert percentile(Histogram(counts, 2.0), 0.5) == pytest.approx(500 / BINS * 2, rel=0.01)
    assert percentile(Histogram(counts, 2.0), 1.0) == pytest.approx(1000 / BINS * 2)


def test_entropy_keeps_an_even_distribution_whole() -> None:
    assert entropy(Histogram(np.full(BINS, 10), 3.0)) == 3.0


@pytest.mark.parametrize("method", ["minmax", "entropy"])
def test_memory_does_not_grow_with_the_number_of_samples(
    model: onnx.ModelProto, method: str
) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        observe(model, _feeds(count), method=method)  # type: ignore[arg-type]  # a Method
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)  # what is imported on the first call
    few, many = peak(10), peak(400)
    held_if_kept = 390 * 4 * 32 * 32 * 4
    assert many - few < held_if_kept / 20


def test_no_sample_is_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(UsageError, match="nothing to calibrate on"):
        observe(model, iter(()))


def test_a_value_that_is_not_finite_is_refused_by_name(model: onnx.ModelProto) -> None:
    feed = next(_feeds(1))
    feed["x"][0, 0, 0, 0] = np.nan
    with pytest.raises(InferenceError, match="cannot be calibrated"):
        observe(model, [feed])


def test_a_model_that_does_not_load_is_refused(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ModelError):
        observe(model, _feeds(1), tensors=["cut"])


def test_an_unknown_method_is_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(ValueError, match="minmax, percentile, entropy"):
        observe(model, _feeds(1), method="average")  # type: ignore[arg-type]  # on purpose
