"""What has to come of a self-test, and what came.

An identity comes of the track of a face that was where the visitor's is, and whose final identity
is theirs; that of a poster on the wall is nobody's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.config import ANYONE, Rule
from edge.geometry import iou_matrix
from edge.selftest.material import Material, Visit
from edge.types import Event, Phase

# Frames for which a track goes on after its face was seen last.
_LINGER = 60
# An event and the truth are of one face where they are so many frames apart at most, and their
# boxes overlap by so much.
_APART, _SAME_FACE = 8, 0.15
_FACES = ("edgewarden.face.recognised.v1", "edgewarden.face.unknown.v1")
_INTRUSION = "edgewarden.behaviour.intrusion.v1"
_ALERT = "edgewarden.alert.raised.v1"


@dataclass(slots=True)
class Seen:
    """A committed event of the self-test.

    handed: when the loop was given the frame that it came of. committed, delivered: when that
    happened, None where it has not. All in monotonic seconds.
    """

    event: Event
    handed: float
    committed: float
    delivered: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One event that has to come. visit: whose face it is about. rule: whose alert it is."""

    text: str
    type: str
    visit: Visit | None = None
    rule: str | None = None
    recognises: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What became of one expectation.

    seen: the event that met it. came: it is where events go. commit_s and delivery_s: seconds from
    when the loop was given the frame to the outbox, and to the acknowledgement of whoever it is
    delivered to.
    """

    text: str
    seen: Seen | None
    came: bool

    @property
    def commit_s(self) -> float | None:
        """None where nothing was committed."""
        return None if self.seen is None else self.seen.committed - self.seen.handed

    @property
    def delivery_s(self) -> float | None:
        """None where nothing was delivered."""
        if self.seen is None or self.seen.delivered is None:
            return None
        return self.seen.delivered - self.seen.handed

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "expected": self.text,
            "came": self.came,
            "event": None if self.seen is None else self.seen.event.id,
            "type": None if self.seen is None else self.seen.event.type,
            "commit_s": _rounded(self.commit_s),
            "delivery_s": _rounded(self.delivery_s),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a self-test went.

    delivery: where events go, "" for nowhere. wrong: names that were given to somebody else.
    stages, untested: as ``Cast`` has them, and what no self-test runs. shown, analysed: frames of
    the clip. ended: why it was over before its end, "" where it was not.
    """

    arrivals: tuple[Arrival, ...]
    wrong: tuple[str, ...]
    delivery: str
    stages: Mapping[str, str]
    untested: tuple[str, ...]
    shown: int
    analysed: int
    seconds: float
    ended: str = ""

    @property
    def came(self) -> int:
        """How many of the expected events came."""
        return sum(arrival.came for arrival in self.arrivals)

    @property
    def passed(self) -> bool:
        """Everything came, and nobody was taken for somebody else."""
        return self.came == len(self.arrivals) and not self.wrong and not self.ended

    @property
    def recall(self) -> float:
        """Share of the expected events that came."""
        return self.came / len(self.arrivals) if self.arrivals else 0.0

    def latency(self, *, delivered: bool) -> tuple[float | None, float | None]:
        """Median and 99th percentile, seconds, to delivery or to the outbox."""
        values = [a.delivery_s if delivered else a.commit_s for a in self.arrivals]
        known = [value for value in values if value is not None]
        if not known:
            return None, None
        p50, p99 = np.percentile(known, [50, 99])
        return round(float(p50), 4), round(float(p99), 4)

    def summary(self) -> dict[str, bool | int | float | str | None]:
        """The figures, as the event states them."""
        commit, delivery = self.latency(delivered=False), self.latency(delivered=True)
        return {
            "passed": self.passed,
            "expected": len(self.arrivals),
            "came": self.came,
            "recall": round(self.recall, 4),
            "wrong": len(self.wrong),
            "commit_p50_s": commit[0],
            "commit_p99_s": commit[1],
            "delivery_p50_s": delivery[0],
            "delivery_p99_s": delivery[1],
            "frames_shown": self.shown,
            "frames_analysed": self.analysed,
            "not_tested": ", ".join(self.untested),
            "seconds": round(self.seconds, 1),
        }

    @property
    def reason(self) -> str | None:
        """What is wrong, in a sentence; None where nothing is."""
        away = [one for one in self.arrivals if not one.came]
        missing = [one.text for one in away if one.seen is None]
        waiting = [one.text for one in away if one.seen is not None]
        parts = [self.ended, *self.wrong]
        parts += [f"did not come: {'; '.join(missing)}"] if missing else []
        if waiting:
            parts.append(
                f"committed, but not acknowledged by the {self.delivery}, which may be "
                f"away: {'; '.join(waiting)}"
            )
        return "; ".join(part for part in parts if part) or None

    def as_json(self) -> dict[str, object]:
        """All of it, for programs."""
        return {
            **self.summary(),
            "not_tested": list(self.untested),
            "reason": self.reason,
            "delivery": self.delivery or None,
            "stages": dict(self.stages),
            "events": [arrival.as_json() for arrival in self.arrivals],
            "wrong_names": list(self.wrong),
        }


def expectations(
    material: Material, rules: Iterable[Rule], *, recognises: bool, own_rule: str
) -> list[Expectation]:
    """What has to come: an identity for every visit, an intrusion where somebody enters the zone,
    and an alert of every rule that these must raise.

    rules: the site's. recognises: whether there is a recogniser; without one nobody has a name.
    own_rule: id of the self-test's, which is on intrusions.
    """
    expected = []
    for number, visit in enumerate(material.visits, 1):
        when = f"from frame {visit.first} to {visit.last}"
        named = recognises and visit.person is not None
        text = f"{visit.person} is recognised" if named else f"visitor {number} is unknown"
        expected.append(
            Expectation(
                text=f"{text}, {when}",
                type=_FACES[0] if named else _FACES[1],
                visit=visit,
                recognises=recognises,
            )
        )
        if visit.in_zone:
            text = f"visitor {number} enters the zone, {when}"
            expected.append(Expectation(text=text, type=_INTRUSION, visit=visit))
    told = {one.type.removeprefix("edgewarden.").removesuffix(".v1") for one in expected}
    if "behaviour.intrusion" in told:
        text = "the self-test's own rule raises an alert over the zone"
        expected.append(Expectation(text=text, type=_ALERT, rule=own_rule))
    for rule in rules:
        if _must_raise(rule, told):
            text = f"rule {rule.id} of the site raises an alert"
            expected.append(Expectation(text=text, type=_ALERT, rule=rule.id))
    return expected


def _must_raise(rule: Rule, told: set[str]) -> bool:
    """Whether a rule raises an alert over what is told, whatever the hour."""
    if rule.cameras is not None or rule.zones is not None or ANYONE not in rule.people:
        return False
    return rule.schedule is None and not told.isdisjoint(rule.on)


@dataclass(slots=True)
class _Track:
    """One track, from its events."""

    events: list[Seen] = field(default_factory=list)

    @property
    def final(self) -> tuple[str, object]:
        event = self.events[-1].event
        return event.type, event.data.get("person")

    @property
    def span(self) -> tuple[int, int]:
        frames = [_frame(seen.event) for seen in self.events]
        return min(frames), max(frames)

    def deciding(self) -> Seen:
        """The first event that states what the last one does."""
        for seen in self.events:
            if (seen.event.type, seen.event.data.get("person")) == self.final:
                return seen
        return self.events[-1]


def judge_events(
    expected: Sequence[Expectation], seen: Sequence[Seen], *, must_deliver: bool
) -> tuple[tuple[Arrival, ...], tuple[str, ...]]:
    """What became of each expectation, and the names given to somebody else.

    must_deliver: an event has come only when it was delivered.
    """
    tracks = _tracks(seen)
    free = dict(tracks)
    arrivals = []
    for one in expected:
        met = _meet(one, seen, free)
        came = met is not None and (not must_deliver or met.delivered is not None)
        arrivals.append(Arrival(text=one.text, seen=met, came=came))
    return tuple(arrivals), _wrong(expected, tracks.values())


def _tracks(seen: Iterable[Seen]) -> dict[object, _Track]:
    found: dict[object, _Track] = defaultdict(_Track)
    for one in seen:
        if one.event.type.startswith("edgewarden.face."):
            found[one.event.data["track_id"]].events.append(one)
    return found


def _meet(one: Expectation, seen: Sequence[Seen], free: dict[object, _Track]) -> Seen | None:
    """The event that meets an expectation; a track meets only one."""
    if one.type in _FACES and one.visit is not None:
        person = one.visit.person if one.recognises else None
        fitting = [
            (key, track)
            for key, track in free.items()
            if track.final == (one.type, person) and _is_of(track, one.visit)
        ]
        if not fitting:
            return None
        visit = one.visit
        key, track = max(fitting, key=lambda item: _shared(item[1].span, visit))
        del free[key]
        return track.deciding()
    for candidate in seen:
        event = candidate.event
        if event.type != one.type or (one.rule is not None and event.data["rule"] != one.rule):
            continue
        if one.visit is None:
            return candidate
        begins = event.data["phase"] == Phase.STARTED.value
        if begins and one.visit.first <= _frame(event) <= one.visit.last + _LINGER:
            return candidate
    return None


def _wrong(expected: Sequence[Expectation], tracks: Iterable[_Track]) -> tuple[str, ...]:
    """Tracks that ended with the name of somebody who was not there."""
    visits = [one.visit for one in expected if one.visit is not None and one.type in _FACES]
    found = []
    for track in tracks:
        type_, person = track.final
        first, last = track.span
        was_there = any(v.person == person and _is_of(track, v) for v in visits)
        if type_ == _FACES[0] and not was_there:
            found.append(f"{person} was named from frame {first} to {last}, and was not there")
    return tuple(found)


def _is_of(track: _Track, visit: Visit) -> bool:
    """Whether one of a track's events is about the face of this visitor."""
    for seen in track.events:
        box = np.asarray([seen.event.data["box"]], np.float32)
        frame = _frame(seen.event)
        near = [face.box for face in visit.faces if abs(face.frame - frame) <= _APART]
        truth = np.asarray(near, np.float32).reshape(-1, 4)
        if len(truth) and float(iou_matrix(truth, box).max()) >= _SAME_FACE:
            return True
    return False


def _shared(span: tuple[int, int], visit: Visit) -> int:
    """Frames that a track and a visit have in common."""
    return min(span[1], visit.last + _LINGER) - max(span[0], visit.first) + 1


def _frame(event: Event) -> int:
    index = event.data.get("frame_index")
    return index if isinstance(index, int) else 0


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
