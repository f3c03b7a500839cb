"""Whether the false match rate that ``calibrate threshold`` promises holds for other people.

Unlabelled videos are rendered and given to the product's own calibration, which is told nothing of
who is in them. Then other people are filmed the same way, and with the truth at hand every two of
them are compared at the thresholds that were chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from calibration.pairs import Comparisons, genuine_of, impostors_of, impostors_seen
from calibration.plots import Point, against
from calibration.rates import Counts, Rate, trials_needed
from calibration.threshold import Threshold
from calibration.tracks import Footage, TrackEvidence, calibrate_tracks, film
from edge.cli.console import Progress
from edge.errors import UsageError
from edge.pipeline import Models
from edge.types import FloatArray
from export.reference.proofs.footage import Known, film_known, vectors_of, write_video
from export.reference.proofs.waiting import SIDE_BY_SIDE, waiting_scene

# People and scenes that nothing else in this repository sees.
SEEN_PEOPLE, OTHER_PEOPLE = 3_000_000, 3_500_000
_SEEN_SCENES, _OTHER_SCENES = 1 << 42, (1 << 42) + (1 << 30)
_TIMES = 2  # scenes that each of the other people is in
RATES = (1e-1, 1e-2, 1e-3)

Outcome = Literal["held", "not held", "not resolvable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofSettings:
    """scenes: unlabelled ones to calibrate on, of ten people each. people: others to judge with, of
    whom each is in two scenes. rates: false match rates to promise. Raises ValueError where there
    is nothing to compare."""

    scenes: int = 60
    people: int = 300
    rates: tuple[float, ...] = RATES

    def __post_init__(self) -> None:
        if self.scenes < 1 or self.people < 2 or not self.rates:
            raise ValueError("expected a scene, two people and a rate or more of each")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One promised rate.

    chosen: what the calibration chose; None where it refused, and ``refused`` says why. measured:
    of all pairs of other people at that threshold. neighbours: of those in one scene alone. missed:
    how often one person was not recognised from one scene to the other. None where there is nothing
    to say.
    """

    wanted: float
    chosen: Threshold | None
    refused: str | None = None
    measured: Rate | None = None
    neighbours: Rate | None = None
    missed: Rate | None = None

    @property
    def outcome(self) -> Outcome:
        """``held`` where the measured rate is below the promised one with 95 %, ``not held`` where
        it is above with 95 %."""
        if self.measured is None:
            return "not resolvable"
        if self.measured.high <= self.wanted:
            return "held"
        return "not held" if self.measured.low > self.wanted else "not resolvable"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "outcome": self.outcome}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdProof:
    """What was rendered, what the tool made of it, and every promise.

    videos, tracks, people_shown: of the unlabelled videos; people_at_least: whom the tool told
    apart. others, other_tracks, others_shown: of the people to judge with, and how many were shown.
    strays: tracks of theirs that followed no face of a person.
    """

    videos: int
    people_shown: int
    tracks: int
    people_at_least: int
    others_shown: int
    others: int
    other_tracks: int
    strays: int
    promises: tuple[Promise, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "promises": [one.to_json() for one in self.promises]}


def prove_thresholds(models: Models, folder: Path, settings: ProofSettings) -> ThresholdProof:
    """Render, calibrate and judge; the videos stay in ``folder``.

    Raises OutputError where a video cannot be written, UsageError where nobody is recognisable in
    them, and what running models raises.
    """
    footage = _unlabelled(models, folder / "unlabelled", settings.scenes)
    known, strays = _others(models, folder / "others", settings.people)
    evidence = TrackEvidence(footage)
    vectors, identity, _ = vectors_of(known, 0.0)
    if not evidence.tracks or not len(vectors):
        raise UsageError(
            "too few people are recognisable in the rendered videos",
            expected="bundles that know the synthetic world",
            found=f"{evidence.tracks} tracks of the unlabelled, {len(vectors)} of the others",
            remedy="Name the bundles of the reference pack.",
        )
    return ThresholdProof(
        videos=len(footage),
        people_shown=settings.scenes * SIDE_BY_SIDE,
        tracks=evidence.tracks,
        people_at_least=evidence.identities,
        others_shown=settings.people,
        others=len(np.unique(identity)),
        other_tracks=len(vectors),
        strays=strays,
        promises=tuple(promise(evidence, known, wanted) for wanted in settings.rates),
    )


def promise(evidence: TrackEvidence, known: Sequence[Known], wanted: float) -> Promise:
    """What the calibration promises for a rate, and what becomes of it."""
    try:
        chosen = calibrate_tracks(evidence, wanted=wanted, source="the unlabelled videos")
    except UsageError as exc:
        return Promise(wanted=wanted, chosen=None, refused=f"{exc.message}: {exc.found}")
    vectors, identity, scene = vectors_of(known, chosen.value)
    impostors = impostors_of(vectors, identity)
    neighbours = _within(vectors, identity, scene)
    genuine = genuine_of(vectors, identity)
    at = chosen.value
    return Promise(
        wanted=wanted,
        chosen=chosen,
        measured=impostors.false_matches(at) if len(impostors) >= trials_needed(wanted) else None,
        neighbours=neighbours.false_matches(at) if len(neighbours) else None,
        missed=genuine.false_non_matches(at) if len(genuine) else None,
    )


def picture(proof: ThresholdProof) -> str:
    """Promised and measured rates with their intervals, as SVG."""
    rates = [(one.wanted, "stated, on those it was chosen on", one.chosen.fmr)
             for one in proof.promises if one.chosen is not None]  # fmt: skip
    rates += [(one.wanted, "measured, on people it never saw", one.measured)
              for one in proof.promises if one.measured is not None]  # fmt: skip
    return against(
        [
            Point(name=name, x=wanted, value=rate.value, low=rate.low, high=rate.high)
            for wanted, name, rate in rates
        ],
        x="promised false match rate",
        y="false match rate",
    )


def _within(vectors: FloatArray, identity: Counts, scene: Counts) -> Comparisons:
    """Different people of one scene."""
    first, second = np.triu_indices(len(vectors), 1)
    together = (scene[first] == scene[second]) & (identity[first] != identity[second])
    first, second = first[together], second[together]
    cosines = np.einsum("ij,ij->i", vectors[first], vectors[second])
    pairs = zip(first.tolist(), second.tolist(), cosines.tolist(), strict=True)
    return impostors_seen(list(pairs), identity.tolist())


def _unlabelled(models: Models, folder: Path, scenes: int) -> list[Footage]:
    folder.mkdir(parents=True, exist_ok=True)
    footage = []
    with Progress("unlabelled videos", scenes) as progress:
        for number in range(scenes):
            first = SEEN_PEOPLE + number * SIDE_BY_SIDE
            path = folder / f"{number:04}.mp4"
            people = range(first, first + SIDE_BY_SIDE)
            write_video(path, waiting_scene(people, seed=_SEEN_SCENES + number))
            footage.append(film(models, path))
            progress.step()
    return footage


def _others(models: Models, folder: Path, people: int) -> tuple[list[Known], int]:
    """The tracks of other people, each filmed in two scenes among different neighbours."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(_rows(people))
    known: list[Known] = []
    strays = 0
    with Progress("other people", len(rows)) as progress:
        for number, row in enumerate(rows):
            path = folder / f"{number:04}.mp4"
            truths = write_video(path, waiting_scene(row, seed=_OTHER_SCENES + number))
            footage, identities = film_known(models, path, truths)
            for track, identity in zip(footage.tracks, identities.tolist(), strict=True):
                if identity < 0:
                    strays += 1
                else:
                    known.append(Known(track, identity, number))
            progress.step()
    return known, strays


def _rows(people: int) -> Iterator[list[int]]:
    """Everybody once, in order of a permutation, and then again in another."""
    for time in range(_TIMES):
        order = OTHER_PEOPLE + np.random.default_rng([OTHER_PEOPLE, time]).permutation(people)
        for start in range(0, people, SIDE_BY_SIDE):
            yield order[start : start + SIDE_BY_SIDE].tolist()
