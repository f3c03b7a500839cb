"""Who crosses a line, and in which direction.

A crossing is counted when a point that was clearly on one side of the line is clearly on the other,
and has come through the line itself, not around one of its ends. Clearly is farther from it than a
band, so that whoever stands on the line and wavers counts once they have left it, and only if they
leave on the other side. A point that is first seen within the band has been on neither side yet.

Each crossing of one point is followed by one in the other direction. So where two tracks swap their
people near the line, either no crossing is counted or one in each direction: the number of people
who have come through, one direction less the other, stays right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot
from typing import Literal

from edge.polygon import Point

Direction = Literal["left_to_right", "right_to_left"]

# A point that is pressed to the edge of the frame may pass just at the end of a line there.
_END = 1e-9


@dataclass(frozen=True, slots=True)
class Passage:
    """Where a point is as to one line.

    point: where it was last. side: 1, the right of the line, or -1, the left, whichever it was last
    clearly on; 0: neither yet. through: how often it has come through the line since, to the right
    less to the left.
    """

    point: Point
    side: int
    through: int = 0


def pass_line(
    before: Passage | None, point: Point, line: tuple[Point, Point], *, band: float
) -> tuple[Passage, Direction | None]:
    """The passage of a point that has moved to ``point``, and the crossing which that completes.

    All are in one unit in which x and y mean the same, such as pixels, y down. Right is the right
    hand of who stands on the line's first point and looks to its second. band: the distance to
    either side within which it is not clear where the point is.
    """
    distance = _distance(point, line)
    side = 0 if abs(distance) <= band else 1 if distance > 0 else -1
    if before is None:
        return Passage(point, side), None
    through = before.through + _step(before.point, point, line)
    if side == 0:
        return replace(before, point=point, through=through), None
    now = Passage(point, side)
    if before.side in (0, side) or through * side <= 0:
        return now, None
    return now, "left_to_right" if side > 0 else "right_to_left"


def _distance(point: Point, line: tuple[Point, Point]) -> float:
    """From the line without its ends; positive to its right, y being down."""
    (ax, ay), (bx, by) = line
    cross = (bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax)
    return cross / hypot(bx - ax, by - ay)


def _step(start: Point, end: Point, line: tuple[Point, Point]) -> int:
    """1 or -1 where the way from start to end leads through the line to its right or left, or 0.

    A point on the line belongs to its right, so that a way through it is never counted twice.
    """
    first, last = _distance(start, line), _distance(end, line)
    if (first < 0) == (last < 0):
        return 0
    share = first / (first - last)
    x, y = (s + share * (e - s) for s, e in zip(start, end, strict=True))
    (ax, ay), (bx, by) = line
    along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)
    if not -_END <= along <= 1 + _END:
        return 0
    return 1 if last >= 0 else -1
