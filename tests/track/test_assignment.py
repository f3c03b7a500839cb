"""Assignment against worked examples and against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from edge.track.assignment import assign

NO_LIMIT = 1e6
SHAPES = [(1, 1), (1, 7), (7, 1), (2, 3), (5, 5), (4, 9), (12, 8), (30, 31), (60, 40)]


def pairs(cost: ArrayLike, limit: float = NO_LIMIT) -> list[tuple[int, int]]:
    return [(int(row), int(column)) for row, column in assign(cost, limit)]


def matrices(shape: tuple[int, int]) -> list[NDArray[np.float64]]:
    """Any costs; whole ones with many ties; mostly equal ones, as of boxes that do not overlap."""
    rng = np.random.default_rng(shape[0] * 100 + shape[1])
    sparse = np.where(rng.random(shape) < 0.2, rng.random(shape), 1.0)
    return [rng.normal(size=shape), rng.integers(0, 4, shape).astype(np.float64), sparse]


def scipy_gain(cost: NDArray[np.float64], limit: float) -> float:
    """Least sum of (cost − limit), by a square problem in which anything may stay single."""
    n, m = cost.shape
    square = np.full((n + m, n + m), limit / 2)
    square[:n, :m] = cost
    square[n:, m:] = 0
    rows, columns = linear_sum_assignment(square)
    real = (rows < n) & (columns < m)
    return float((cost[rows[real], columns[real]] - limit).sum())


@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_limit_the_sum_is_the_least(shape: tuple[int, int]) -> None:
    for cost in matrices(shape):
        found = assign(cost, NO_LIMIT)
        assert len(found) == min(shape)
        assert len(set(found[:, 0])) == len(set(found[:, 1])) == len(found)
        least = cost[linear_sum_assignment(cost)].sum()
        assert cost[found[:, 0], found[:, 1]].sum() == pytest.approx(least)


@pytest.mark.parametrize("shape", SHAPES)
def test_with_a_limit_the_gain_is_the_greatest(shape: tuple[int, int]) -> None:
    for cost in matrices(shape):
        for limit in np.quantile(cost, [0.05, 0.3, 0.7]):
            found = assign(cost, limit)
            values = cost[found[:, 0], found[:, 1]]
            assert (values < limit).all()
            assert len(set(found[:, 0])) == len(set(found[:, 1])) == len(found)
            assert (values - limit).sum() == pytest.approx(scipy_gain(cost, limit))


def test_the_nearest_neighbour_is_given_up_for_a_better_whole() -> None:
    # Greedy takes (0, 0) for 1 and is left with 10: 11. The best whole is 2 + 3 = 5.
    assert pairs([[1, 2], [3, 10]]) == [(0, 1), (1, 0)]


def test_a_pair_over_the_limit_does_not_push_a_good_one_aside() -> None:
    # Without the limit (0, 1) and (1, 0) are best, 4 + 6 against 1 + 100. But 6 is over it, and
    # (0, 0) alone is worth more than (0, 1) alone.
    cost = [[1, 4], [6, 100]]
    assert pairs(cost) == [(0, 1), (1, 0)]
    assert pairs(cost, 5) == [(0, 0)]


def test_a_cost_at_the_limit_is_no_pair() -> None:
    assert pairs([[0.5]], 0.5) == []
    assert pairs([[0.5]], 0.51) == [(0, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_goes_with_nothing(shape: tuple[int, int]) -> None:
    assert assign(np.zeros(shape), 1.0).shape == (0, 2)


def test_pairs_come_by_row_and_always_the_same() -> None:
    for cost in (np.zeros((9, 5)), np.eye(9)[:, ::-1], *matrices((9, 5)), *matrices((5, 9))):
        first = pairs(cost)
        assert first == sorted(first)
        assert all(pairs(cost) == first for _ in range(3))


def test_the_costs_are_left_as_they_were() -> None:
    cost = np.arange(12.0).reshape(3, 4)
    assign(cost, 5.0)
    assert (cost == np.arange(12.0).reshape(3, 4)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_costs_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        assign([[1.0, bad]], 2.0)


def test_what_is_no_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match=r"matrix of costs, found shape \(2,\)"):
        assign([1.0, 2.0], 2.0)
