"""Who comes into a scene, and what each of them does there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle

import numpy as np

from export.reference.world.actions import (
    FENCE_STAND,
    Action,
    Climb,
    Fall,
    Fight,
    Go,
    Ground,
    Stand,
    Take,
)
from export.reference.world.actor import Actor, Bag
from export.reference.world.background import Backdrop
from export.reference.world.front import Expression
from export.reference.world.identity import Color, Person, person
from export.reference.world.settings import SceneSettings
from export.reference.world.truth import Behaviour

_SHARES: dict[Behaviour, float] = {
    "walk": 0.46, "loiter": 0.16, "run": 0.12, "take": 0.08, "fall": 0.06, "fight": 0.06,
    "climb": 0.06,
}  # fmt: skip
_ANYONE = 1_000_000  # seeds of people who are asked for by nobody lie below
_FACES = (
    Expression(),
    Expression(smile=0.5),
    Expression(smile=1.0),
    Expression(open=0.5),
    Expression(smile=-0.5),
    Expression(brows=1.0),
)


@dataclass(slots=True)
class _Cast:
    """A cast in the making."""

    backdrop: Backdrop
    settings: SceneSettings
    random: np.random.Generator
    identities: Iterator[int]
    actors: list[Actor] = field(default_factory=list)

    def between(self, low: float, high: float) -> float:
        return float(self.random.uniform(low, high))

    def person(self) -> Person:
        return person(next(self.identities))

    def add(
        self, who: Person, actions: list[Action], *, enters: float, bag: Bag | None = None
    ) -> None:
        if bag is None and self.random.random() < 0.2:
            bag = Bag(color=self.color())
        mien = _FACES[int(self.random.integers(len(_FACES)))]
        self.actors.append(
            Actor(
                track=len(self.actors) + 1,
                who=who,
                enters=enters,
                actions=tuple(actions),
                bag=bag,
                expression=mien,
            )
        )

    def color(self) -> Color:
        blue, green, red = self.random.uniform(20, 210, 3)
        return float(blue), float(green), float(red)

    def half(self, z: float) -> float:
        return min(self.backdrop.area.half, 0.78 * self.backdrop.view.half_width(z))

    def spot(self, low: float = 0.0, high: float = 1.0) -> Ground:
        """A place within sight that nothing hides, if one of a few tries finds it."""
        area = self.backdrop.area
        near = max(area.near, 1.12 * self.backdrop.view.nearest_ground())
        near = near if not self.settings.close else area.near + 0.8
        place: Ground = (0.0, (near + area.far) / 2)
        for _ in range(12):
            z = near + (area.far - near) * self.between(low, high)
            place = (self.between(-1, 1) * self.half(z), z)
            if self._open(place):
                break
        return place

    def _open(self, place: Ground) -> bool:
        """Whether a body there is hidden by nothing, at its knees, its hips and its head."""
        column = [[place[0], y, place[1]] for y in (0.4, 0.9, 1.6)]
        pixels, depths = self.backdrop.view.project(column)
        width, height = self.backdrop.view.size
        for (x, y), depth in zip(pixels, depths, strict=True):
            if 0 <= x < width and 0 <= y < height and self.backdrop.depth[int(y), int(x)] < depth:
                return False
        return True

    def exit(self, place: Ground, side: int | None = None) -> Ground:
        """Where somebody leaves the picture from a place."""
        area, z = self.backdrop.area, place[1]
        if self.backdrop.place == "corridor":
            far = side == 1 if side is not None else self.random.random() < 0.5
            return self.between(-0.8, 0.8), area.far + 0.6 if far else area.near - 2.0
        sign = side if side is not None else int(self.random.choice([-1, 1]))
        away = min(max(z + self.between(-1.2, 1.2), area.near), area.far)
        return sign * (self.backdrop.view.half_width(away) + 0.7), away

    def go(
        self, who: Person, start: Ground, end: Ground, *, speed: float | None = None,
        run: bool = False, behaviour: Behaviour = "walk",
    ) -> Go:  # fmt: skip
        style = float(np.random.default_rng([who.seed, 7]).uniform(-1, 1))
        if speed is None:
            speed = self.between(2.9, 4.4) if run else self.between(0.95, 1.65)
        look = self.between(-0.8, 0.8) if self.random.random() < 0.4 else 0.0
        return Go(
            start=start, end=end, speed=speed, tall=who.tall, style=style, run=run,
            behaviour=behaviour, look=look,
        )  # fmt: skip

    def near_by(self, place: Ground, distance: float, angle: float | None = None) -> Ground:
        """A place at a distance that is within sight, or straight towards the middle."""
        for _ in range(8):
            turn = self.between(0, 2 * math.pi) if angle is None else angle
            x, z = place[0] + math.sin(turn) * distance, place[1] + math.cos(turn) * distance
            area = self.backdrop.area
            if area.near <= z <= area.far and abs(x) <= self.half(z) + 0.3:
                return x, z
            angle = None
        return place[0] * (1 - min(distance / max(abs(place[0]), 1e-6), 1.0)), place[1]


def cast(backdrop: Backdrop, settings: SceneSettings, random: np.random.Generator) -> list[Actor]:
    """The people of a scene; two for a fight."""
    given = settings.identities
    identities: Iterator[int] = (
        cycle(given) if given else iter(lambda: int(random.integers(_ANYONE)), -1)
    )
    making = _Cast(backdrop, settings, random, identities)
    wanted = cycle(settings.behaviours) if settings.behaviours else None
    while len(making.actors) < settings.people:
        _add(making, next(wanted) if wanted else _any(backdrop, random))
    return making.actors


def _any(backdrop: Backdrop, random: np.random.Generator) -> Behaviour:
    names = [name for name in _SHARES if name != "climb" or backdrop.fence is not None]
    shares = np.asarray([_SHARES[name] for name in names])
    return names[int(random.choice(len(names), p=shares / shares.sum()))]


def _add(cast: _Cast, behaviour: Behaviour) -> None:
    if behaviour in ("walk", "run"):
        _passing(cast, run=behaviour == "run")
    elif behaviour == "loiter":
        _loitering(cast)
    elif behaviour == "fall":
        _falling(cast)
    elif behaviour == "take":
        _taking(cast)
    elif behaviour == "climb":
        _climbing(cast)
    else:
        _fighting(cast)


def _passing(cast: _Cast, *, run: bool) -> None:
    """Through the picture and back until the scene is over."""
    who, seconds = cast.person(), cast.settings.seconds
    enters = cast.between(-2.0, 0.35 * seconds)
    if cast.settings.close and cast.random.random() < 0.8:
        area = cast.backdrop.area
        start = (cast.between(-0.5, 0.5) * cast.half(area.far), area.far)
        # Past the camera at one side of it, so that the face is seen up to the last.
        end = (math.copysign(cast.between(0.45, 0.7), start[0]), 1.1)
        cast.add(who, [cast.go(who, start, end, run=run)], enters=enters)
        return
    side = int(cast.random.choice([-1, 1]))
    start = cast.exit(cast.spot(), side)
    first = cast.go(who, start, cast.exit(cast.spot(), -side), run=run)
    actions: list[Action] = [first]
    while sum(action.seconds for action in actions) < seconds - enters and len(actions) < 8:
        side = -side
        last = actions[-1]
        assert isinstance(last, Go)
        actions.append(cast.go(who, last.end, cast.exit(cast.spot(), -side), run=run))
    cast.add(who, actions, enters=enters)


def _loitering(cast: _Cast) -> None:
    who, place = cast.person(), cast.spot()
    heading = cast.between(0, 2 * math.pi)
    actions: list[Action] = []
    while sum(action.seconds for action in actions) < cast.settings.seconds + 1:
        seed = int(cast.random.integers(1 << 30))
        actions.append(
            Stand(place=place, heading=heading, seconds=cast.between(1.6, 4.5), seed=seed)
        )
        if cast.random.random() < 0.6:
            there = cast.near_by(place, cast.between(0.5, 1.1))
            actions.append(
                cast.go(who, place, there, speed=cast.between(0.45, 0.7), behaviour="loiter")
            )
            place, heading = there, heading + cast.between(-1.5, 1.5)
    cast.add(who, actions, enters=-1.0)


def _falling(cast: _Cast) -> None:
    who, place = cast.person(), cast.spot(0.1, 0.9)
    start = cast.near_by(place, cast.between(1.5, 3.0))
    walk = cast.go(who, start, place, run=cast.random.random() < 0.2)
    heading = math.atan2(place[0] - start[0], place[1] - start[1])
    fall = Fall(
        place=place, heading=heading, seconds=60.0, way=cast.between(-math.pi, math.pi),
        drop=cast.between(0.6, 0.95),
    )  # fmt: skip
    cast.add(who, [walk, fall], enters=cast.between(-0.5, 0.4))


def _taking(cast: _Cast) -> None:
    who, place = cast.person(), cast.spot(0.05, 0.85)
    start = cast.near_by(place, cast.between(1.2, 2.6))
    walk = cast.go(who, start, place)
    heading = math.atan2(place[0] - start[0], place[1] - start[1])
    reach = float(cast.random.choice([0.1, 0.1, 0.5]))
    take = Take(place=place, heading=heading, reach=reach, seconds=cast.between(1.7, 2.6))
    leave = cast.go(who, place, cast.exit(place))
    lies = (
        place[0] + 0.42 * math.sin(heading) + 0.12 * math.cos(heading),
        reach - 0.1,
        place[1] + 0.42 * math.cos(heading) - 0.12 * math.sin(heading),
    )
    bag = Bag(color=cast.color(), taken=walk.seconds + take.grasped, lies=lies)
    cast.add(who, [walk, take, leave], enters=cast.between(-0.4, 0.4), bag=bag)


def _climbing(cast: _Cast) -> None:
    if cast.backdrop.fence is None:
        raise ValueError("climb: expected a place with a fence, found none")
    z, high = cast.backdrop.fence
    who = cast.person()
    away = bool(cast.random.random() < 0.6)
    heading, sign = (0.0, -1) if away else (math.pi, 1)
    x = cast.between(-0.8, 0.8) * cast.half(z)
    before, behind = (x, z + sign * FENCE_STAND), (x, z - sign * FENCE_STAND)
    start = (x + cast.between(-1, 1), z + sign * cast.between(1.0, 2.0))
    seed = int(cast.random.integers(1000))
    climb = Climb(
        fence=(x, z), heading=heading, height=high, seconds=cast.between(3.0, 4.4), seed=seed
    )
    leave = cast.go(who, behind, cast.exit(behind), run=cast.random.random() < 0.3)
    cast.add(who, [cast.go(who, start, before), climb, leave], enters=cast.between(-0.6, 0.2))


def _fighting(cast: _Cast) -> None:
    middle, heading = cast.spot(0.05, 0.9), cast.between(0, math.pi)
    seed, grapple = int(cast.random.integers(1000)), bool(cast.random.random() < 0.4)
    length = max(cast.settings.seconds, 4.0)
    enters = cast.between(-1.4, -0.2)
    for role in (0, 1):
        who = cast.person()
        fight = Fight(
            middle=middle, heading=heading, seconds=length, seed=seed, role=role, grapple=grapple
        )
        begin = fight.state(0.0).at
        place = (float(begin[0]), float(begin[2]))
        out = heading + math.pi * role + math.pi
        start = (place[0] + 1.3 * math.sin(out), place[1] + 1.3 * math.cos(out))
        walk = replace(cast.go(who, start, place), speed=1.3, look=0.0)
        cast.add(who, [walk, fight], enters=enters)
