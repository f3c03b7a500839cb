"""In which zones of its camera a face or a person stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from edge.polygon import Polygon, contains
from edge.types import FloatArray


def zones_of(
    box: FloatArray,
    frame_size: tuple[int, int],
    zones: Mapping[str, Polygon],
    *,
    kind: Literal["face", "person"],
) -> tuple[str, ...]:
    """Ids of the zones that hold the box's point, in the order of ``zones``.

    box: float32 ``[4]``, pixels. frame_size: width and height, pixels. zones: polygons in fractions
    of the frame, their edges included. The point is the centre of a face and the bottom centre of a
    person, where the feet are; a point off the frame counts at the frame's nearest edge, since
    the smoothed box of someone who stands at the edge reaches over it.
    """
    if not zones:
        return ()
    x1, y1, x2, y2 = box.tolist()
    width, height = frame_size
    x = min(max((x1 + x2) / 2 / width, 0.0), 1.0)
    y = min(max(((y1 + y2) / 2 if kind == "face" else y2) / height, 0.0), 1.0)
    return tuple(name for name, polygon in zones.items() if contains(polygon, x, y))
