"""People who wait before a camera, side by side: what a gate, a kiosk or a screen sees all day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from export.reference.world.actions import Ground, Stand, State, heading_to
from export.reference.world.actor import Actor
from export.reference.world.background import Backdrop, backdrop
from export.reference.world.front import Expression
from export.reference.world.identity import person
from export.reference.world.scene import Scene
from export.reference.world.settings import Place, SceneSettings

SIDE_BY_SIDE = 10  # people of one scene
FPS = 8.0
_SIZE = (800, 450)
_NEAR, _FAR = 3.6, 4.8  # metres; faces are 66 to 45 pixels wide there
_NIGHTS = 0.35
_ROW = 0.82  # of what the camera sees, from the first to the last
_JITTER = 0.06  # metres
_TURN = 0.2  # radians
_ASIDE = 0.5  # of the way that people turn who have nothing to look at
_TRIES = 8
_MIENS = (
    Expression(),
    Expression(smile=0.5),
    Expression(smile=1.0),
    Expression(open=0.5),
    Expression(brows=1.0),
)


def waiting_scene(identities: Sequence[int], *, seed: int, seconds: float = 2.0) -> Scene:
    """A scene of these people, each in a place of their own, about facing the camera.

    identities: seeds of people. Place, light, distance and what everybody does while
    waiting follow from ``seed``.
    """
    random = np.random.default_rng([seed, 0x3A17])
    settings = SceneSettings(close=True, size=_SIZE, fps=FPS, seconds=seconds, people=0)
    place: Place = "lobby" if random.random() < 0.5 else "corridor"
    night = bool(random.random() < _NIGHTS)
    where = backdrop(place, seed, close=True, size=_SIZE, night=night)
    row = zip(identities, _places(where, len(identities), random), strict=True)
    who = [
        Actor(
            track=number,
            who=person(identity),
            enters=-float(random.uniform(0, 20)),
            actions=(_wait(spot, random),),
            expression=_MIENS[int(random.integers(len(_MIENS)))],
        )
        for number, (identity, spot) in enumerate(row, 1)
    ]
    return Scene(seed=seed, settings=settings, where=where, who=who)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """Stand and look about, but mostly ahead: something there is worth waiting for."""

    stand: Stand

    @property
    def seconds(self) -> float:
        return self.stand.seconds

    def state(self, time: float) -> State:
        state, ahead = self.stand.state(time), self.stand.heading
        return replace(
            state,
            heading=ahead + _ASIDE * (state.heading - ahead),
            controls=replace(state.controls, look=_ASIDE * state.controls.look),
        )


def _wait(place: Ground, random: np.random.Generator) -> _Wait:
    stand = Stand(
        place=place,
        heading=heading_to(place, (0.0, 0.0)) + float(random.normal(0, _TURN)),
        seconds=1e4,
        seed=int(random.integers(1 << 30)),
    )
    return _Wait(stand=stand)


def _places(where: Backdrop, count: int, random: np.random.Generator) -> list[Ground]:
    """A row across the picture, where nothing stands before a head if a few tries find such."""
    found = []
    row = float(random.uniform(_NEAR, _FAR))
    for step in np.linspace(-1, 1, count) if count > 1 else (0.0,):
        for _ in range(_TRIES):
            z = row + float(random.uniform(-0.4, 0.4))
            half = _ROW * min(where.area.half, where.view.half_width(z))
            place = float(step) * half + float(random.uniform(-_JITTER, _JITTER)), z
            if _is_open(where, place):
                break
        found.append(place)
    return found


def _is_open(where: Backdrop, place: Ground) -> bool:
    """Whether the furniture leaves the heads of people there free, whatever their height."""
    pixels, depths = where.view.project([[place[0], y, place[1]] for y in (1.4, 1.6, 1.8)])
    width, height = where.view.size
    return all(
        not (0 <= x < width and 0 <= y < height) or where.depth[int(y), int(x)] >= depth
        for (x, y), depth in zip(pixels, depths, strict=True)
    )
