"""Where the demo's clip is taken: a lobby, the camera at its entrance, and what it watches."""

from __future__ import annotations

import math

import numpy as np

from export.reference.world.actions import Ground
from export.reference.world.background import Backdrop, backdrop
from export.reference.world.furniture import Area
from export.reference.world.view import View

SIZE = (640, 384)
FPS = 12.0
_PLACE = 19  # seed of a lobby with a free floor

# On the ground, metres: who is in a zone stands there, and who comes in crosses the line.
ZONES: dict[str, tuple[Ground, ...]] = {
    "staff-only": ((1.5, 6.6), (4.4, 6.6), (4.4, 10.2), (1.5, 10.2)),
    "waiting": ((-2.9, 5.4), (-0.55, 5.4), (-0.55, 8.6), (-2.9, 8.6)),
}
LINE: tuple[Ground, Ground] = ((-0.5, 6.3), (1.4, 6.3))


def lobby(*, night: bool) -> Backdrop:
    """The lobby by day or by night, seen by a camera above the door that people walk up to.

    Faces are 40 to 100 pixels wide at the door, and whole bodies are seen from 4.5 m on.
    """
    view = View(height=2.15, pitch=math.radians(9), focal=float(SIZE[0]), size=SIZE)
    area = Area(near=1.2, far=9.5, half=3.4)
    return backdrop("lobby", _PLACE, close=True, size=SIZE, night=night, mount=(view, area))


def in_fractions(view: View, ground: tuple[Ground, ...]) -> list[list[float]]:
    """Places on the ground as fractions of the frame, within it."""
    pixels, _ = view.project([[x, 0.0, z] for x, z in ground])
    shares = np.clip(pixels / np.asarray(view.size), 0.0, 1.0)
    return [[round(float(x), 4), round(float(y), 4)] for x, y in shares]
