"""How right the final identities of a replay are, against what is known of its clips.

The unit is a track: one that was seen long enough and large enough to be worth naming. Every track
ends with one face event of phase ``ended``, which states its final identity; nothing else is
counted.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import UsageError
from edge.ids import fit_id
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
    impostor: the best similarity of everyone to somebody they are not.
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
                    camera=event.source.rsplit("/", 1)[1],
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


def read_truth(path: Path) -> dict[str, str | None]:
    """Who a clip shows, by camera id, from a CSV with columns ``file`` and ``person``.

    An empty person means that the clip shows no face at all. Raises UsageError for another file.
    """
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            if not {"file", "person"} <= set(reader.fieldnames or ()):
                raise UsageError(
                    f"{path} is no list of who is in which clip",
                    expected="a CSV with columns file,person",
                    found=", ".join(reader.fieldnames or ()) or "an empty file",
                )
            return {
                fit_id(Path(row["file"]).stem): fit_id(row["person"]) if row["person"] else None
                for row in reader
            }
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise UsageError(f"cannot read {path}", found=str(exc)) from exc


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
