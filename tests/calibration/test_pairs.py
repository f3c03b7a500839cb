"""Comparisons, sorted by whom they compare."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from calibration.pairs import (
    genuine_halves,
    genuine_of,
    impostors_of,
    impostors_seen,
    most_alike,
)
from tests.calibration.faces import people, unit, views


def sampled(seed: int, sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    faces = [
        views(random, one, n) for one, n in zip(people(random, len(sizes)), sizes, strict=True)
    ]
    order = random.permutation(sum(sizes))
    return np.concatenate(faces)[order], np.repeat(np.arange(len(sizes)), sizes)[order]


def test_every_sample_meets_those_of_everybody_else_once() -> None:
    vectors, person = sampled(1, [3, 1, 4])
    found = impostors_of(vectors, person)
    assert found.people.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert found.sizes.tolist() == [3, 12, 4]
    for place, (one, other) in enumerate(found.people.tolist()):
        expected = (vectors[person == one] @ vectors[person == other].T).ravel()
        np.testing.assert_allclose(
            np.sort(found.similarity[found.unit == place]), np.sort(expected), atol=1e-6
        )


def test_a_pair_of_people_weighs_one_however_many_comparisons_it_has() -> None:
    axes = np.eye(4, dtype=np.float32)
    vectors = np.stack([axes[0], *[axes[0]] * 9, axes[1]])
    found = impostors_of(vectors, np.asarray([0] + [1] * 9 + [2]))
    assert found.at_least(0.5).tolist() == [1.0, 0.0, 0.0]
    assert found.false_matches(0.5).value == pytest.approx(1 / 3)


def test_keeping_only_the_highest_changes_nothing_above_the_floor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("calibration.pairs._AT_ONCE", 100)
    vectors, person = sampled(2, [1, 5, 2, 7, 3] * 6)
    whole, tail = impostors_of(vectors, person), impostors_of(vectors, person, keep=10)
    assert len(tail.similarity) < 0.2 * len(whole.similarity)
    assert tail.at_least(-1).sum() >= 10
    for threshold in np.linspace(tail.floor + 1e-6, 1, 7):
        np.testing.assert_array_equal(tail.at_least(threshold), whole.at_least(threshold))


def test_genuine_comparisons_are_those_of_people_with_two_samples_or_more() -> None:
    vectors, person = sampled(3, [3, 1, 2])
    found = genuine_of(vectors, person)
    assert (found.people.tolist(), found.sizes.tolist()) == ([[0], [2]], [3, 1])
    own = vectors[person == 0]
    expected = [float(own[i] @ own[j]) for i, j in combinations(range(3), 2)]
    np.testing.assert_allclose(found.similarity[found.unit == 0], expected, atol=1e-6)


def test_no_samples_are_no_comparisons() -> None:
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    assert len(impostors_of(*nothing)) == len(genuine_of(*nothing)) == 0
    assert len(impostors_seen([], [])) == len(genuine_halves([])) == 0
    assert impostors_seen([], []).identities == 0


def test_two_people_who_meet_often_are_one_unit() -> None:
    seen = [(0, 1, 0.2), (2, 3, 0.4), (3, 4, 0.9)]
    found = impostors_seen(seen, [10, 11, 11, 10, 12])
    assert found.people.tolist() == [[10, 11], [10, 12]]
    assert found.identities == 3
    assert found.at_least(0.3).tolist() == [0.5, 1.0]


def test_thresholds_are_compared_in_double_precision_as_on_the_camera() -> None:
    similarity = float(np.float32(0.3))  # a little above 0.3
    found = impostors_seen([(0, 1, similarity)], [0, 1])
    assert found.at_least(0.3).tolist() == [1.0]
    assert found.at_least(0.30000001192092901).tolist() == [0.0]


def test_rounding_never_takes_a_cosine_above_one() -> None:
    vector = unit(np.full((2, 7), 0.1, np.float32)) * np.float32(1.0001)
    assert impostors_of(vector, np.arange(2)).similarity.max() <= 1.0


def test_the_most_alike_people_are_named_once_each() -> None:
    seen = [(0, 1, 0.2), (2, 3, 0.8), (2, 3, 0.9), (4, 5, 0.5)]
    found = most_alike(impostors_seen(seen, [10, 11, 12, 13, 14, 15]), 2)
    assert [(one, other) for one, other, _ in found] == [(12, 13), (14, 15)]
    assert [similarity for _, _, similarity in found] == pytest.approx([0.9, 0.5])
    assert most_alike(impostors_seen([], []), 2) == []
