"""What people do for a while: each action gives the posture at any of its times."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from export.reference.world.motion import (
    STANDING,
    Controls,
    Vector,
    blend,
    running,
    stride,
    walking,
)
from export.reference.world.truth import Behaviour

Ground = tuple[float, float]  # x and z, metres

_PUNCH = 0.34  # seconds
FENCE_STAND = 0.32  # metres from a fence that is climbed
_PULLS = 4  # of a climb, from the ground to the top and over


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A body at an instant. at: ``[3]`` world, what is stood on. heading: radians."""

    at: Vector
    heading: float
    controls: Controls
    behaviour: Behaviour


class Action(Protocol):
    """Something done from second 0 to ``seconds``."""

    @property
    def seconds(self) -> float:
        """How long it takes."""

    def state(self, time: float) -> State:
        """The body ``time`` seconds after the beginning."""


def heading_to(start: Ground, end: Ground) -> float:
    """The heading of a way over the ground."""
    return math.atan2(end[0] - start[0], end[1] - start[1])


def _on_ground(place: Ground, up: float = 0.0) -> Vector:
    return np.asarray([place[0], up, place[1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Walk or run straight from start to end. tall: of the person. style: −1..1.

    look: radians the head is turned to the side while going.
    """

    start: Ground
    end: Ground
    speed: float
    tall: float = 1.0
    style: float = 0.0
    run: bool = False
    behaviour: Behaviour = "walk"
    look: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the way takes."""
        return max(math.dist(self.start, self.end) / self.speed, 1e-3)

    def state(self, time: float) -> State:
        """The body after ``time`` seconds; feet keep to the ground."""
        share = min(max(time / self.seconds, 0.0), 1.0)
        place = (
            self.start[0] + (self.end[0] - self.start[0]) * share,
            self.start[1] + (self.end[1] - self.start[1]) * share,
        )
        gait = (running if self.run else walking)(self.speed, self.style)
        controls = stride(gait, math.dist(self.start, place) / self.tall)
        turned = replace(controls, look=self.look * math.sin(time * 0.9))
        heading = heading_to(self.start, self.end)
        return State(_on_ground(place), heading, turned, "run" if self.run else self.behaviour)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Stay in one place: look about, shift the weight, look at a telephone or fold the arms."""

    place: Ground
    heading: float
    seconds: float
    seed: int
    behaviour: Behaviour = "loiter"

    def state(self, time: float) -> State:
        """The body after ``time`` seconds."""
        random = np.random.default_rng([self.seed, 3])
        first, second, third = random.uniform(0, 2 * math.pi, 3)
        pastime = int(random.integers(3))
        sway = math.sin(time * 1.1 + first)
        hands = np.asarray([[0.03, 0.09, -0.52], [0.04, 0.09, -0.52]])
        nod = 0.0
        if pastime == 0:  # a telephone
            hands[1] = (0.27, -0.06, -0.2 + 0.01 * math.sin(time * 2))
            nod = -0.45
        elif pastime == 1:  # folded arms
            hands[:] = (0.2, -0.2, -0.27)
        controls = Controls(
            pelvis=np.asarray([0.0, 0.03 * sway, STANDING - 0.012]),
            side=0.03 * sway,
            twist=0.15 * math.sin(time * 0.5 + second),
            hands=hands,
            look=(0.7 if pastime != 0 else 0.15) * math.sin(time * 0.8 + third),
            nod=nod,
        )
        heading = self.heading + 0.35 * math.sin(time * 0.35 + second)
        return State(_on_ground(self.place), heading, controls, self.behaviour)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """Lose one's footing and lie there. way: from forwards to the left, radians."""

    place: Ground
    heading: float
    seconds: float
    way: float
    drop: float = 0.75

    def state(self, time: float) -> State:
        """The body after ``time`` seconds: ever faster, a small rebound, then still."""
        share = min(max(time, 0.0) / self.drop, 1.0)
        down = share * share
        rebound = 0.05 * math.exp(-6 * max(time - self.drop, 0)) * (share >= 1.0)
        flail = math.sin(math.pi * min(share * 1.2, 1.0))
        crumple = 0.12 * math.sin(math.pi * share) + 0.04 * down
        hands = np.asarray(
            [
                [0.1 + 0.35 * flail, 0.12 + 0.22 * down, -0.45 + 0.5 * flail + 0.15 * down],
                [0.05 + 0.3 * flail, 0.1 + 0.3 * down, -0.48 + 0.4 * flail + 0.1 * down],
            ]
        )
        breath = 0.01 * math.sin(time * 1.9)
        controls = Controls(
            pelvis=np.asarray([-0.05 * down, 0.0, STANDING - crumple]),
            lean=0.25 * math.sin(math.pi * share) + 0.05 + breath,
            feet=np.asarray([[0.05 * down, 0.13, 0.08 + 0.14 * down], [0.0, -0.12, 0.08]]),
            hands=hands,
            look=0.5 * down,
            tilt=math.radians(86) * down - rebound,
            tilt_to=self.way,
        )
        return State(_on_ground(self.place), self.heading, controls, "fall")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fight:
    """One of two who fight, ``role`` 0 or 1: blows, shoves and steps about their middle.

    Both roles of one seed belong together. grapple: they hold each other instead of striking.
    """

    middle: Ground
    heading: float
    seconds: float
    seed: int
    role: int
    grapple: bool = False

    def state(self, time: float) -> State:
        """The body after ``time`` seconds."""
        blows = _blows(self.seed, self.seconds)
        own = sum(_pulse(time - start) for start, who, _ in blows if who == self.role)
        theirs = sum(_pulse(time - start - 0.12) for start, who, _ in blows if who != self.role)
        right = next(
            (hand for start, who, hand in reversed(blows) if who == self.role and start <= time), 0
        )
        spin = (
            self.heading
            + 0.5 * math.sin(time * 0.9 + self.seed)
            + (0.9 * math.sin(time * 1.7 + self.seed) if self.grapple else 0.0)
        )
        apart = 0.3 if self.grapple else 0.42 + 0.1 * math.sin(time * 2.3 + self.seed)
        back = -(apart + 0.16 * theirs - 0.12 * own)
        heading = spin + math.pi * self.role
        place = (
            self.middle[0] + math.sin(heading) * back,
            self.middle[1] + math.cos(heading) * back,
        )
        controls = self._grappling(time) if self.grapple else self._boxing(time, own, theirs, right)
        return State(_on_ground(place), heading, controls, "fight")

    def _boxing(self, time: float, own: float, theirs: float, right: int) -> Controls:
        hands = np.asarray([[0.26, -0.03, -0.06], [0.24, -0.05, -0.02]])
        hands[right] = hands[right] * (1 - own) + np.asarray([0.54, -0.1, 0.06]) * own
        step = 0.07 * math.sin(time * 7.3 + self.role)
        return Controls(
            pelvis=np.asarray([0.02, 0.0, STANDING - 0.1 + 0.025 * math.sin(time * 8)]),
            lean=0.12 + 0.3 * own - 0.35 * theirs,
            side=0.1 * math.sin(time * 3.1 + self.role),
            twist=(1 if right == 1 else -1) * 0.7 * own + 0.25,
            feet=np.asarray([[0.2 + step, 0.14, 0.08 + max(step, 0) * 0.8],
                             [-0.2 + step, -0.14, 0.08 + max(-step, 0) * 0.8]]),
            hands=hands,
            nod=-0.15 + 0.45 * theirs,
        )  # fmt: skip

    def _grappling(self, time: float) -> Controls:
        push = math.sin(time * 5.1 + 2 * self.role)
        return Controls(
            pelvis=np.asarray([-0.12, 0.0, STANDING - 0.12 + 0.02 * push]),
            lean=0.3 + 0.12 * push,
            side=0.16 * math.sin(time * 3.7 + self.seed),
            twist=0.4 * math.sin(time * 4.3 + self.role),
            feet=np.asarray([[0.12 + 0.08 * push, 0.16, 0.08 + 0.05 * max(push, 0)],
                             [-0.28 - 0.08 * push, -0.16, 0.08 + 0.05 * max(-push, 0)]]),
            hands=np.asarray([[0.46, 0.03, 0.02 + 0.14 * push], [0.47, 0.03, -0.12 * push]]),
            nod=-0.25,
        )  # fmt: skip


def _blows(seed: int, seconds: float) -> list[tuple[float, int, int]]:
    """When each blow starts, who strikes it and with which hand."""
    random = np.random.default_rng([seed, 4])
    blows, time = [], float(random.uniform(0, 0.3))
    while time < seconds:
        blows.append((time, int(random.integers(2)), int(random.integers(2))))
        time += float(random.uniform(0.35, 0.8))
    return blows


def _pulse(time: float) -> float:
    return math.sin(math.pi * time / _PUNCH) ** 2 if 0 < time < _PUNCH else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Bend down to something in front, grasp it and come up with it.

    reach: height of the thing, metres.
    """

    place: Ground
    heading: float
    reach: float = 0.15
    seconds: float = 2.2

    @property
    def grasped(self) -> float:
        """Seconds until the hand has it."""
        return 0.5 * self.seconds

    def state(self, time: float) -> State:
        """The body after ``time`` seconds."""
        share = min(max(time / self.seconds, 0.0), 1.0)
        deep = math.sin(math.pi * share) ** 0.8
        far = 1 - min(self.reach, 1.0)
        hands = np.asarray([[0.15, 0.1, -0.45], [0.15, -0.02, -0.52]])
        bent = Controls(
            pelvis=np.asarray([-0.22 * far, 0.0, STANDING - 0.06 - 0.24 * far]),
            lean=0.5 + 0.95 * far,
            feet=np.asarray([[0.08, 0.14, 0.08], [-0.12, -0.13, 0.1]]),
            hands=hands + np.asarray([[0.0, 0.0, 0.05], [0.35, 0.0, 0.12]]),
            nod=-0.2,
        )
        return State(_on_ground(self.place), self.heading, blend(Controls(), bent, deep), "take")


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """Over a fence that stands across the way. fence: its place before the body. height: metres.

    heading: straight at the fence. The climber ends as far behind it as he began before it.
    """

    fence: Ground
    heading: float
    height: float
    seconds: float = 3.6
    seed: int = 0

    def state(self, time: float) -> State:
        """The body after ``time`` seconds: up hand over hand, a leg across, down."""
        share = min(max(time / self.seconds, 0.0), 1.0)
        up, over, down = _ramp(share, 0.0, 0.6), _ramp(share, 0.5, 0.78), _ramp(share, 0.72, 1.0)
        top = self.height - 0.62
        base = top * up * (1 - down * down)
        away = -FENCE_STAND + 2 * FENCE_STAND * over
        place = (
            self.fence[0] + math.sin(self.heading) * away,
            self.fence[1] + math.cos(self.heading) * away,
        )
        pull = math.sin(2 * math.pi * _PULLS * share + self.seed)
        clinging = Controls(
            pelvis=np.asarray([-0.1, 0.04 * pull, STANDING - 0.12]),
            lean=0.12,
            side=0.14 * pull,
            feet=np.asarray([[0.2, 0.14, 0.24 + 0.18 * pull], [0.2, -0.14, 0.24 - 0.18 * pull]]),
            hands=np.asarray([[0.32, 0.06, 0.3 - 0.24 * pull], [0.32, 0.06, 0.3 + 0.24 * pull]]),
            nod=0.3 * (1 - over),
        )
        across = Controls(
            pelvis=np.asarray([0.0, 0.0, STANDING - 0.18]),
            lean=0.75,
            feet=np.asarray([[-0.35, 0.2, 0.55], [0.25, -0.16, 0.5]]),
            hands=np.asarray([[0.25, 0.1, -0.4], [0.25, 0.1, -0.4]]),
        )
        landing = Controls(
            pelvis=np.asarray(
                [-0.1, 0.0, STANDING - 0.25 * math.sin(math.pi * min(down * 1.2, 1))]
            ),
            lean=0.3,
            hands=np.asarray([[0.25, 0.25, -0.2], [0.25, 0.25, -0.2]]),
        )
        crossing = math.sin(math.pi * over) if over < 1 else 0.0
        if down == 0:
            controls = blend(clinging, across, crossing)
        else:
            controls = blend(clinging, landing, min(1.0, down * 3))
        return State(_on_ground(place, max(base, 0.0)), self.heading, controls, "climb")


def _ramp(value: float, start: float, end: float) -> float:
    share = min(max((value - start) / (end - start), 0.0), 1.0)
    return share * share * (3 - 2 * share)
