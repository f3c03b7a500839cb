"""How right the final identities of a replay are, against what is known of its clips.

The unit is a track: one that was seen long enough and large enough to be worth naming. Every track
ends with one face event of phase ``ended``, which states its final identity; nothing else is
counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.errors import UsageError
from edge.ids import NODE_CAMERA, SELFTEST_CAMERA
from edge.types import Event


@dataclass(frozen=True, slots=True)
class Unit:
    """The final identity of one track. face_px: its largest face, pixels."""

    camera: str
    track_id: int
    outcome: str
    person: str | None
    similarity: float | None
    margin: float | None
    frames: int
    face_px: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """One unit and whether it is right. expected: a person's id, or unknown, or nobody."""

    unit: Unit | None
    camera: str
    expected: str
    right: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The counts over all units.

    true_positives: enrolled and given the right name. false_positives: given a wrong name.
    false_negatives: enrolled and not given the right name. genuine: similarities of right names.
    impostor: similarities of right names to the second-best person, and the best ones of all who
    were not rightly named: strangers, and enrolled people whose own the best may be. Bystanders
    are in neither, since nobody knows who they are.
    """

    verdicts: tuple[Verdict, ...]
    true_positives: int
    false_positives: int
    false_negatives: int
    genuine: tuple[float, ...]
    impostor: tuple[float, ...]
    bystanders: int

    @property
    def precision(self) -> float | None:
        """Right names among all names given; None where none was."""
        given = self.true_positives + self.false_positives
        return self.true_positives / given if given else None

    @property
    def recall(self) -> float | None:
        """Right names among those who are enrolled; None where nobody is."""
        enrolled = self.true_positives + self.false_negatives
        return self.true_positives / enrolled if enrolled else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        if self.precision is None or self.recall is None or self.precision + self.recall == 0:
            return None
        return 2 * self.precision * self.recall / (self.precision + self.recall)

    @property
    def gap(self) -> float | None:
        """Lowest genuine less highest impostor similarity; the room that a threshold has."""
        if not self.genuine or not self.impostor:
            return None
        return min(self.genuine) - max(self.impostor)

    @property
    def all_right(self) -> bool:
        """Whether nothing at all is wrong."""
        return all(verdict.right for verdict in self.verdicts)


def units(
    events: Iterable[Event], *, min_frames: int = 15, min_face_px: float = 40.0
) -> list[Unit]:
    """Every track that ended and was seen in so many frames with so large a face."""
    found = []
    for event in events:
        data: Mapping[str, Any] = event.data
        family, name = event.type.split(".")[1:3]
        if family != "face" or data.get("phase") != "ended" or name == "person_without_face":
            continue
        if data["track_frames"] >= min_frames and data["face_px"] >= min_face_px:
            found.append(
                Unit(
                    camera=camera_of(event),
                    track_id=data["track_id"],
                    outcome=name,
                    person=data["person"],
                    similarity=data["similarity"],
                    margin=data["margin"],
                    frames=data["track_frames"],
                    face_px=data["face_px"],
                )
            )
    return found


@dataclass(frozen=True, slots=True)
class Coverage:
    """Where the events and the list of who is in which clip do not meet, by camera id.

    silent: clips with a person in them of which there is no event at all, in the list's order.
    unjudged: cameras of the events that the list does not name, in their order of appearance.
    """

    silent: tuple[str, ...]
    unjudged: tuple[str, ...]


def coverage(events: Iterable[Event], truth: Mapping[str, str | None]) -> Coverage:
    """Which clips were perhaps replayed under another name, or not at all.

    Events of the device itself have no camera and are passed over.
    """
    seen = dict.fromkeys(camera_of(event) for event in events)
    return Coverage(
        silent=tuple(clip for clip, person in truth.items() if person and clip not in seen),
        unjudged=tuple(camera for camera in seen if camera not in truth and not _is_node(camera)),
    )


def require_enrolled(events: Iterable[Event], enrolled: frozenset[str]) -> None:
    """Raise UsageError where an event names somebody who is not in ``enrolled``.

    Such a person would count as a stranger, and their right name as a wrong one.
    """
    people = (event.data.get("person") for event in events)
    named = {person for person in people if isinstance(person, str)}
    missing = sorted(named - enrolled)
    if missing:
        raise UsageError(
            "the events name people who are not among the enrolled",
            expected=f"only {', '.join(sorted(enrolled))}",
            found=", ".join(missing),
            remedy="Name everybody who was in the gallery: "
            f"--enrolled {','.join(sorted(enrolled | named))}",
        )


def camera_of(event: Event) -> str:
    """The id of the camera that saw it; of the device itself, a reserved one."""
    return event.source.rsplit("/", 1)[1]


def _is_node(camera: str) -> bool:
    return camera in (NODE_CAMERA, SELFTEST_CAMERA)


def score(
    found: Sequence[Unit],
    truth: Mapping[str, str | None],
    *,
    enrolled: frozenset[str],
    faces: Mapping[str, int],
) -> Report:
    """Judge the units of every clip in ``truth``.

    The heaviest unit of a clip (frames × face) is the person that the truth names; other units are
    bystanders, whose identity is not known, and are wrong only where they are given a name that is
    not the clip's. faces: face events of each camera, which has to be none where nobody is.
    """
    by_camera: dict[str, list[Unit]] = defaultdict(list)
    for unit in found:
        by_camera[unit.camera].append(unit)
    tally = _Tally(enrolled)
    for camera, person in truth.items():
        present = sorted(by_camera[camera], key=lambda unit: -unit.frames * unit.face_px)
        if person is None:
            tally.nobody(camera, present, faces.get(camera, 0))
        else:
            tally.main(camera, person, present[0] if present else None)
            for unit in present[1:]:
                tally.bystander(unit, person)
    return tally.report()


class _Tally:
    def __init__(self, enrolled: frozenset[str]) -> None:
        self._enrolled = enrolled
        self._verdicts: list[Verdict] = []
        self._counts = [0, 0, 0]
        self._genuine: list[float] = []
        self._impostor: list[float] = []
        self._bystanders = 0

    def main(self, camera: str, person: str, unit: Unit | None) -> None:
        known = person in self._enrolled
        if known:
            right = unit is not None and unit.person == person
            self._counts[0] += right
            self._counts[2] += not right
        else:
            right = unit is not None and unit.outcome == "unknown"
        self._counts[1] += unit is not None and unit.person not in (None, person)
        if unit is not None:
            self._similarities(unit, genuine=known and right)
        self._verdicts.append(Verdict(unit, camera, person if known else "unknown", right))

    def bystander(self, unit: Unit, person: str) -> None:
        self._bystanders += 1
        right = unit.person in (None, person)
        self._counts[1] += not right
        self._verdicts.append(Verdict(unit, unit.camera, "unnamed", right))

    def nobody(self, camera: str, present: Sequence[Unit], faces: int) -> None:
        self._counts[1] += sum(unit.person is not None for unit in present)
        self._verdicts.append(
            Verdict(present[0] if present else None, camera, "nobody", faces == 0)
        )

    def _similarities(self, unit: Unit, *, genuine: bool) -> None:
        if unit.similarity is None:
            return
        if not genuine:
            self._impostor.append(unit.similarity)
            return
        self._genuine.append(unit.similarity)
        if unit.margin is not None and len(self._enrolled) > 1:
            self._impostor.append(unit.similarity - unit.margin)

    def report(self) -> Report:
        return Report(
            verdicts=tuple(self._verdicts),
            true_positives=self._counts[0],
            false_positives=self._counts[1],
            false_negatives=self._counts[2],
            genuine=tuple(self._genuine),
            impostor=tuple(self._impostor),
            bystanders=self._bystanders,
        )
