"""The similarity transform against transforms built by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.geometry import similarity_transform, transform_points

FACE = np.asarray([[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]], np.float64)


def built(degrees: float, scale: float, shift: tuple[float, float]) -> NDArray[np.float64]:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.asarray(
        [[scale * cos, -scale * sin, shift[0]], [scale * sin, scale * cos, shift[1]]], np.float64
    )


@pytest.mark.parametrize(
    ("degrees", "scale", "shift"),
    [
        (0, 1, (0, 0)),
        (0, 1, (12.5, -7)),
        (0, 3, (0, 0)),
        (90, 1, (0, 0)),
        (30, 2, (10, -4)),
        (-145, 0.25, (300, 1000)),
        (180, 1e-3, (0.5, 0.25)),
        (17, 500, (-1e4, 1e4)),
    ],
)
def test_a_transform_built_by_hand_is_found_again(
    degrees: float, scale: float, shift: tuple[float, float]
) -> None:
    matrix = built(degrees, scale, shift)
    target = transform_points(matrix, FACE)
    np.testing.assert_allclose(similarity_transform(FACE, target), matrix, rtol=1e-9, atol=1e-9)


def test_a_quarter_turn_of_one_point_by_hand() -> None:
    # x to the right, y down: (1, 0) goes to (0, 1), doubled and moved by (5, 6).
    moved = transform_points(built(90, 2, (5, 6)), [[1, 0], [0, 1]])
    np.testing.assert_allclose(moved, [[5, 8], [3, 6]], atol=1e-12)


def test_two_points_are_enough() -> None:
    found = similarity_transform([[0, 0], [2, 0]], [[1, 1], [1, 5]])
    np.testing.assert_allclose(found, built(90, 2, (1, 1)), atol=1e-12)


def test_points_on_one_line_are_enough() -> None:
    line = np.asarray([[0, 0], [1, 2], [2, 4], [3, 6], [4, 8]], np.float64)
    matrix = built(50, 0.5, (3, -1))
    found = similarity_transform(line, transform_points(matrix, line))
    np.testing.assert_allclose(found, matrix, atol=1e-9)


def test_a_mirrored_face_is_turned_at_best_never_mirrored() -> None:
    mirrored = FACE * [-1, 1]
    found = similarity_transform(FACE, mirrored)
    assert np.linalg.det(found[:, :2]) > 0
    assert np.abs(transform_points(found, FACE) - mirrored).max() > 5


def test_no_turn_scale_or_shift_nearby_fits_noisy_points_better() -> None:
    random = np.random.default_rng(11)
    target = transform_points(built(20, 1.3, (4, 9)), FACE) + random.normal(0, 2, FACE.shape)

    def error(matrix: NDArray[np.float64]) -> float:
        return float(((transform_points(matrix, FACE) - target) ** 2).sum())

    found = similarity_transform(FACE, target)
    best = error(found)
    assert best > 1
    scale = math.hypot(found[0, 0], found[1, 0])
    degrees = math.degrees(math.atan2(found[1, 0], found[0, 0]))
    shift = (found[0, 2], found[1, 2])
    np.testing.assert_allclose(built(degrees, scale, shift), found, atol=1e-9)
    for other in (
        built(degrees + 0.05, scale, shift),
        built(degrees - 0.05, scale, shift),
        built(degrees, scale * 1.001, shift),
        built(degrees, scale * 0.999, shift),
        built(degrees, scale, (shift[0] + 0.05, shift[1])),
        built(degrees, scale, (shift[0], shift[1] - 0.05)),
    ):
        assert error(other) > best


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (np.full((5, 2), 7.0), FACE, "all in one place"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "(0, 2)"),
        ([[1, 2]], [[3, 4]], "(1, 2)"),
        (FACE, FACE[:4], "(4, 2)"),
        (np.zeros((5, 3)), np.zeros((5, 3)), "(5, 3)"),
        (np.where(FACE == 74, np.nan, FACE), FACE, "NaN"),
        (np.where(FACE == 74, np.inf, FACE), FACE, "infinity"),
        (FACE, np.where(FACE == 74, np.nan, FACE), "NaN"),
    ],
)
def test_points_that_settle_no_transform_are_refused(
    source: object, target: object, said: str
) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        similarity_transform(np.asarray(source), np.asarray(target))
    assert said in str(caught.value)


def test_transform_points_takes_no_points() -> None:
    assert transform_points(built(10, 2, (1, 1)), np.zeros((0, 2))).shape == (0, 2)
