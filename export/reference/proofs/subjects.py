"""The models whose calibration is measured, the pictures for each, and what judges them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.bootstrap import Indices
from calibration.detection import average_precision, match
from calibration.metrics import Trial
from calibration.pairs import genuine_of, impostors_of
from calibration.rates import Counts, Values
from calibration.truth import read_truth
from edge.bundle import Bundle, open_bundle
from edge.errors import InferenceError, UsageError
from edge.ids import fit_id
from edge.manifest import Manifest
from edge.runner.base import Runner
from edge.track.bytetrack import TrackSettings
from edge.types import ByteImage, Detections, FloatArray
from edge.vision.detector import Detector
from edge.vision.recogniser import Recogniser
from export.comparison import Comparison
from export.reference.proofs import material
from export.reference.proofs.calibration import NOISE, Judge, Subject, Trait
from export.samples import Pictures

FMR = 1e-3
_BATCH = 16
_FACE = "face"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """images: to calibrate on. people: to judge recognisers with, ``views`` faces of each. scenes:
    of six frames, to judge detectors with."""

    images: int = 160
    people: int = 300
    views: int = 4
    scenes: int = 50

    @property
    def searched(self) -> int:
        """Pictures for the parts that the export's own gate looks at."""
        return max(24, self.images // 2)


def world_recogniser(bundle: Bundle, generator: Path, folder: Path, sizes: Sizes) -> Subject:
    """The pack's recogniser: aligned faces of the world, generated ones, noise."""
    rendered = material.save(
        folder / "rendered", material.crops(material.CALIBRATED, sizes.images, 1)
    )
    others = material.save(
        folder / "search", material.crops(material.SEARCHED, 3 * sizes.searched, 1)
    )
    faces = list(material.crops(material.JUDGED, sizes.people, sizes.views))
    person = np.repeat(np.arange(sizes.people), sizes.views)

    def judge(_: Comparison) -> Judge:
        return RecogniserJudge(bundle.manifest, faces, person)

    return Subject(
        title="recogniser of the reference pack",
        bundle=bundle,
        pictures=_sets(
            {"rendered": rendered, "generated": generator}, judge=others, count=sizes.images
        ),
        judge=judge,
        data=f"{sizes.views} rendered faces each of {sizes.people} people",
    )


def world_detector(bundle: Bundle, generator: Path, folder: Path, sizes: Sizes) -> Subject:
    """The pack's detector of faces: frames, generated faces alone and on empty places, empty
    places, noise."""
    rendered = material.save(folder / "rendered", _images(material.CALIBRATED, sizes.images))
    places = list(material.empty_places(material.CALIBRATED, sizes.images))
    empty = material.save(folder / "empty", places)
    made = open_bundle(generator, require_signed=False)
    peopled = material.save(
        folder / "peopled", material.peopled(places, made, seed=material.CALIBRATED)
    )
    others = material.save(folder / "search", _images(material.SEARCHED, 3 * sizes.searched))
    frames = list(material.frames(material.JUDGED, material.EACH * sizes.scenes))
    truth = [material.truth_of(frame) for frame in frames]
    images = [frame.image for frame in frames]

    def judge(_: Comparison) -> Judge:
        def of(runner: Runner) -> Sequence[Trait]:
            detector = Detector(
                runner, bundle.manifest, floor=TrackSettings().low_score, labels=[_FACE]
            )
            found: list[Detections] = []
            for batch in _batches(images):
                found += detector.detect(batch)
            matches = match(found, truth)

            def precision(drawn: Indices) -> float:
                first = drawn[:, None] * material.EACH + np.arange(material.EACH)
                return average_precision(matches, first.ravel())

            return [Trait(name="AP50", of=precision, count=sizes.scenes)]

        return of

    named = {
        "rendered": rendered,
        "generated": generator,
        "generated on empty places": peopled,
        "empty places": empty,
    }
    return Subject(
        title="detector of faces of the reference pack",
        bundle=bundle,
        pictures=_sets(named, judge=others, count=sizes.images),
        judge=judge,
        data=f"{len(frames)} rendered frames of {sizes.scenes} scenes",
    )


def real_recogniser(
    bundle: Bundle, generator: Path, folder: Path, sizes: Sizes, *, real: RealFaces
) -> Subject:
    """A recogniser of real faces: faces of real clips, of rendered scenes, generated ones, noise;
    judged with clips that nothing was calibrated on."""
    rendered = material.save(
        folder / "rendered", material.rows_of_people(material.CALIBRATED, 1 + sizes.images // 16)
    )
    people = read_truth(real.truth)
    named = {"real": real.clips, "rendered": rendered, "generated": generator, NOISE: Path(NOISE)}

    def judge(made: Comparison) -> Judge:
        samples = made.samples.judge
        clips = [fit_id(Path(samples.group_of(i)).stem) for i in range(samples.count)]
        known = [index for index, clip in enumerate(clips) if people.get(clip) is not None]
        if not known:
            raise UsageError(
                "nobody is known in the clips that are judged with",
                expected=f"clips that {real.truth} names",
                found=", ".join(dict.fromkeys(clips)),
            )
        faces = list(samples.pictures())
        return ClipJudge(
            bundle.manifest,
            [faces[index] for index in known],
            [clips[index] for index in known],
            {clip: str(person) for clip, person in people.items()},
        )

    return Subject(
        title=f"{bundle.manifest.name}, a recogniser of real faces",
        bundle=bundle,
        pictures={
            name: Pictures(calibrate=(str(path),), detector=real.detector, count=sizes.images)
            for name, path in named.items()
        },
        judge=judge,
        data="faces of real clips, those of half of the clips",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RealFaces:
    """clips: a folder of videos. truth: a CSV with columns file and person. detector: a bundle that
    finds the faces in them."""

    clips: Path
    truth: Path
    detector: Path


class RecogniserJudge:
    """How near a variant's vectors are to the reference's, and how well they tell people apart."""

    def __init__(self, manifest: Manifest, faces: Sequence[ByteImage], person: Counts) -> None:
        self._manifest, self._faces, self._person = manifest, faces, person
        self._reference: FloatArray | None = None

    def __call__(self, runner: Runner) -> Sequence[Trait]:
        """The figures of one variant; those of the first are what others are held against."""
        vectors = embed(Recogniser(runner, self._manifest), self._faces)
        if self._reference is None:
            self._reference = vectors
        near = np.einsum("ij,ij->i", vectors, self._reference).astype(np.float64)
        count = int(self._person.max()) + 1
        own: Values = np.bincount(self._person, near) / np.bincount(self._person)
        trial = Trial(genuine_of(vectors, self._person), impostors_of(vectors, self._person))

        def missed(drawn: Indices) -> float:
            weights = np.bincount(drawn, minlength=count).astype(np.float64)
            return trial.fnmr_at(weights, FMR)

        return [
            Trait(name="cosine to fp32", of=lambda drawn: float(own[drawn].mean()), count=count),
            Trait(name="FNMR at FMR 1e-3", of=missed, count=count, more=False, is_rate=True),
        ]


class ClipJudge:
    """The same for few people in several clips: what is left between one person and two."""

    def __init__(
        self,
        manifest: Manifest,
        faces: Sequence[ByteImage],
        clips: Sequence[str],
        people: Mapping[str, str],
    ) -> None:
        self._manifest, self._faces = manifest, faces
        names = list(dict.fromkeys(clips))
        self._clip = np.asarray([names.index(clip) for clip in clips], np.int64)
        owner = [people[name] for name in names]
        self._same = np.asarray([[one == other for other in owner] for one in owner])
        self._reference: FloatArray | None = None

    def __call__(self, runner: Runner) -> Sequence[Trait]:
        """The figures of one variant; those of the first are what others are held against."""
        vectors = embed(Recogniser(runner, self._manifest), self._faces)
        if self._reference is None:
            self._reference = vectors
        near = np.einsum("ij,ij->i", vectors, self._reference).astype(np.float64)
        count = len(self._same)
        sizes = np.bincount(self._clip, minlength=count)
        own: Values = np.bincount(self._clip, near, count) / sizes
        means = np.stack([vectors[self._clip == clip].mean(axis=0) for clip in range(count)])
        between = means.astype(np.float64) @ means.T.astype(np.float64)
        apart = ~np.eye(count, dtype=bool)
        genuine, impostor = self._same & apart, ~self._same

        def gap(drawn: Indices) -> float:
            weights = np.bincount(drawn, minlength=count).astype(np.float64)
            pairs = np.outer(weights, weights)
            return _mean(between, pairs * genuine) - _mean(between, pairs * impostor)

        return [
            Trait(name="cosine to fp32", of=lambda drawn: float(own[drawn].mean()), count=count),
            Trait(name="genuine − impostor", of=gap, count=count),
        ]


def embed(recogniser: Recogniser, faces: Sequence[ByteImage]) -> FloatArray:
    """Vectors of unit length ``[N, D]``; a face that gives none gets zeros, and is like nobody."""
    found: list[NDArray[np.float32] | None] = []
    for batch in _batches(faces):
        found += [None if one is None else one.vector for one in recogniser.embed_usable(batch)]
    size = next((len(one) for one in found if one is not None), 0)
    if not size:
        raise InferenceError(
            "the recogniser gives no usable vector for any face",
            expected="finite numbers that are not all zero",
            found="NaN, infinity or zeros",
        )
    return np.stack([np.zeros(size, np.float32) if one is None else one for one in found])


def _sets(named: Mapping[str, Path], *, judge: Path, count: int) -> dict[str, Pictures]:
    """What to calibrate on by name, noise last; the export's gate looks at ``judge``."""
    words = {**{name: str(path) for name, path in named.items()}, NOISE: NOISE}
    return {
        name: Pictures(calibrate=(word,), judge=(str(judge),), count=count)
        for name, word in words.items()
    }


def _images(first: int, count: int) -> Iterator[ByteImage]:
    return (sample.image for sample in material.frames(first, count))


def _mean(values: Values, weights: Values) -> float:
    total = float(weights.sum())
    return float((values * weights).sum()) / total if total else float("nan")


def _batches(items: Sequence[ByteImage]) -> Iterator[list[ByteImage]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch
