"""The samples that a model is calibrated and judged with.

A set is chosen once, the same for the same data and seed, and gone through as often as needed. It
holds where its pictures are, never the pictures themselves.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from calibration.augment import Widened
from calibration.batches import Indices, Kind, PictureSource, Source
from calibration.faces import finder_for
from calibration.files import choose_pictures
from calibration.synthetic import DrawnLatents, GeneratedPictures, NoisePictures
from calibration.walk import list_files
from edge.bundle import Bundle, open_bundle
from edge.bundle_folder import MANIFEST_NAME
from edge.errors import MediaError, UsageError
from edge.manifest import Manifest
from edge.runner.base import Signature, Tensor
from edge.types import ByteImage

NOISE = "noise"
# A single picture shows nothing of how much a model's values vary.
LEAST = 2


class CalibrationSet:
    """Samples to go through again and again, in the same order.

    A generator's are latents: ``pictures`` gives none then.
    """

    def __init__(self, source: Source, indices: Indices, *, seed: int) -> None:
        self._source = source
        self._indices = indices
        self._seed = seed

    @property
    def kind(self) -> Kind:
        """Real pictures, generated ones, or noise."""
        return self._source.kind

    @property
    def description(self) -> str:
        """One line for people."""
        return self._source.description

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self._indices)

    def __len__(self) -> int:
        return self.count

    @cached_property
    def sha256(self) -> str:
        """Of the samples, in whatever order their folders are walked: of pictures from files, the
        hash of each file with the frame and the face; of others, how they are made."""
        digests = np.frombuffer(b"".join(self._source.digests(self._indices)), "S32")
        return hashlib.sha256(np.sort(digests).tobytes()).hexdigest()

    @property
    def groups(self) -> Sequence[int]:
        """For each sample a number, equal for those of one file: they are not independent."""
        return array("q", (self._source.groups[index] for index in self._indices))

    def group_of(self, index: int) -> str:
        """The file that a sample is from, within the folder that was named."""
        return self._source.group_name(self._source.groups[int(self._indices[index])])

    def pictures(self) -> Iterator[ByteImage]:
        """Each picture at the size that the model takes: uint8 ``[H, W, 3]`` BGR.

        Raises MediaError where a file has changed or gone since the set was chosen.
        """
        return self._source.pictures(self._indices)

    def feeds(self) -> Iterator[dict[str, Tensor]]:
        """One batch of 1 for each sample, by tensor name. Raises what ``pictures`` raises."""
        return self._source.feeds(self._indices)

    def describe(self) -> dict[str, JsonValue]:
        """What a manifest's ``calibration`` says of these samples."""
        return {
            "kind": self.kind,
            "count": self.count,
            "sha256": self.sha256,
            **self._source.record,
        }

    def split(self, share: float) -> tuple[CalibrationSet, CalibrationSet]:
        """About this share of the samples to calibrate with, and the others to judge by.

        No file is in both. Of a single file, a video, the first part calibrates and the rest is
        judged by. Raises UsageError where either would hold less than two samples.
        """
        first = self._first_part(share)
        parts = self._indices[first], self._indices[~first]
        if min(map(len, parts)) < LEAST:
            raise UsageError(
                "there are too few pictures to calibrate and to judge by others",
                expected=f"at least {LEAST} for each, of different files",
                found=f"{len(parts[0])} and {len(parts[1])}",
                remedy="Name more pictures.",
            )
        calibrating, judging = (
            CalibrationSet(self._source, part, seed=self._seed) for part in parts
        )
        return calibrating, judging

    def _first_part(self, share: float) -> NDArray[np.bool_]:
        groups = np.asarray(self.groups, np.int64)
        wanted = min(max(round(share * len(groups)), LEAST), len(groups) - LEAST)
        names, sizes = np.unique(groups, return_counts=True)
        if len(names) < 2:
            return np.arange(len(groups)) < wanted
        order = np.random.default_rng(self._seed).permutation(len(names))
        middles = np.cumsum(sizes[order]) - sizes[order] / 2
        taken = middles < wanted
        taken[0], taken[-1] = True, False
        return np.isin(groups, names[order[taken]])


def open_set(
    what: str | Sequence[Path],
    manifest: Manifest,
    *,
    count: int,
    seed: int = 0,
    detector: Bundle | None = None,
    signature: Signature | None = None,
    augment: bool = False,
    watch: Callable[[int], None] = lambda found: None,
) -> CalibrationSet:
    """Choose up to ``count`` samples for the model of a manifest.

    what: ``noise``; or folders, images and videos; or the folder of a generator's bundle. detector:
    the bundle that finds faces in pictures, for models that take faces; without one the pictures
    have to be faces that were cut out before, of the model's own size. signature: of the model,
    needed only of a generator, which is given latents. augment: fill up to ``count`` with pictures
    that are made from those found. watch: is told of how many more were found.

    Raises MediaError where there are less than two pictures that can be used, UsageError where the
    model takes faces and nothing finds them, or takes no pictures and some are named, and what
    opening and running a bundle raises.
    """
    if manifest.latent is not None:
        source: Source = _latents(what, manifest, signature, count, seed)
    else:
        source = _picture_source(what, manifest, count, seed, detector, watch)
        found = len(source.groups)
        if found < LEAST:
            raise _too_few(source)
        if augment and found < count:
            source = Widened(source, count, seed=seed)
    return CalibrationSet(source, np.arange(len(source.groups)), seed=seed)


def _latents(
    what: str | Sequence[Path],
    manifest: Manifest,
    signature: Signature | None,
    count: int,
    seed: int,
) -> DrawnLatents:
    if what != NOISE or manifest.latent is None or signature is None:
        raise UsageError(
            f"{manifest.name} is a generator, which takes latents and no pictures",
            expected=NOISE,
            found=str(what),
            remedy="Its latents are drawn as its bundle says; name no pictures.",
        )
    return DrawnLatents(manifest.latent, manifest.condition, signature, count, seed=seed)


def _picture_source(
    what: str | Sequence[Path],
    manifest: Manifest,
    count: int,
    seed: int,
    detector: Bundle | None,
    watch: Callable[[int], None],
) -> PictureSource:
    spec = manifest.input
    assert spec is not None  # every model but a generator has one
    if spec.frames is not None:
        raise UsageError(
            f"{manifest.name} takes clips of tracked people, which cannot be chosen from pictures",
            expected="a model of single pictures",
            found=f"clips of {spec.frames} frames",
            remedy="Export it without --calibrate and --judge; it stays in FP32.",
        )
    if what == NOISE:
        return NoisePictures(spec, count, seed=seed)
    paths = [Path(what)] if isinstance(what, str) else list(what)
    if any((path / MANIFEST_NAME).is_file() for path in paths):
        generator = open_bundle(_only(paths), require_signed=False)
        return GeneratedPictures(generator, spec, count, seed=seed, watch=watch)
    files = list_files(paths)
    with finder_for(spec, detector) as finder:
        return choose_pictures(files, finder, count=count, seed=seed, watch=watch)


def _only(paths: Sequence[Path]) -> Path:
    if len(paths) > 1:
        raise UsageError(
            "a generator's pictures are not mixed with others",
            expected="one bundle, or folders of pictures",
            found=", ".join(map(str, paths)),
        )
    return paths[0]


def _too_few(source: PictureSource) -> MediaError:
    return MediaError(
        "there are too few pictures to calibrate with",
        expected=f"at least {LEAST} that differ",
        found=source.description,
        remedy="Name more or other pictures.",
    )
