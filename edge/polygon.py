"""Polygons on the frame: pure arithmetic on points given as fractions of width and height."""

from __future__ import annotations

from itertools import combinations

Point = tuple[float, float]
Polygon = tuple[Point, ...]

MAX_POINTS = 256

# Coordinates lie in 0..1: a hundred-millionth of a pixel of any real frame.
_TINY = 1e-12
_MIN_AREA = 1e-9


def contains(polygon: Polygon, x: float, y: float) -> bool:
    """Whether a point lies in the polygon, by the even-odd rule; its edges belong to it.

    A point on an edge or a corner is inside, so two zones that touch share the line between them.
    """
    if not polygon:
        return False
    inside = False
    x1, y1 = polygon[-1]
    for x2, y2 in polygon:
        side = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        if abs(side) <= _TINY and _within_bounds((x1, y1), (x2, y2), (x, y)):
            return True
        if (y1 > y) != (y2 > y) and (side > 0) == (y2 > y1):
            inside = not inside
        x1, y1 = x2, y2
    return inside


def area(polygon: Polygon) -> float:
    """The enclosed area as a fraction of the frame (the shoelace formula)."""
    closed = zip(polygon, (*polygon[1:], *polygon[:1]), strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in closed)) / 2


def polygon_fault(polygon: Polygon) -> str | None:
    """What keeps these points from being a simple polygon with an area; None when nothing does."""
    count = len(polygon)
    if not 3 <= count <= MAX_POINTS:
        return f"{count} points"
    for i, j in combinations(range(count), 2):
        if _near(polygon[i], polygon[j]):
            return f"point {j} repeats point {i}"
    for i, j in combinations(range(count), 2):
        if _edges_meet(polygon, i, j):
            return f"the edges from point {i} and from point {j} meet"
    return None if area(polygon) >= _MIN_AREA else "points on one line"


def _edges_meet(polygon: Polygon, i: int, j: int) -> bool:
    """Whether the edges that start at points i < j share more than a corner they have in common."""
    count = len(polygon)
    a, b = polygon[i], polygon[i + 1]
    c, d = polygon[j], polygon[(j + 1) % count]
    if j == i + 1:
        return _folds_back(a, b, d)
    if (j + 1) % count == i:
        return _folds_back(c, a, b)
    sides = (_side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b))
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(side == 0 and _within_bounds(*end) for side, end in zip(sides, ends, strict=True))


def _folds_back(start: Point, corner: Point, end: Point) -> bool:
    if _side(start, corner, end):
        return False
    along = (start[0] - corner[0]) * (end[0] - corner[0])
    return along + (start[1] - corner[1]) * (end[1] - corner[1]) > 0


def _side(a: Point, b: Point, p: Point) -> int:
    """1 or -1: the side of the line a → b on which p lies; 0: on it."""
    cross = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
    return 0 if abs(cross) <= _TINY else 1 if cross > 0 else -1


def _within_bounds(a: Point, b: Point, p: Point) -> bool:
    return (
        min(a[0], b[0]) - _TINY <= p[0] <= max(a[0], b[0]) + _TINY
        and min(a[1], b[1]) - _TINY <= p[1] <= max(a[1], b[1]) + _TINY
    )


def _near(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) <= _TINY and abs(a[1] - b[1]) <= _TINY
