from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.polygon import MAX_POINTS, Polygon, area, contains, polygon_fault

SQUARE: Polygon = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
TRIANGLE: Polygon = ((0.1, 0.2), (0.9, 0.2), (0.9, 0.9))
# The letter U: the notch between its arms, x 0.4..0.6 above y 0.6, is outside.
NOTCHED: Polygon = (
    *((0.1, 0.1), (0.4, 0.1), (0.4, 0.6), (0.6, 0.6)),
    *((0.6, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)),
)
fraction = st.floats(0, 1)


@pytest.mark.parametrize(
    ("polygon", "inside", "outside"),
    [
        ((), [], [(0.5, 0.5), (0.0, 0.0)]),
        (
            SQUARE,
            [(0.5, 0.5), (0.21, 0.79), (0.2, 0.2), (0.8, 0.8), (0.2, 0.5), (0.8, 0.5), (0.5, 0.8)],
            [(0.19, 0.5), (0.81, 0.5), (0.5, 0.19), (0.5, 0.81), (0.0, 0.2), (0.9, 0.8)],
        ),
        (
            TRIANGLE,
            [(0.8, 0.5), (0.5, 0.3), (0.5, 0.55), (0.9, 0.9), (0.1, 0.2)],
            [(0.5, 0.56), (0.2, 0.5), (0.05, 0.2), (0.9, 0.91), (0.95, 0.2)],
        ),
        (
            NOTCHED,
            [(0.2, 0.2), (0.8, 0.2), (0.5, 0.7), (0.4, 0.3), (0.5, 0.6), (0.2, 0.6), (0.7, 0.6)],
            [(0.5, 0.2), (0.5, 0.59), (0.5, 0.1), (0.05, 0.6), (0.95, 0.1)],
        ),
    ],
    ids=["empty", "square", "triangle", "notched"],
)
def test_points_worked_by_hand(
    polygon: Polygon, inside: list[tuple[float, float]], outside: list[tuple[float, float]]
) -> None:
    for turned in (polygon, polygon[::-1], polygon[1:] + polygon[:1]):
        assert [point for point in inside if not contains(turned, *point)] == []
        assert [point for point in outside if contains(turned, *point)] == []


@given(fraction, fraction)
def test_a_rectangle_holds_what_lies_between_its_sides(x: float, y: float) -> None:
    box = ((0.25, 0.5), (0.75, 0.5), (0.75, 1.0), (0.25, 1.0))
    assert contains(box, x, y) == (0.25 - 1e-11 <= x <= 0.75 + 1e-11 and y >= 0.5 - 1e-11)


@given(fraction, fraction)
def test_every_point_is_in_one_of_two_halves(x: float, y: float) -> None:
    below = ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    above = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    assert contains(below, x, y) or contains(above, x, y)


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [((), 0), (SQUARE, 0.36), (SQUARE[::-1], 0.36), (TRIANGLE, 0.28), (NOTCHED, 0.54)],
)
def test_area(polygon: Polygon, expected: float) -> None:
    assert area(polygon) == pytest.approx(expected)


@pytest.mark.parametrize("polygon", [SQUARE, TRIANGLE, NOTCHED])
def test_simple_polygons_have_no_fault(polygon: Polygon) -> None:
    assert polygon_fault(polygon) is None
    assert polygon_fault(polygon[::-1]) is None


def test_a_round_zone_has_no_fault_and_too_round_a_one_has() -> None:
    def round_zone(points: int) -> Polygon:
        angles = [2 * math.pi * i / points for i in range(points)]
        return tuple((0.5 + 0.4 * math.cos(a), 0.5 + 0.4 * math.sin(a)) for a in angles)

    assert polygon_fault(round_zone(64)) is None
    assert polygon_fault(round_zone(MAX_POINTS + 1)) == f"{MAX_POINTS + 1} points"


@pytest.mark.parametrize(
    ("polygon", "fault"),
    [
        ((), "0 points"),
        (((0, 0), (1, 1)), "2 points"),
        (((0, 0), (1, 0), (1, 1), (0, 0)), "point 3 repeats point 0"),
        (((0, 0), (1, 0), (1, 0), (1, 1)), "point 2 repeats point 1"),
        (((0, 0), (1, 1), (1, 0), (0, 1)), "the edges from point 0 and from point 2 meet"),
        # back along the edge it came by
        (((0, 0), (1, 0), (0.5, 0), (0.5, 1)), "the edges from point 0 and from point 1 meet"),
        (((0.1, 0.1), (0.2, 0.2), (0.3, 0.3)), "the edges from point 0 and from point 2 meet"),
        # a corner that touches an edge far from it
        (
            ((0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)),
            "the edges from point 0 and from point 2 meet",
        ),
        # a hair of a polygon
        (((0, 0), (1, 0), (1, 1e-10)), "points on one line"),
    ],
)
def test_faults(polygon: Polygon, fault: str) -> None:
    assert polygon_fault(polygon) == fault
