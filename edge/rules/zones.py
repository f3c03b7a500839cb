"""In which zones of its camera a face or a person stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from edge.polygon import Point, Polygon, contains
from edge.types import FloatArray

Kind = Literal["face", "person"]


def zones_of(
    box: FloatArray,
    frame_size: tuple[int, int],
    zones: Mapping[str, Polygon],
    *,
    kind: Kind,
) -> tuple[str, ...]:
    """Ids of the zones that hold the box's point, in the order of ``zones``.

    box: float32 ``[4]``, pixels. frame_size: width and height, pixels. zones: polygons in fractions
    of the frame, their edges included. The point is the centre of a face and the bottom centre of a
    person, where the feet are; a point off the frame counts at the frame's nearest edge, since
    the smoothed box of someone who stands at the edge reaches over it.
    """
    if not zones:
        return ()
    x, y = point_of(box, frame_size, kind=kind)
    return tuple(name for name, polygon in zones.items() if contains(polygon, x, y))


def point_of(box: FloatArray, frame_size: tuple[int, int], *, kind: Kind) -> Point:
    """The point that decides where somebody stands, in fractions of the frame; see ``zones_of``."""
    x1, y1, x2, y2 = box.tolist()
    width, height = frame_size
    x = min(max((x1 + x2) / 2 / width, 0.0), 1.0)
    y = min(max(((y1 + y2) / 2 if kind == "face" else y2) / height, 0.0), 1.0)
    return x, y
