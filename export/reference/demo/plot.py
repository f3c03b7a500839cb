"""Who comes into the demo's clip, when, and what each of them does there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from export.reference.world.actions import (
    Action,
    Fall,
    Fight,
    Go,
    Ground,
    Stand,
    State,
    Take,
    heading_to,
)
from export.reference.world.actor import Actor, Bag
from export.reference.world.front import Expression
from export.reference.world.identity import Person, person
from export.reference.world.motion import STANDING, Controls
from export.reference.world.truth import Behaviour

# Seeds of people whom no recipe has ever seen: those it learns from lie below a million.
ENROLLED: dict[str, int] = {"ada": 1_000_018, "ben": 1_000_024, "chidi": 1_000_020}
STRANGERS: dict[str, int] = {
    "stranger-1": 1_000_047,
    "stranger-2": 1_000_000,
    "stranger-3": 1_000_026,
    "stranger-4": 1_000_037,
    "stranger-5": 1_000_051,
    "stranger-6": 1_000_008,
}
_PEOPLE = ENROLLED | STRANGERS

_FAR_DOOR: Ground = (0.75, 10.6)
_BRISK = 1.35  # metres a second
_LOOKS_FOR_S = 2.4


@dataclass(frozen=True, slots=True, kw_only=True)
class LookIn:
    """Stand before the camera and look into it, as at a door that opens for whom it knows."""

    place: Ground
    seconds: float = _LOOKS_FOR_S
    behaviour: Behaviour = "loiter"

    def state(self, time: float) -> State:
        """The body after ``time`` seconds."""
        sway = math.sin(1.3 * time)
        controls = Controls(
            pelvis=np.asarray([0.0, 0.02 * sway, STANDING - 0.012]),
            side=0.02 * sway,
            look=0.16 * math.sin(1.7 * time + 0.4),
            nod=0.12 + 0.05 * math.sin(0.9 * time),
        )
        at = np.asarray([self.place[0], 0.0, self.place[1]])
        return State(at, heading_to(self.place, (0.0, 0.0)), controls, self.behaviour)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One take of the camera. take: is added to the seed of its light and its sensor."""

    take: int
    night: bool
    seconds: float
    actors: tuple[Actor, ...]


def shots() -> tuple[Shot, ...]:
    """The clip: a day and a night at the same door."""
    return (_day(), _night())


def name_of(seed: int) -> str:
    """What the demo calls the person of a seed."""
    return next(name for name, its in _PEOPLE.items() if its == seed)


def _day() -> Shot:
    cast = _Cast()
    cast.add("stranger-1", _waits, enters=-4.0)
    cast.add("ada", _comes_in((-0.12, 2.0), (-1.5, 1.2)), enters=0.2)
    cast.add("stranger-2", _comes_in((0.2, 2.1), (1.6, 1.2)), enters=5.4, smile=0.5)
    cast.add("stranger-3", _runs_about, enters=15.0)
    _take(cast, "stranger-4", enters=8.0)
    cast.add("ben", _comes_in((-0.2, 2.05), (-1.5, 1.2)), enters=12.2, smile=0.6)
    return Shot(take=0, night=False, seconds=22.5, actors=cast.actors)


def _night() -> Shot:
    cast = _Cast()
    cast.add("chidi", _comes_in((0.1, 2.0), (1.6, 1.2)), enters=0.3)
    cast.add("stranger-5", _trips, enters=1.2)
    _fight(cast, ("stranger-6", "stranger-3"), enters=5.2)
    return Shot(take=4, night=True, seconds=12.5, actors=cast.actors)


Plan = Callable[[Person], tuple[Action, ...]]


class _Cast:
    """The people of one shot."""

    def __init__(self) -> None:
        self._actors: list[Actor] = []

    @property
    def actors(self) -> tuple[Actor, ...]:
        return tuple(self._actors)

    def add(
        self, name: str, plan: Plan, *, enters: float, bag: Bag | None = None, smile: float = 0.0
    ) -> None:
        who = person(_PEOPLE[name])
        self._actors.append(
            Actor(
                track=len(self._actors) + 1, who=who, enters=enters, actions=plan(who), bag=bag,
                expression=Expression(smile=smile),
            )
        )  # fmt: skip


def _go(who: Person, start: Ground, end: Ground, speed: float = _BRISK, *, run: bool = False) -> Go:
    style = float(np.random.default_rng([who.seed, 7]).uniform(-1, 1))
    return Go(start=start, end=end, speed=speed, tall=who.tall, style=style, run=run)


def _comes_in(stop: Ground, out: Ground) -> Plan:
    """From the far door over the line to the camera, a look into it, and on past it."""
    return lambda who: (
        _go(who, _FAR_DOOR, stop),
        LookIn(place=stop),
        _go(who, stop, out, 1.0),
    )


def _waits(who: Person) -> tuple[Action, ...]:
    """Stands about in the waiting zone for long, and leaves."""
    first, second, out = (-1.6, 6.6), (-1.1, 7.3), (-4.6, 6.4)
    stroll = replace(_go(who, first, second, 0.6), behaviour="loiter")
    return (
        Stand(place=first, heading=math.pi - 0.3, seconds=8.0, seed=2),
        stroll,
        Stand(place=second, heading=math.pi + 0.4, seconds=5.0, seed=8),
        _go(who, second, out),
    )


def _runs_about(who: Person) -> tuple[Action, ...]:
    start, turn, out = (5.0, 7.4), (-2.4, 8.4), (5.4, 9.0)
    return (_go(who, start, turn, 2.9, run=True), _go(who, turn, out, 2.9, run=True))


def _take(cast: _Cast, name: str, *, enters: float) -> None:
    """Into the staff's corner, a bag taken, and out again."""
    start, place, out = (5.2, 8.2), (2.5, 7.6), (5.4, 7.8)
    heading = heading_to(start, place)
    walk = _go(person(_PEOPLE[name]), start, place, 1.2)
    take = Take(place=place, heading=heading, seconds=2.4)
    lies = (place[0] + 0.42 * math.sin(heading), 0.05, place[1] + 0.42 * math.cos(heading))
    bag = Bag(color=(40.0, 60.0, 190.0), taken=walk.seconds + take.grasped, lies=lies)
    cast.add(name, lambda who: (walk, take, _go(who, place, out)), enters=enters, bag=bag)


def _trips(who: Person) -> tuple[Action, ...]:
    """Through the staff's corner by night, over something, and down."""
    start, place = (5.0, 8.4), (2.2, 7.4)
    return (
        _go(who, start, place, 1.5),
        Fall(place=place, heading=heading_to(start, place), seconds=60.0, way=0.5),
    )


def _fight(cast: _Cast, names: tuple[str, str], *, enters: float) -> None:
    middle, heading = (-1.5, 6.9), 1.2
    for role, name in enumerate(names):
        fight = Fight(
            middle=middle, heading=heading, seconds=20.0, seed=3, role=role, grapple=False
        )
        begin = fight.state(0.0).at
        place = (float(begin[0]), float(begin[2]))
        start = (-4.8, 6.4 + 0.9 * role)

        def plan(who: Person, fight: Fight = fight, start: Ground = start,
                 place: Ground = place) -> tuple[Action, ...]:  # fmt: skip
            return (_go(who, start, place, 1.5), fight)

        cast.add(name, plan, enters=enters)
