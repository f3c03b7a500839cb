"""Pictures of the demo's people to enrol them by: elsewhere and in other light than in the clip."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from edge.media import write_image
from edge.types import ByteImage
from export.reference.demo.plot import ENROLLED, LookIn
from export.reference.world.actor import Actor
from export.reference.world.background import backdrop
from export.reference.world.front import Expression
from export.reference.world.furniture import Area
from export.reference.world.identity import person
from export.reference.world.scene import Scene
from export.reference.world.settings import SceneSettings
from export.reference.world.view import View

_EACH = 3
_SIZE = (360, 420)
_NUISANCE = 0.5


def write_portraits(folder: Path, *, seed: int) -> dict[str, list[str]]:
    """A folder for each person with JPEGs of them; the paths of each person, from ``folder``.

    Raises OutputError where one cannot be written.
    """
    written: dict[str, list[str]] = {}
    for name, identity in ENROLLED.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        names = [f"{name}/{number}.jpg" for number in range(1, _EACH + 1)]
        for number, path in enumerate(names):
            write_image(folder / path, portrait(identity, seed=seed, number=number))
        written[name] = names
    return written


def portrait(identity: int, *, seed: int, number: int) -> ByteImage:
    """Somebody before a camera at head height: uint8 ``[420, 360, 3]`` BGR."""
    random = np.random.default_rng([seed, identity, number, 0xF0])
    who = person(identity)
    eyes = 1.62 * who.tall
    view = View(
        height=eyes + float(random.uniform(-0.12, 0.02)),
        pitch=math.radians(float(random.uniform(-1, 3))),
        focal=1.55 * _SIZE[0],
        size=_SIZE,
    )
    area = Area(near=1.0, far=6.0, half=3.0)
    place = backdrop(
        "lobby", int(random.integers(1 << 30)), close=True, size=_SIZE, night=False,
        mount=(view, area),
    )  # fmt: skip
    stand = (float(random.uniform(-0.08, 0.08)), float(random.uniform(1.1, 1.35)))
    mien = Expression(smile=float(random.uniform(-0.2, 0.9)), brows=float(random.uniform(0, 0.5)))
    # Looking into the camera sways with time: when it is taken decides where they look.
    actor = Actor(
        track=1, who=who, enters=-float(random.uniform(0.1, 8.0)),
        actions=(LookIn(place=stand, seconds=10.0),), expression=mien,
    )  # fmt: skip
    settings = SceneSettings(
        place="lobby", size=_SIZE, seconds=0.1, fps=10.0, nuisance=_NUISANCE, night=False
    )
    scene = Scene(seed=int(random.integers(1 << 30)), settings=settings, where=place, who=[actor])
    image, _ = next(iter(scene))
    return image
