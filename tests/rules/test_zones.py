from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from edge.polygon import Polygon
from edge.rules.zones import zones_of

LEFT: Polygon = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
RIGHT: Polygon = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
FLOOR: Polygon = ((0.0, 0.75), (1.0, 0.75), (1.0, 1.0), (0.0, 1.0))
ZONES = {"right": RIGHT, "left": LEFT, "floor": FLOOR}


@pytest.mark.parametrize(
    ("box", "kind", "expected"),
    [
        # centre (100, 150) of 400 × 200: at (0.25, 0.75), on the edge of the floor
        ([80, 140, 120, 160], "face", ("left", "floor")),
        ([80, 130, 120, 150], "face", ("left",)),
        # the same box as a person stands at (0.25, 0.75)
        ([80, 130, 120, 150], "person", ("left", "floor")),
        # on the line between two zones: in both
        ([180, 10, 220, 30], "face", ("right", "left")),
        # cut off by the frame, or reaching over it
        ([300, 20, 400, 200], "person", ("right", "floor")),
        ([300, 20, 400, 240], "person", ("right", "floor")),
        ([380, -60, 480, -20], "face", ("right",)),
    ],
)
def test_the_point_of_a_face_and_of_a_person(
    box: list[float], kind: Literal["face", "person"], expected: tuple[str, ...]
) -> None:
    assert zones_of(np.array(box, np.float32), (400, 200), ZONES, kind=kind) == expected


def test_a_camera_without_zones() -> None:
    assert zones_of(np.zeros(4, np.float32), (400, 200), {}, kind="face") == ()
