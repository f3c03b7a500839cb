"""A person with a plan: actions one after the other, and what is carried meanwhile."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from export.reference.world.actions import Action, State
from export.reference.world.front import Expression
from export.reference.world.identity import Color, Person
from export.reference.world.motion import Figure, Vector, blend, figure

_BLEND = 0.3  # seconds in which one action passes into the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Bag:
    """Something carried. taken: seconds into the plan from when on; before it lies at ``lies``."""

    color: Color
    taken: float = 0.0
    lies: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does what from when on. enters: seconds into the scene. track: from 1."""

    track: int
    who: Person
    enters: float
    actions: tuple[Action, ...]
    bag: Bag | None = None
    expression: Expression = Expression()  # noqa: RUF009 - frozen

    def state(self, time: float) -> State | None:
        """What the body does at a time of the scene; None before it comes and after it has left."""
        own = time - self.enters
        ends = list(accumulate(action.seconds for action in self.actions))
        if own < 0 or own >= ends[-1]:
            return None
        index = bisect_right(ends, own)
        begun = ends[index - 1] if index else 0.0
        state = self.actions[index].state(own - begun)
        if index and own - begun < _BLEND:
            before = self.actions[index - 1]
            share = (own - begun) / _BLEND
            return _between(before.state(before.seconds), state, share * share * (3 - 2 * share))
        return state

    def figure(self, state: State) -> Figure:
        """The body of a state of this actor."""
        return figure(state.controls, at=state.at, heading=state.heading, tall=self.who.tall)

    def carries(self, time: float) -> bool:
        """Whether the bag is in the hand at a time of the scene."""
        return self.bag is not None and time - self.enters >= self.bag.taken


def _between(first: State, second: State, share: float) -> State:
    turn = (second.heading - first.heading + math.pi) % (2 * math.pi) - math.pi
    gap: Vector = np.asarray(second.at - first.at)
    near = float(np.linalg.norm(gap)) < 1.0  # plans are joined up; a jump is no movement
    return State(
        first.at + gap * share if near else second.at,
        first.heading + turn * share,
        blend(first.controls, second.controls, share),
        second.behaviour,
    )
