from __future__ import annotations

import json
import math

import pytest

from calibration.bootstrap import Interval
from export.gate import Bound, Decision, Judgement, decide
from export.judgement import bound_of, judgement_of
from export.speed import Latency


def interval(value: float, low: float, high: float) -> Interval:
    return Interval(value, low, high, 0.9)


@pytest.mark.parametrize(
    ("low", "high", "passed"),
    [
        (0.991, 0.995, True),
        (0.99, 0.995, True),
        (0.98, 0.995, None),
        (0.98, 0.99, None),
        (0.97, 0.989, False),
        (math.nan, math.nan, None),
    ],
)
def test_at_least_is_decided_only_where_both_bounds_are_on_one_side(
    low: float, high: float, passed: bool | None
) -> None:
    bound = bound_of("cosine", interval(0.99, low, high), tolerance=0.99, samples=100)

    assert bound.passed is passed


@pytest.mark.parametrize(
    ("low", "high", "passed"),
    [(0.001, 0.01, True), (0.005, 0.02, None), (0.011, 0.02, False)],
)
def test_at_most_is_decided_the_other_way_round(
    low: float, high: float, passed: bool | None
) -> None:
    bound = bound_of("error", interval(0.01, low, high), tolerance=0.01, samples=100, least=False)

    assert bound.passed is passed


def test_more_samples_are_needed_in_proportion_to_the_square() -> None:
    """The lower bound reaches twice as far as there is room: four times the samples."""
    bound = bound_of("cosine", interval(0.992, 0.988, 0.995), tolerance=0.99, samples=50)

    assert bound.passed is None
    assert bound.needed == pytest.approx(200, abs=1)


def test_a_figure_below_its_tolerance_counts_the_upper_reach() -> None:
    bound = bound_of("cosine", interval(0.989, 0.97, 0.992), tolerance=0.99, samples=50)

    assert bound.needed == pytest.approx(50 * 9, abs=1)


@pytest.mark.parametrize("value", [0.99, math.nan])
def test_no_number_of_samples_settles_a_figure_on_its_tolerance(value: float) -> None:
    bound = bound_of("cosine", interval(value, 0.98, 0.995), tolerance=0.99, samples=50)

    assert bound.passed is None
    assert bound.needed is None


def bound(name: str, passed: bool | None) -> Bound:
    low, high = {True: (0.995, 0.999), False: (0.8, 0.85), None: (0.98, 0.994)}[passed]
    return bound_of(name, interval((low + high) / 2, low, high), tolerance=0.985, samples=60)


def judgement(*passed: bool | None) -> Judgement:
    bounds = [bound(f"figure {index}", one) for index, one in enumerate(passed)]
    figures = {"cosine_mean": 0.99, "unknown": math.nan}
    return judgement_of(bounds, figures, kind="agreement", samples=60, groups=4)


@pytest.mark.parametrize(
    ("parts", "passed"),
    [
        ((True, True), True),
        ((True, None), None),
        ((None, False), False),
        ((True, False), False),
    ],
)
def test_one_failure_fails_and_one_open_bound_leaves_it_open(
    parts: tuple[bool | None, ...], passed: bool | None
) -> None:
    assert judgement(*parts).passed is passed


def test_the_text_says_what_failed_and_on_how_much() -> None:
    text = judgement(True, False).text

    assert "figure 1 0.825 < 0.985" in text
    assert "figure 0" not in text
    assert "60 samples from 4 files or tracks" in text


def test_the_text_says_what_is_not_resolvable_and_how_many_more_it_takes() -> None:
    text = judgement(True, None).text

    assert text.startswith("not resolvable: figure 1 0.987 between 0.98 and 0.994, ≥ 0.985 wanted")
    assert "more samples would tell" in text


def test_the_record_is_plain_json() -> None:
    record = judgement(True, None).to_record()

    again = json.loads(json.dumps(record, allow_nan=False))
    assert again["verdict"] == "not resolvable"
    assert again["unknown"] is None
    assert [one["verdict"] for one in again["bounds"]] == ["passed", "not resolvable"]


def latency(ratio: float) -> Latency:
    return Latency(
        median_ms=1 / ratio, low_ms=1, high_ms=1, ratio=ratio, ratio_low=ratio, ratio_high=ratio
    )


def test_a_variant_that_is_right_and_no_slower_is_accepted() -> None:
    assert decide(judgement(True), latency(1.0), runner="onnxruntime") == Decision("accepted")


def test_a_slower_variant_is_refused_with_its_ratio() -> None:
    decision = decide(judgement(True), latency(0.71), runner="onnxruntime")

    assert decision.state == "refused"
    assert decision.reason is not None
    assert decision.reason.startswith("slower: 0.71×")


@pytest.mark.parametrize("passed", [False, None])
def test_a_variant_that_did_not_pass_is_refused_however_fast_it_is(passed: bool | None) -> None:
    found = judgement(passed)

    decision = decide(found, latency(3.0), runner="onnxruntime")

    assert decision == Decision("refused", found.text)


def test_what_tensorrt_runs_waits_for_its_target() -> None:
    assert decide(judgement(True), None, runner="tensorrt") == Decision("candidate")
    assert decide(judgement(False), None, runner="tensorrt").state == "refused"


def test_a_variant_that_runs_here_needs_its_speed() -> None:
    with pytest.raises(ValueError, match="expected the speed"):
        decide(judgement(True), None, runner="onnxruntime")
