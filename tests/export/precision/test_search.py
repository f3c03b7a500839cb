"""The search keeps the layers that lose most in float, no more of them than it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from edge.errors import UsageError
from edge.runner.onnxruntime import OnnxRuntimeRunner
from export.judgement import Judgement
from export.precision.calibrating import Stage, calibrate, probes
from export.precision.search import measure_sensitivity, search
from export.trt_rules import lint


class NoiseJudge:
    """Passes where the outputs' noise-to-signal ratio is small enough; notes every question."""

    def __init__(self, network: onnx.ModelProto, pictures: Any, *, limit: float) -> None:
        self._feeds = list(pictures.feeds())
        self._limit = limit
        self._true = self._run(network.SerializeToString())
        self.noises: list[float] = []

    def __call__(self, data: bytes) -> Judgement:
        pairs = list(zip(self._run(data), self._true, strict=True))
        noise = float(np.mean([np.square(a - b).sum() / np.square(b).sum() for a, b in pairs]))
        self.noises.append(noise)
        return _judgement(noise <= self._limit, noise)

    def _run(self, data: bytes) -> list[Any]:
        with OnnxRuntimeRunner(data) as runner:
            return [runner.infer(feed)["y"] for feed in self._feeds]


def _judgement(passed: bool | None, noise: float = 0.0) -> Judgement:
    return Judgement(
        passed=passed,
        kind="agreement",
        figures={"noise": noise},
        bounds=(),
        text="",
        samples=1,
        groups=1,
    )


class Outlier:
    """Fifteen pictures and one that reaches a hundred times as far in one place."""

    def __init__(self, pictures: Any) -> None:
        self._pictures = pictures

    def feeds(self) -> Any:
        for index, feed in enumerate(self._pictures.feeds()):
            if index == 15:
                feed["x"][0, 0, 0, 0] = 100
            yield feed


def test_the_method_whose_int8_comes_nearest_is_taken(
    network: onnx.ModelProto, pictures: Any
) -> None:
    ready = calibrate(network, Outlier(pictures))
    assert set(ready.noises) == {"minmax", "percentile", "entropy"}
    assert ready.ranges.method == min(ready.noises, key=lambda name: ready.noises[name])
    assert ready.noises[ready.ranges.method] < ready.noises["minmax"] / 4
    alone = calibrate(network, Outlier(pictures), method=ready.ranges.method)
    assert alone.noises == {}
    for name, one in alone.ranges.tensors.items():
        assert ready.ranges.tensors[name].threshold == one.threshold


def test_probes_are_from_all_over_the_samples(pictures: Any) -> None:
    every = [feed["x"].tobytes() for feed in pictures.feeds()]
    found = [feed["x"].tobytes() for feed in probes(pictures, len(every))]
    assert found == every[::2]
    assert len(probes(pictures, 3)) == 8  # what there is, no more than asked for


def test_nothing_is_kept_where_all_passes_at_once(network: onnx.ModelProto, pictures: Any) -> None:
    found = search(network, pictures, lambda data: _judgement(True))
    assert found.kept == ()
    assert found.sensitivity == {}
    assert len(found.trials) == 1
    assert any("equalised" in step for step in found.steps)


def test_the_worst_layers_stay_in_float_until_it_passes(
    network: onnx.ModelProto, pictures: Any
) -> None:
    strict = NoiseJudge(network, pictures, limit=-1)
    nothing = search(network, pictures, strict)
    reached = sorted(strict.noises)
    limit = (reached[0] + strict.noises[0]) / 2
    found = search(network, pictures, NoiseJudge(network, pictures, limit=limit))

    assert found.judgement.passed is True
    assert 0 < len(found.kept) < len(nothing.sensitivity)
    worst = next(iter(found.sensitivity))
    assert worst in found.kept
    assert list(found.sensitivity.values()) == sorted(found.sensitivity.values(), reverse=True)
    passed = [len(trial.kept) for trial in found.trials if trial.judgement.passed]
    assert len(found.kept) == min(passed)
    assert lint(found.files.trt) == []


def test_where_nothing_passes_the_attempt_that_came_furthest_is_given(
    network: onnx.ModelProto, pictures: Any
) -> None:
    judge = NoiseJudge(network, pictures, limit=-1)
    found = search(network, pictures, judge)
    assert found.judgement.passed is False
    assert len(found.kept) == max(len(trial.kept) for trial in found.trials)
    assert len(found.kept) < len(found.sensitivity)


def test_what_cannot_be_resolved_is_no_reason_to_give_up_int8(
    network: onnx.ModelProto, pictures: Any
) -> None:
    found = search(network, pictures, lambda data: _judgement(None))
    assert found.judgement.passed is None
    assert found.kept == ()


def test_the_number_of_trials_is_bounded(network: onnx.ModelProto, pictures: Any) -> None:
    judge = NoiseJudge(network, pictures, limit=-1)
    search(network, pictures, judge, most_trials=2)
    assert len(judge.noises) == 2
    with pytest.raises(ValueError, match="most_trials"):
        search(network, pictures, judge, most_trials=0)


def test_progress_says_what_is_done(network: onnx.ModelProto, pictures: Any) -> None:
    stages: list[Stage] = []
    judge = NoiseJudge(network, pictures, limit=-1)
    found = search(network, pictures, judge, progress=stages.append)
    texts = {stage.text for stage in stages}
    assert texts == {"observing channels", "observing ranges", "measuring layers", "judging"}
    measured = [stage for stage in stages if stage.text == "measuring layers"]
    assert measured[-1].done == measured[-1].total == len(found.sensitivity)


def test_every_layer_is_measured_alone(network: onnx.ModelProto, pictures: Any) -> None:
    ready = calibrate(network, pictures)
    losses = measure_sensitivity(ready, list(pictures.feeds())[:4])
    assert set(losses) == {"wide", "deep_in", "deep", "first", "second", "side", "head"}
    assert all(0 < loss < 0.1 for loss in losses.values())


def test_no_picture_is_refused(network: onnx.ModelProto) -> None:
    class Nothing:
        def feeds(self) -> Any:
            return iter(())

    with pytest.raises(UsageError, match="nothing to calibrate"):
        search(network, Nothing(), lambda data: _judgement(True))
