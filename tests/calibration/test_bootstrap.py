from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.bootstrap import Indices, bootstrap, group_members


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(3).normal(5, 2, 400)

    found = bootstrap(lambda drawn: float(values[drawn].mean()), 400)

    error = values.std() / math.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.25 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.25 * error)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        values = random.normal(0, 1, 40)

        def mean(drawn: Indices, values: NDArray[np.float64] = values) -> float:
            return float(values[drawn].mean())

        found = bootstrap(mean, 40, resamples=200)
        covered += found.low <= 0 <= found.high

    assert 0.88 <= covered / 200 <= 0.99  # 0.95, less what a bootstrap of 40 loses


def test_copies_of_one_sample_add_nothing_when_they_are_a_group() -> None:
    once = np.random.default_rng(1).normal(0, 1, 30)
    copied = np.repeat(once, 20)
    groups = np.repeat(np.arange(30), 20).tolist()

    alone = bootstrap(lambda drawn: float(once[drawn].mean()), 30)
    grouped = bootstrap(lambda drawn: float(copied[drawn].mean()), 600, groups=groups)
    blind = bootstrap(lambda drawn: float(copied[drawn].mean()), 600)

    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high))
    assert blind.high - blind.low < (grouped.high - grouped.low) / 3


def test_the_same_arguments_give_the_same_interval_and_another_seed_another() -> None:
    values = np.random.default_rng(2).normal(0, 1, 50)

    def measure(seed: int) -> object:
        return bootstrap(lambda drawn: float(np.median(values[drawn])), 50, seed=seed)

    assert measure(1) == measure(1)
    assert measure(1) != measure(2)


@pytest.mark.parametrize("groups", [None, ["only"]])
def test_one_sample_has_no_interval(groups: list[str] | None) -> None:
    found = bootstrap(lambda drawn: 0.5, 1, groups=groups)

    assert found.value == 0.5
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_many_samples_of_one_group_have_no_interval() -> None:
    found = bootstrap(lambda drawn: float(len(drawn)), 100, groups=["clip"] * 100)

    assert found.value == 100
    assert math.isnan(found.low)


def test_nothing_has_no_value() -> None:
    assert math.isnan(bootstrap(lambda drawn: 1.0, 0).value)


def test_a_statistic_that_most_draws_leave_undefined_has_no_interval() -> None:
    def needs_the_first(drawn: Indices) -> float:
        return 1.0 if 0 in drawn else math.nan

    found = bootstrap(needs_the_first, 20)  # two draws in three have it

    assert found.value == 1.0
    assert math.isnan(found.low)


def test_groups_keep_their_order_and_members() -> None:
    members = group_members(4, ["b", "a", "b", "a"])

    assert [indices.tolist() for indices in members] == [[0, 2], [1, 3]]


def test_groups_of_another_number_than_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a group for each of 3 samples, found 2"):
        bootstrap(lambda drawn: 0.0, 3, groups=["a", "b"])


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        bootstrap(lambda drawn: 0.0, 3, confidence=confidence)
