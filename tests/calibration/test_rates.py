"""Rates and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.rates import Counts, Values, binomial_bounds, design_effect, rate, trials_needed


def cross(count: int) -> Counts:
    """Every pair of so many people."""
    return np.column_stack(np.triu_indices(count, 1)).astype(np.int64)


def wrong_where(people: Counts, someone: int) -> Values:
    """Whoever meets this person is taken for them."""
    return np.asarray((people == someone).any(axis=1), np.float64)


@pytest.mark.parametrize("trials", [10, 300, 3000])
def test_no_error_shows_about_three_in_n(trials: int) -> None:
    low, high = binomial_bounds(0, trials)
    assert low == 0
    assert high == pytest.approx(1 - 0.05 ** (1 / trials))
    assert high == pytest.approx(3 / trials, rel=0.15)


@pytest.mark.parametrize(("wanted", "needed"), [(1e-3, 2995), (1e-2, 299), (0.1, 29)])
def test_the_rule_of_three_says_how_many_are_needed(wanted: float, needed: int) -> None:
    assert trials_needed(wanted) == needed
    assert binomial_bounds(0, needed)[1] <= wanted < binomial_bounds(0, needed - 1)[1]


def test_the_ends_are_those_of_clopper_and_pearson() -> None:
    # Each leaves 5 %: P(X >= 2 | low) and P(X <= 2 | high) for X of 20 trials.
    assert binomial_bounds(2, 20) == pytest.approx((0.01807, 0.28262), abs=1e-4)
    assert binomial_bounds(20, 20) == pytest.approx((0.05 ** (1 / 20), 1.0))


def test_independent_units_count_in_full() -> None:
    people = np.arange(2000, dtype=np.int64).reshape(-1, 2)
    errors = np.zeros(1000)
    errors[::50] = 1
    found = rate(errors, people)
    assert (found.value, found.units) == (0.02, 1000)
    assert found.effective == pytest.approx(1000, rel=0.02)


def test_one_person_whom_many_are_taken_for_is_one_observation() -> None:
    people = cross(50)
    lamb = rate(wrong_where(people, 7), people)
    scattered = np.zeros(len(people))
    scattered[:: len(people) // 49] = 1
    spread = rate(scattered[: len(people)], people)
    assert lamb.units == spread.units == 1225
    assert lamb.effective < 0.2 * spread.effective
    assert lamb.high > 1.5 * spread.high


def test_one_column_means_groups_of_one_person() -> None:
    errors = np.asarray([1.0, 1.0, 0.0, 0.0] * 10)
    apart = np.arange(40, dtype=np.int64)[:, None]
    assert design_effect(errors, apart) == pytest.approx(1.0)
    assert design_effect(errors, (apart % 4) // 2) == pytest.approx(20.0)


@pytest.mark.parametrize("errors", [np.zeros(6), np.ones(6)])
def test_where_all_go_alike_there_is_no_pattern_to_see(errors: Values) -> None:
    assert design_effect(errors, cross(4)) == 1.0


def test_there_is_no_rate_of_nothing() -> None:
    with pytest.raises(ValueError, match="one unit or more"):
        rate(np.zeros(0), np.zeros((0, 2), np.int64))
