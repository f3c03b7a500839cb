"""Lines: each crossing counts once, in its direction, whatever the path between."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.polygon import Point
from edge.rules.crossing import Direction, Passage, pass_line

Line = tuple[Point, Point]
BAND = 10.0
# Along x, so that the side of larger y, y being down, is to the right.
EAST: Line = ((100.0, 200.0), (500.0, 200.0))
RIGHT: Direction = "left_to_right"
LEFT: Direction = "right_to_left"


def crossings(path: Iterable[Point], line: Line = EAST, band: float = BAND) -> list[Direction]:
    passage: Passage | None = None
    found: list[Direction] = []
    for point in path:
        passage, direction = pass_line(passage, point, line, band=band)
        found += [direction] if direction else []
    return found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([], []),
        ([(300, 100)], []),
        ([(300, 100), (300, 300)], [RIGHT]),
        ([(300, 300), (300, 100)], [LEFT]),
        # in many small steps, one of which ends on the line itself
        ([(300, 100), (300, 195), (300, 200), (300, 205), (300, 300)], [RIGHT]),
        # wavering on the line, and on to the other side
        ([(300, 100), (300, 205), (300, 195), (300, 208), (300, 199), (300, 300)], [RIGHT]),
        # wavering on the line, and back
        ([(300, 100), (300, 205), (300, 195), (300, 208), (300, 100)], []),
        # exactly at the band is not beyond it
        ([(300, 100), (300, 210)], []),
        ([(300, 100), (300, 210.5)], [RIGHT]),
        # there and back
        ([(300, 100), (300, 300), (300, 100)], [RIGHT, LEFT]),
        # first seen on the line: on neither side yet
        ([(300, 195), (300, 300)], []),
        ([(300, 195), (300, 300), (300, 100)], [LEFT]),
        # past either end, and round one of them
        ([(90, 100), (90, 300)], []),
        ([(510, 100), (510, 300)], []),
        ([(300, 100), (90, 100), (90, 300), (300, 300)], []),
        # through it, round its end and through it again
        ([(300, 100), (300, 300), (90, 300), (90, 100), (300, 100), (300, 300)], [RIGHT, RIGHT]),
        # exactly through its end
        ([(100, 100), (100, 300)], [RIGHT]),
        # into the band through the line, and out of it round the end
        ([(120, 100), (120, 205), (90, 205), (90, 100)], []),
    ],
)
def test_worked_by_hand(path: list[Point], expected: list[Direction]) -> None:
    assert crossings(path) == expected


@pytest.mark.parametrize(
    ("line", "start", "end"),
    [
        (((0, 0), (0, 100)), (50, 50), (-50, 50)),  # looking down: right is the smaller x
        (((0, 100), (0, 0)), (-50, 50), (50, 50)),  # looking up
        (((100, 0), (0, 0)), (50, 50), (50, -50)),  # looking to the left: right is up
        (((0, 0), (100, 100)), (90, 10), (10, 90)),
    ],
)
def test_right_is_the_right_hand_of_who_looks_along_the_line(
    line: Line, start: Point, end: Point
) -> None:
    assert crossings([start, end], line) == [RIGHT]
    assert crossings([end, start], line) == [LEFT]
    assert crossings([start, end], (line[1], line[0])) == [LEFT]


COORDINATES = st.integers(0, 1000)
LINES = st.tuples(st.tuples(COORDINATES, COORDINATES), st.tuples(COORDINATES, COORDINATES)).filter(
    lambda line: max(abs(a - b) for a, b in zip(*line, strict=True)) >= 20
)
ALONG = st.floats(0.05, 0.95)
CLEAR = st.floats(11, 400)
WAVERING = st.lists(st.tuples(ALONG, st.floats(-9, 9)), max_size=6)
# A visit: on which side it is clear where somebody is, where, and how they waver afterwards.
VISITS = st.lists(st.tuples(st.sampled_from([-1, 1]), ALONG, CLEAR, WAVERING), max_size=12)


def at(line: Line, along: float, right: float) -> Point:
    """The point so far along the line, as a share of it, and so far to its right."""
    (ax, ay), (bx, by) = line
    length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
    x, y = ax + along * (bx - ax), ay + along * (by - ay)
    return x - right * (by - ay) / length, y + right * (bx - ax) / length


def walked(line: Line, visits: Sequence[tuple[int, float, float, list[Point]]]) -> list[Point]:
    path = []
    for side, along, away, wavering in visits:
        path.append(at(line, along, side * away))
        path += [at(line, *place) for place in wavering]
    return path


@given(LINES, VISITS)
def test_a_path_that_crosses_k_times_gives_k_crossings_with_their_directions(
    line: Line, visits: list[tuple[int, float, float, list[Point]]]
) -> None:
    sides = [side for side, *_ in visits]
    expected = [
        RIGHT if after > before else LEFT
        for before, after in itertools.pairwise(sides)
        if before != after
    ]
    assert crossings(walked(line, visits), line) == expected


@given(LINES, VISITS, st.lists(st.floats(0.01, 0.99), max_size=3))
def test_more_frames_of_one_path_find_nothing_else(
    line: Line, visits: list[tuple[int, float, float, list[Point]]], shares: list[float]
) -> None:
    path = walked(line, visits)
    dense = path[:1]
    for (x1, y1), (x2, y2) in itertools.pairwise(path):
        dense += [(x1 + s * (x2 - x1), y1 + s * (y2 - y1)) for s in sorted(shares)]
        dense.append((x2, y2))
    assert crossings(dense, line) == crossings(path, line)


@given(LINES, st.lists(st.tuples(st.floats(-3, 4), st.floats(-300, 300)), max_size=20))
def test_whatever_the_path_it_comes_through_no_oftener_than_it_changes_sides(
    line: Line, places: list[Point]
) -> None:
    found = crossings([at(line, *place) for place in places], line)
    sides = [right > 0 for _, right in places if abs(right) > BAND]
    assert len(found) <= sum(a != b for a, b in itertools.pairwise(sides))


@given(LINES, VISITS, VISITS, st.data())
def test_tracks_that_swap_their_people_leave_the_sum_right(
    line: Line,
    one: list[tuple[int, float, float, list[Point]]],
    other: list[tuple[int, float, float, list[Point]]],
    data: st.DataObject,
) -> None:
    """People who start and end clear of the line, swapped between two tracks at any frame."""
    end = (1, 0.5, 100.0, list[Point]())
    start = (-1, 0.5, 100.0, list[Point]())
    paths = [walked(line, [start, *visits, end]) for visits in (one, other)]
    longest = max(map(len, paths))
    first, second = (path + path[-1:] * (longest - len(path)) for path in paths)
    swap = data.draw(st.integers(0, longest))
    tracks = first[:swap] + second[swap:], second[:swap] + first[swap:]

    def through(paths: Iterable[list[Point]]) -> int:
        found = [direction for path in paths for direction in crossings(path, line)]
        return found.count(RIGHT) - found.count(LEFT)

    assert through(tracks) == through((first, second)) == 2
