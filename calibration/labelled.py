"""Faces of people whose names are known: a folder with one folder for each person."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.rates import Counts
from edge.enrol import faces_in_image, faces_in_video
from edge.errors import EnrolmentError, MediaError, StreamBrokenError, UsageError
from edge.gallery.enrolment import Candidate, choose
from edge.gallery.shots import ShotSettings
from edge.media import is_image
from edge.pipeline import Models
from edge.types import FloatArray

_log = logging.getLogger(__name__)

_SHOTS = ShotSettings()


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """One image or video that is said to show one person."""

    person: str
    path: Path


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file without one face that is clearly meant and good enough, and why."""

    file: LabelledFile
    reason: str


@dataclass(frozen=True, slots=True)
class LabelledFaces:
    """One face of each file that has one.

    vectors: float32 ``[S, D]`` of unit length. person: int64 ``[S]``, indices of ``names``.
    """

    vectors: FloatArray
    person: Counts
    names: tuple[str, ...]
    files: tuple[LabelledFile, ...]
    skipped: tuple[Skipped, ...]


def list_labelled(folder: Path) -> list[LabelledFile]:
    """The files of each person's folder, sorted; hidden ones and folders further down are left out.

    Raises UsageError where there are not two people.
    """
    try:
        people = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
        files = [
            LabelledFile(person.name, path)
            for person in people
            for path in sorted(person.iterdir())
            if path.is_file() and not path.name.startswith(".")
        ]
    except OSError as exc:
        raise UsageError(
            f"cannot read {exc.filename or folder}",
            expected="a folder with one folder of pictures for each person",
            found=exc.strerror or type(exc).__name__,
        ) from exc
    named = len({file.person for file in files})
    if named < 2:
        raise UsageError(
            f"{folder} does not hold the pictures of different people",
            expected="a folder for each of two people or more, with images or videos of them",
            found=f"{named} such folder{'' if named == 1 else 's'}",
        )
    return files


def embed_labelled(
    models: Models,
    files: list[LabelledFile],
    *,
    watch: Callable[[], None] | None = None,
) -> LabelledFaces:
    """The one face that each file is about, as the camera would see it.

    A file that cannot be read, has no face good enough, or two that rival each other is skipped.
    watch: called after each file. Raises UsageError where not two people are left, or without a
    recogniser; InferenceError where a model fails.
    """
    kept: list[tuple[LabelledFile, FloatArray]] = []
    skipped: list[Skipped] = []
    for file in files:
        try:
            kept.append((file, face_of(models, file.path).embedding.vector))
        except (EnrolmentError, MediaError, StreamBrokenError) as exc:
            skipped.append(Skipped(file, exc.message))
        if watch is not None:
            watch()
    names = sorted({file.person for file, _ in kept})
    if len(names) < 2:
        reasons = Counter(one.reason for one in skipped).most_common(1)
        raise UsageError(
            "there are not two people to tell apart",
            expected="a usable face of each of two people or more",
            found=f"{len(names)}; skipped {len(skipped)} of {len(files)} files"
            + (f", such as: {reasons[0][0]}" if reasons else ""),
        )
    return LabelledFaces(
        np.stack([vector for _, vector in kept]),
        np.asarray([names.index(file.person) for file, _ in kept], np.int64),
        tuple(names),
        tuple(file for file, _ in kept),
        tuple(skipped),
    )


def face_of(models: Models, path: Path) -> Candidate:
    """The face that a file is about: of an image the clearly largest and best, of a video the one
    seen longest and best.

    Raises EnrolmentError where there is none or another one, seen at once, rivals it; MediaError
    where the file cannot be read, StreamBrokenError where it breaks off.
    """
    still = is_image(path)
    finds = (faces_in_image if still else faces_in_video)(models, path, shots=_SHOTS)
    ranked = sorted(finds.candidates, key=lambda candidate: -candidate.weight)
    # Whoever is seen before or after may be the same person, whose track was broken.
    rivals = [one for one in ranked[1:] if not set(one.frames).isdisjoint(ranked[0].frames)]
    return choose([*ranked[:1], *rivals], source=os.path.basename(path))


def warn_of_skipped(faces: LabelledFaces) -> None:
    """Say how many files were skipped, and why the first one was."""
    if faces.skipped:
        first, total = faces.skipped[0], len(faces.files) + len(faces.skipped)
        _log.warning(
            "skipped %d of %d files, such as %s: %s",
            len(faces.skipped),
            total,
            first.file.path,
            first.reason,
        )
