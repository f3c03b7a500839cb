"""What people do that a camera was told to look for: from where their tracks are, and when.

One watch serves one camera. Its times are those of the frames, never a clock's. Only frames in
which somebody was seen count: a track that is merely predicted neither enters a zone, nor leaves
one, nor crosses a line. A track that is no longer among those shown has ended. A new one in the
same place goes on with what it had begun, so that who is lost from sight for a moment is not given
their time in a zone anew; what was told of it is over all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from operator import itemgetter

from edge.config import Behaviour, Intrusion, LineCrossing, Loitering
from edge.geometry import iou_matrix
from edge.polygon import Point, Polygon, contains
from edge.rules.crossing import Direction, Passage, pass_line
from edge.rules.staying import GAP_S, Stay, stay
from edge.rules.undo import UndoLog
from edge.rules.zones import Kind, point_of
from edge.types import Phase, Track

# On either side of a line it is not clear where somebody is, for so much of the height of a box:
# about 17 cm of a person, 11 cm of a face, which wavers more.
_BAND = {"person": 0.1, "face": 0.5}
# IoU of the last box of one track and the first of the next, from where on both are of one person.
_SAME_PLACE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """Somebody who is followed. kind: what of them is. person: who it is, where that is known."""

    track: Track
    kind: Kind
    person: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One frame of a camera.

    index and time: of the frame. size: its width and height, pixels. movers: all who are followed,
    seen in this frame or not.
    """

    index: int
    time: float
    size: tuple[int, int]
    movers: Sequence[Mover]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """That somebody begins to do, still does, does no more or has just done something.

    behaviour: what the site file calls it. point: where they are, in fractions of the frame.
    seconds: for how long they have been seen in the zone. reason: why this is told now.
    """

    behaviour: Behaviour
    mover: Mover
    phase: Phase
    point: Point
    reason: str
    seconds: float | None = None
    direction: Direction | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What is remembered of one track for one behaviour; mover as last seen."""

    mover: Mover
    stay: Stay | None = None
    passage: Passage | None = None


@dataclass(frozen=True, slots=True)
class _Lost:
    """A stay whose track has ended before it was told. until: when it is over, unless another track
    goes on with it. size: of the frame in which its box means something."""

    known: _Known
    until: float
    size: tuple[int, int]


class BehaviourWatch:
    """Looks for the behaviours of one camera.

    zones: polygons in fractions of the frame; those that behaviours name are among them.
    timezone: of the schedules; None is the system's.
    """

    def __init__(
        self,
        behaviours: Sequence[Behaviour],
        zones: Mapping[str, Polygon],
        *,
        timezone: tzinfo | None = None,
    ) -> None:
        self._behaviours = {behaviour.id: behaviour for behaviour in behaviours}
        self._zones = zones
        self._timezone = timezone
        self._known: dict[tuple[str, int], _Known] = {}
        self._lost: dict[tuple[str, int], _Lost] = {}
        self._log = UndoLog()

    def observe(self, look: Look) -> list[Conduct]:
        """What there is to tell after this frame.

        What is observed stands once ``keep`` is called; until then ``undo`` takes it back.
        """
        found = list(self._gone({mover.track.id for mover in look.movers}, look))
        for key, lost in list(self._lost.items()):
            if lost.size != look.size or not 0 <= lost.until - look.time <= GAP_S:
                self._log.put(self._lost, key, None)
        seen = [mover for mover in look.movers if mover.track.last_index == look.index]
        for behaviour in self._behaviours.values():
            awake = behaviour.schedule is None or behaviour.schedule.contains(
                look.time, self._timezone
            )
            for mover in seen:
                if isinstance(behaviour, LineCrossing):
                    told = self._cross(behaviour, mover, look, awake=awake)
                else:
                    told = self._stay(behaviour, mover, look, awake=awake)
                found += [] if told is None else [told]
        return found

    def keep(self) -> None:
        """What was observed counts."""
        self._log.keep()

    def undo(self) -> None:
        """Forget what was observed since the last ``keep``."""
        self._log.undo()

    def _gone(self, followed: set[int], look: Look) -> Iterator[Conduct]:
        """Forget the tracks that have ended, and tell what thereby ends."""
        for key in sorted(self._known):  # what was undone changed their order
            known, (behaviour_id, track_id) = self._known[key], key
            if track_id in followed:
                continue
            self._log.put(self._known, key, None)
            if known.stay is not None and not known.stay.told:
                self._log.put(self._lost, key, _Lost(known, look.time + GAP_S, look.size))
            elif known.stay is not None:
                yield Conduct(
                    behaviour=self._behaviours[behaviour_id],
                    mover=known.mover,
                    phase=Phase.ENDED,
                    point=_point(known.mover, look),
                    reason="is followed no more",
                    seconds=known.stay.seconds,
                )

    def _cross(
        self, behaviour: LineCrossing, mover: Mover, look: Look, *, awake: bool
    ) -> Conduct | None:
        key = behaviour.id, mover.track.id
        known = self._known.get(key)
        point, (a, b) = _point(mover, look), behaviour.line
        passage, direction = pass_line(
            known.passage if known else None,
            _pixels(point, look),
            (_pixels(a, look), _pixels(b, look)),
            band=_BAND[mover.kind] * float(mover.track.box[3] - mover.track.box[1]),
        )
        self._log.put(self._known, key, _Known(mover, passage=passage))
        if direction is None or not awake or behaviour.direction not in ("both", direction):
            return None
        return Conduct(
            behaviour=behaviour,
            mover=mover,
            phase=Phase.ONCE,
            point=point,
            reason=f"crossed the line from {direction.replace('_', ' ')}",
            direction=direction,
        )

    def _stay(
        self, behaviour: Intrusion | Loitering, mover: Mover, look: Look, *, awake: bool
    ) -> Conduct | None:
        key = behaviour.id, mover.track.id
        known = self._known.get(key)
        before = known.stay if known else None
        point = _point(mover, look)
        inside = contains(self._zones[behaviour.zone], *point)
        if before is None and inside:
            before = self._taken_over(behaviour.id, mover)
        now = stay(before, look.time, inside=inside)
        phase, reason = None, ""
        if before is not None and before.told:
            if now is None:
                phase, reason = Phase.ENDED, "left the zone"
            elif not awake:
                phase, reason = Phase.ENDED, "may be in the zone now"
            elif known is not None and known.mover.person != mover.person:
                phase, reason = Phase.UPDATED, "is held to be somebody else"
        elif now is not None and inside and awake and now.seconds >= _limit(behaviour):
            phase, reason = Phase.STARTED, _why(behaviour, now)
        if now is not None and phase is not None:
            now = replace(now, told=phase is not Phase.ENDED)
        self._log.put(self._known, key, None if now is None else _Known(mover, stay=now))
        lasted = now or before
        if phase is None or lasted is None:
            return None
        return Conduct(
            behaviour=behaviour,
            mover=mover,
            phase=phase,
            point=point,
            reason=reason,
            seconds=lasted.seconds,
        )

    def _taken_over(self, behaviour_id: str, mover: Mover) -> Stay | None:
        """The stay of a track that has just ended where this one begins."""
        for key, lost in sorted(self._lost.items(), key=itemgetter(0)):
            boxes = lost.known.mover.track.box[None], mover.track.box[None]
            if key[0] == behaviour_id and float(iou_matrix(*boxes)[0, 0]) >= _SAME_PLACE:
                self._log.put(self._lost, key, None)
                return lost.known.stay
        return None


def _limit(behaviour: Intrusion | Loitering) -> float:
    return behaviour.seconds if isinstance(behaviour, Loitering) else 0.0


def _why(behaviour: Intrusion | Loitering, stay: Stay) -> str:
    if isinstance(behaviour, Intrusion):
        return "is in a zone where nobody may be"
    return f"has been in the zone for {stay.seconds:.1f} s, {behaviour.seconds:g} s being too long"


def _point(mover: Mover, look: Look) -> Point:
    return point_of(mover.track.box, look.size, kind=mover.kind)


def _pixels(point: Point, look: Look) -> Point:
    return point[0] * look.size[0], point[1] * look.size[1]
