"""What stands and hangs in a place: chosen by its kind, put where there is room."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from export.reference.world import props
from export.reference.world.identity import Color
from export.reference.world.settings import Place

_BAY = 5.2  # metres of a car park's bay


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Where people go: z from near to far, and at most ``half`` metres to either side."""

    near: float
    far: float
    half: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thing:
    """Something to be put at a z between near and far. x: None for anywhere to a side."""

    draw: Callable[[float, float], None]
    near: float
    far: float
    x: float | None = None


def color_of(random: np.random.Generator, low: float, high: float, tint: float = 18) -> Color:
    """A colour about a grey of ``low`` to ``high``."""
    grey = float(random.uniform(low, high))
    blue, green, red = np.clip(grey + random.normal(0, tint, 3), 10, 250)
    return float(blue), float(green), float(red)


def furnish(
    stage: props.Stage,
    place: Place,
    area: Area,
    random: np.random.Generator,
    *,
    wall: float,
    half: float | None,
    high: float,
    door: float,
    nearest: float,
) -> None:
    """Placards and furniture, from far to near, so that nearer things are drawn over farther ones.

    wall, half, high: z of the far wall, x of the side walls (None outdoors) and the height of
    walls. door: x of the door in the far wall, which is kept in sight. nearest: z before which
    nothing stands.
    """
    _placards(stage, random, wall=wall, half=half, high=high, door=door)
    placed = []
    for thing in _things(stage, place, area, random):
        z = float(random.uniform(thing.near, thing.far))
        reach = min(area.half + 0.6, 0.95 * stage.view.half_width(z))
        for _ in range(8):
            x = float(random.choice([-1, 1]) * random.uniform(0.35, 1.0)) * reach
            # As seen from the camera, that far aside where the door is.
            if abs(x * wall / z - door) > 1.0 + wall / z:
                break
        if z >= nearest:
            placed.append((z, x if thing.x is None else thing.x, thing))
    for z, x, thing in sorted(placed, key=lambda entry: -entry[0]):
        thing.draw(x, z)


def _things(
    stage: props.Stage, place: Place, area: Area, random: np.random.Generator
) -> list[_Thing]:
    near, far = area.near, area.far
    color = color_of(random, 60, 150, 30)
    bench, tree = (
        partial(props.bench, stage, color=color),
        partial(props.tree, stage, random=random),
    )
    plant, lamp = partial(props.plant, stage, random=random), partial(props.lamp, stage)
    crate, dummy = partial(props.crate, stage, color=color), partial(mannequin, stage)
    desk, column = partial(props.counter, stage, color=color), partial(props.pillar, stage)
    if place == "lobby":
        chosen = [
            _Thing(draw=desk, near=far, far=far + 0.9),
            _Thing(draw=plant, near=near + 1, far=far),
            _Thing(draw=bench, near=near + 1.5, far=far),
            _Thing(draw=column, near=near + 1, far=far - 1),
        ]
        if random.random() < 0.6:
            chosen.append(_Thing(draw=dummy, near=far - 1, far=far + 1))
        return chosen
    if place == "corridor":
        return [
            _Thing(draw=plant, near=near + 2, far=far),
            _Thing(draw=crate, near=near + 1, far=far),
        ]
    if place == "street":
        return [
            _Thing(draw=tree, near=near + 1.2, far=near + 2),
            _Thing(draw=lamp, near=near + 1.3, far=near + 1.5),
            _Thing(draw=bench, near=near + 3, far=far),
            _Thing(draw=crate, near=near + 3, far=far),
            _Thing(draw=dummy, near=far + 2, far=far + 2.4),
        ]
    if place == "yard":
        return [
            _Thing(draw=tree, near=far, far=far + 2),
            _Thing(draw=tree, near=far, far=far + 3),
            _Thing(draw=crate, near=near + 1, far=far),
        ]
    cars = [
        _Thing(
            draw=partial(props.car, stage, color=color_of(random, 40, 210, 45)),
            near=far + 0.6, far=far + 0.7, x=(bay + 0.5) * _BAY,
        )
        for bay in range(-2, 3)
        if random.random() < 0.65
    ]  # fmt: skip
    near_car = partial(props.car, stage, color=color)
    return [
        *cars,
        _Thing(draw=lamp, near=near + 3, far=far),
        _Thing(draw=near_car, near=near + 2, far=near + 3),
    ]


def _placards(
    stage: props.Stage,
    random: np.random.Generator,
    *,
    wall: float,
    half: float | None,
    high: float,
    door: float,
) -> None:
    z = wall - 0.03
    reach = 0.8 * min(stage.view.half_width(z), half or math.inf)
    for _ in range(int(random.integers(1, 4))):
        x, y = float(random.uniform(-reach, reach)), float(random.uniform(1.1, 1.4))
        wide = float(random.uniform(0.5, 0.9))
        if x - 0.7 < door < x + wide + 0.7:
            continue
        tall = min(wide * 1.5, high - y - 0.1)
        corners = [[x, y + tall, z], [x + wide, y + tall, z], [x + wide, y, z], [x, y, z]]
        stage.hang(props.poster(random), np.asarray(corners))
    if half is not None:
        side = math.copysign(half - 0.02, float(random.choice([-1, 1])))
        near = float(random.uniform(4.0, 7.0))
        # Its left edge is the nearer one on the left wall, the farther one on the right.
        left, right = (near, near + 0.8) if side < 0 else (near + 0.8, near)
        corners = [[side, 2.2, left], [side, 2.2, right], [side, 1.1, right], [side, 1.1, left]]
        stage.hang(props.poster(random), np.asarray(corners))


def mannequin(stage: props.Stage, x: float, z: float) -> None:
    """A shop-window dummy: the shape of a person with neither face nor limbs of its own."""
    pale: Color = (196, 206, 214)
    stage.shadow(x, z, 0.8, 0.6)
    stage.bar((x, 0, z), (x, 0.9, z), 0.05, (60, 60, 60))
    outline = [(-0.12, 0.8), (0.12, 0.8), (0.16, 0.95), (0.12, 1.15), (0.21, 1.42), (0.06, 1.5),
               (-0.06, 1.5), (-0.21, 1.42), (-0.12, 1.15), (-0.16, 0.95)]  # fmt: skip
    for part in (outline[:4] + outline[8:], outline[3:9]):
        stage.polygon(np.asarray([[x + u, v, z] for u, v in part]), pale)
    stage.ball((x, 1.64, z), 0.11, pale)
