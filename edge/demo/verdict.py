"""What the demo's events say, held against what is true of its clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edge.geometry import iou_matrix
from edge.pack.demo_truth import DemoPerson, DemoTruth
from edge.types import FloatArray

Event = Mapping[str, Any]

# A face of fewer pixels is not held against anybody's.
_RECOGNISABLE_PX = 40.0
_SAME_FACE = 0.3  # IoU
_NEAR = 6  # frames from an event to where the truth has the face, at most
# An event may come so much before or after what it tells, seconds: a track begins later than a
# person, a clip is judged when it is over, and a track goes on a while after its person.
_EARLY_S, _LATE_S = 1.0, 4.0


@dataclass(frozen=True, slots=True)
class PersonFinding:
    """What was said of somebody. said: their final identities, one for each track; similarity: the
    highest of these. right: an enrolled person was named and nobody else; a stranger was not."""

    person: str
    enrolled: bool
    said: tuple[str, ...]
    similarity: float | None
    right: bool


@dataclass(frozen=True, slots=True)
class DeedFinding:
    """What somebody did, from when on, and from when on it was told; None where it was not."""

    what: str
    person: str
    at: float
    told: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """people: those who come near enough to be recognised; far: the ids of the others.
    named_wrongly: events that name somebody who is not there, as "frame 7: ada". more: deeds that
    were told and are none of those in the truth, as "12.3 s: run"."""

    people: tuple[PersonFinding, ...]
    far: tuple[str, ...]
    deeds: tuple[DeedFinding, ...]
    named_wrongly: tuple[str, ...]
    more: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether everybody enrolled was recognised, and nobody was taken for another."""
        return not self.named_wrongly and all(person.right for person in self.people)

    def to_json(self) -> dict[str, Any]:
        """For programs; seconds to the millisecond, similarities to four digits."""
        people = [
            {**asdict(person), "similarity": rounded(person.similarity, 4)}
            for person in self.people
        ]
        deeds = [
            {**asdict(deed), "at": rounded(deed.at, 3), "told": rounded(deed.told, 3)}
            for deed in self.deeds
        ]
        return {"right": self.right, **asdict(self), "people": people, "deeds": deeds}


def rounded(value: float | None, digits: int) -> float | None:
    """The value with so many digits after the point; None stays None."""
    return None if value is None else round(value, digits)


def judge(events: Sequence[Event], truth: DemoTruth) -> Verdict:
    """Hold events against the truth. events: CloudEvents of one run of the clip."""
    faces = [event for event in events if _family(event) == "face"]
    ended: dict[str, list[Event]] = {}
    wrong = []
    for event in faces:
        data = event["data"]
        who = _who(data, truth)
        if data["person"] is not None and data["person"] != who:
            wrong.append(f"frame {data['frame_index']}: {data['person']}")
        if data["phase"] == "ended" and who is not None:
            ended.setdefault(who, []).append(event)
    near = [person for person in truth.people if person.face_px >= _RECOGNISABLE_PX]
    deeds, more = _deeds(events, truth)
    return Verdict(
        people=tuple(_person(person, ended.get(person.id, []), wrong) for person in near),
        far=tuple(person.id for person in truth.people if person not in near),
        deeds=deeds,
        named_wrongly=tuple(wrong),
        more=more,
    )


def _family(event: Event) -> str:
    return str(event["type"].split(".")[1])


def _who(data: Mapping[str, Any], truth: DemoTruth) -> str | None:
    """Whose face an event is about; None where the truth has none there."""
    box = np.asarray([data["box"]], np.float32)
    best, found = _SAME_FACE, None
    for person in truth.people:
        place = _face_near(person, data["frame_index"])
        if place is not None:
            overlap = float(iou_matrix(box, place)[0, 0])
            if overlap >= best:
                best, found = overlap, person.id
    return found


def _face_near(person: DemoPerson, index: int) -> FloatArray | None:
    """Where somebody's face is in the frame, or in the nearest one that shows it: [1, 4]."""
    nearest = min(person.faces, key=lambda face: abs(face[0] - index), default=None)
    if nearest is None or abs(nearest[0] - index) > _NEAR:
        return None
    return np.asarray([nearest[1:]], np.float32)


def _person(person: DemoPerson, ended: Sequence[Event], wrong: Sequence[str]) -> PersonFinding:
    said = tuple(
        event["data"]["person"] or event["type"].split(".")[2].replace("_", " ") for event in ended
    )
    known = [event["data"]["similarity"] for event in ended]
    named = {event["data"]["person"] for event in ended} - {None}
    return PersonFinding(
        person=person.id,
        enrolled=person.enrolled,
        said=said,
        similarity=max((value for value in known if value is not None), default=None),
        right=named == ({person.id} if person.enrolled else set()),
    )


def _deeds(
    events: Sequence[Event], truth: DemoTruth
) -> tuple[tuple[DeedFinding, ...], tuple[str, ...]]:
    """Every deed of the truth with what was told of it, and what else was told."""
    told = [
        (_what(event), event["data"]["frame_index"] / truth.fps)
        for event in events
        if _family(event) == "behaviour" and event["data"]["phase"] in ("started", "once")
    ]
    wanted = [(f"{c.kind} {c.place}", c.person, c.begins, c.ends) for c in truth.conducts]
    wanted += [(act.behaviour, act.person, act.begins, act.ends) for act in truth.acts]
    found, left = [], sorted(told, key=lambda one: one[1])
    for what, person, begins, ends in sorted(wanted, key=lambda deed: deed[2]):
        fits = [
            one for one in left
            if one[0] == what and begins - _EARLY_S <= one[1] <= ends + _LATE_S
        ]  # fmt: skip
        if fits:
            left.remove(fits[0])
        found.append(DeedFinding(what, person, begins, fits[0][1] if fits else None))
    return tuple(found), tuple(f"{at:.1f} s: {what}" for what, at in left)


def _what(event: Event) -> str:
    data, name = event["data"], event["type"].split(".")[2]
    return str(data["label"]) if name == "recognised" else f"{name} {data['behaviour']}"
