"""What a model is calibrated on, what its INT8 form is chosen on and what is judged on: never the
same pictures.

A variant that is judged on what it was calibrated with, or chosen on, looks better than it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from calibration.dataset import LEAST, NOISE, CalibrationSet, open_set
from calibration.detection import Boxes
from edge.bundle import Bundle, open_bundle
from edge.cli.console import Progress
from edge.errors import UsageError
from edge.manifest import Manifest
from edge.runner.base import Signature

_GENERATED_COUNT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What the user names. calibrate, judge: folders, pictures, videos, the folder of a generator's
    bundle, or ``noise``. detector: the bundle that finds faces in them. count: how many to
    calibrate on, and as many to search on; twice as many are judged on. augment: fill up what is
    calibrated on with pictures made from those found; nothing is judged on such. truth: what is in
    each picture, by its path in the folder that was named and in pixels of the model's input; a
    detector is then held against that, else against its own FP32."""

    calibrate: tuple[str, ...] = ()
    judge: tuple[str, ...] = ()
    detector: Path | None = None
    count: int = _GENERATED_COUNT
    seed: int = 0
    augment: bool = False
    truth: Mapping[str, Boxes] = field(default_factory=dict)

    def truth_of(self, samples: CalibrationSet) -> list[Boxes] | None:
        """What is in each of these samples; None where nothing is known.

        Raises UsageError where it is known of others alone.
        """
        if not self.truth:
            return None
        names = [samples.group_of(index) for index in range(samples.count)]
        unknown = [name for name in names if name not in self.truth]
        if unknown:
            raise UsageError(
                "what is in some of the pictures is not known",
                expected="boxes for each of them",
                found=f"none for {unknown[0]}",
            )
        return [self.truth[name] for name in names]


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The three sets. calibrate: ranges are seen on it; None where only judging was asked for.
    search: the layers that stay in float are chosen on it. judge: every verdict comes from it, and
    nothing else does. kind: of what is judged on; ``latent`` for a generator, whose latents are
    what it will be given."""

    calibrate: CalibrationSet | None
    search: CalibrationSet
    judge: CalibrationSet
    kind: str

    @property
    def seen(self) -> CalibrationSet:
        """What may be looked at while a variant is made."""
        return self.calibrate or self.search

    def lines(self, *, calibrated: bool) -> list[str]:
        """What people should know, one line each. calibrated: whether anything was."""
        parts = [("judged on", self.judge)]
        if calibrated and self.calibrate is not None:
            parts = [("calibrated on", self.calibrate), ("layers chosen on", self.search), *parts]
        return [f"{what} {_size(part)}: part of {part.description}" for what, part in parts]


def _size(part: CalibrationSet) -> str:
    files = f" from {len(set(part.groups))} files" if part.kind == "real" else ""
    return f"{part.count} samples{files} ({part.kind})"


def open_samples(
    pictures: Pictures | None, manifest: Manifest, signature: Signature
) -> Samples | None:
    """The samples for a model; None where it takes pictures and none were named.

    What is named to calibrate on alone is parted by file: half is judged on, for a verdict takes
    most samples, a quarter each serves the ranges and the search. With two files one is judged on;
    a single one, a video, is parted in time. Of what is named to judge on a third serves the
    search.

    Raises what ``calibration.dataset.open_set`` raises, and UsageError where noise is mixed with
    pictures, something is named for both or a part would hold less than two samples.
    """
    if manifest.latent is not None:
        return _latents(pictures or Pictures(), manifest, signature)
    if pictures is None:
        return None
    opener = _Opener(pictures, manifest)
    if pictures.augment and not pictures.judge:
        raise UsageError(
            "pictures that are made from others are not judged on",
            expected="--judge with pictures of their own beside --augment",
            found="--augment alone",
        )
    if not pictures.judge or pictures.judge == pictures.calibrate:
        return _in_three(opener.open(pictures.calibrate, 4 * pictures.count))
    _require_apart(pictures.calibrate, pictures.judge)
    calibrate = None
    if pictures.calibrate:
        calibrate = opener.open(pictures.calibrate, pictures.count, augment=pictures.augment)
    search, judge = opener.open(pictures.judge, 3 * pictures.count).split(1 / 3)
    return Samples(calibrate=calibrate, search=search, judge=judge, kind=judge.kind)


def _in_three(found: CalibrationSet) -> Samples:
    if found.count < 4 * LEAST:
        raise UsageError(
            "there are too few pictures to calibrate, to choose layers and to judge by others",
            expected=f"at least {4 * LEAST}, of different files",
            found=f"{found.count}",
            remedy="Name more pictures.",
        )
    # The judge's part first: it is the one that has files of its own as soon as there are two.
    seen, judge = found.split(0.5)
    calibrate, search = seen.split(0.5)
    return Samples(calibrate=calibrate, search=search, judge=judge, kind=judge.kind)


def calibration_only(
    pictures: Pictures, manifest: Manifest, signature: Signature, *, judged: Pictures
) -> CalibrationSet | None:
    """The samples to calibrate on, where ``judged`` says what is judged on: as there what it names
    to judge on, else a part of what it names to calibrate on. Raises as ``open_samples``."""
    if manifest.latent is not None:
        return _latents(pictures, manifest, signature).calibrate
    _require_apart(pictures.calibrate, judged.judge or judged.calibrate)
    return _Opener(pictures, manifest).open(pictures.calibrate, pictures.count)


class _Opener:
    """Opens sets for one model, the detector once."""

    def __init__(self, pictures: Pictures, manifest: Manifest) -> None:
        self._manifest = manifest
        self._seed = pictures.seed
        self._detector: Bundle | None = None
        if pictures.detector is not None:
            self._detector = open_bundle(pictures.detector, require_signed=False)

    def open(self, words: tuple[str, ...], count: int, *, augment: bool = False) -> CalibrationSet:
        with Progress("choosing pictures", count) as progress:
            return open_set(
                _what(words),
                self._manifest,
                count=count,
                seed=self._seed,
                detector=self._detector,
                augment=augment,
                watch=progress.step,
            )


def _what(words: tuple[str, ...]) -> str | list[Path]:
    if NOISE not in words:
        return [Path(word) for word in words]
    if len(words) > 1:
        raise UsageError(
            "noise is not mixed with pictures",
            expected=f"{NOISE} alone, or folders, pictures and videos",
            found=" ".join(words),
            remedy=f"A folder of that name is meant by ./{NOISE}",
        )
    return NOISE


def _require_apart(calibrate: tuple[str, ...], judge: tuple[str, ...]) -> None:
    """Raise UsageError where something is named for both, or lies within what is."""
    for first, second in product(calibrate, judge):
        one, other = Path(first).resolve(), Path(second).resolve()
        if one == other or one in other.parents or other in one.parents:
            raise UsageError(
                "what is judged on must not be calibrated on",
                expected="pictures of their own for each, or the same for both, which are split",
                found=first if one == other else f"{first} and {second}, one within the other",
                remedy="Name others to judge on with --judge.",
            )


def _latents(pictures: Pictures, manifest: Manifest, signature: Signature) -> Samples:
    if any(word != NOISE for word in (*pictures.calibrate, *pictures.judge)):
        raise UsageError(
            "a generator takes no pictures",
            expected="no --calibrate and no --judge: its latents are drawn as its bundle says",
            found=" ".join((*pictures.calibrate, *pictures.judge)),
        )
    found = open_set(
        NOISE, manifest, count=4 * pictures.count, seed=pictures.seed, signature=signature
    )
    return replace(_in_three(found), kind="latent")
