"""How far simple arithmetic on pixels gets in this world: what a model has to beat.

``python -m export.reference.world.baselines`` prints all four beside the goals of the models.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.bootstrap import Indices, Interval, bootstrap
from calibration.classification import classify
from calibration.detection import Boxes, average_precision, match
from calibration.metrics import verification
from edge.geometry import nms
from edge.types import ByteImage, Detections, FloatArray
from export.reference.world.faces import FaceSample, face_samples
from export.reference.world.samples import (
    AnomalySample,
    DetectorSample,
    TrackClip,
    anomaly_samples,
    detector_sample,
    track_clips,
)
from export.reference.world.scene import Scene
from export.reference.world.settings import PLACES, SceneSettings
from export.reference.world.truth import BEHAVIOURS

Features = NDArray[np.float64]
Kind = Literal["faces", "people"]

FMR = 1e-3
_CELLS = 4
_NEIGHBOURS = 5
_HELD_OUT = 1_000_000  # seeds of people from here on are learned from by nothing


def pixel_vectors(crops: Sequence[ByteImage]) -> FloatArray:
    """Aligned crops as vectors of unit length and mean 0: float32 ``[N, S·S·3]``."""
    flat = np.stack(crops).astype(np.float32).reshape(len(crops), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return np.asarray(flat / length, np.float32)


def faces_by_pixels(samples: Sequence[FaceSample], *, fmr: float = FMR) -> Interval:
    """TAR (1 − FNMR) at a false match rate, of the correlation of raw pixels.

    Raises ValueError where there are too few people to show the rate.
    """
    names = sorted({sample.identity for sample in samples})
    place = {name: index for index, name in enumerate(names)}
    person = np.asarray([place[sample.identity] for sample in samples], np.int64)
    vectors = pixel_vectors([sample.image for sample in samples])
    judged = verification(vectors, person, rates=(fmr,)).at[0]
    if judged.fnmr is None:
        raise ValueError(f"expected {judged.needed} pairs of people or more for FMR {fmr}")
    return accepted(judged.fnmr)


def accepted(missed: Interval) -> Interval:
    """TAR of an FNMR."""
    return Interval(1 - missed.value, 1 - missed.high, 1 - missed.low, missed.confidence)


class FrameDifference:
    """Finds what differs from the median of a scene's frames, of which every fifth is looked at."""

    def __init__(self, frames: Sequence[ByteImage]) -> None:
        self._background = np.median(np.stack([_grey(one) for one in frames[::5]]), axis=0)

    def __call__(self, frame: ByteImage) -> Detections:
        """Boxes around what differs from the background, scored by how much."""
        change = np.abs(_grey(frame) - self._background)
        moved = (change > max(12.0, 4 * float(np.median(change)))).astype(np.uint8)
        wide = max(3, frame.shape[1] // 64) | 1
        moved = np.asarray(
            cv2.morphologyEx(moved, cv2.MORPH_CLOSE, np.ones((2 * wide + 1, wide), np.uint8)),
            np.uint8,
        )
        moved = np.asarray(cv2.morphologyEx(moved, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(moved)
        boxes, scores = [], []
        for row in range(1, count):
            x, y, width, height, area = (int(v) for v in stats[row])
            if area < 0.0004 * moved.size:
                continue
            boxes.append([x, y, x + width, y + height])
            part = (slice(y, y + height), slice(x, x + width))
            scores.append(float(change[part][labels[part] == row].mean()) * area**0.5)
        found = np.asarray(boxes, np.float32).reshape(-1, 4)
        ranked = np.asarray(scores, np.float32)
        kept = nms(found, ranked, 0.5)
        return Detections(found[kept], ranked[kept], np.zeros(len(kept), np.int64))


def _grey(frame: ByteImage) -> FloatArray:
    smooth = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), (0, 0), 1.2)
    return np.asarray(smooth, np.float32)


def moving_scenes(
    *, seed: int, count: int, size: tuple[int, int] = (320, 192)
) -> Iterable[list[DetectorSample]]:
    """Whole scenes of five seconds, at 10 frames a second."""
    for index in range(count):
        settings = SceneSettings(
            size=size, fps=10, seconds=5, people=1 + index % 5, close=index % 3 == 2
        )
        yield [
            detector_sample(image, truth)
            for image, truth in Scene(seed=seed + index, settings=settings)
        ]


def people_by_difference(scenes: Iterable[Sequence[DetectorSample]]) -> Interval:
    """AP at an IoU of 0.5 of FrameDifference for people."""
    found: list[Detections] = []
    truth: list[Boxes] = []
    groups: list[int] = []
    for index, scene in enumerate(scenes):
        detect = FrameDifference([sample.image for sample in scene])
        found += [detect(sample.image) for sample in scene]
        truth += [wanted_boxes(sample, "people") for sample in scene]
        groups += [index] * len(scene)
    matches = match(found, truth)

    def precision(drawn: Indices) -> float:
        return average_precision(matches, drawn)

    return bootstrap(precision, len(found), groups=groups, resamples=200)


def wanted_boxes(sample: DetectorSample, what: Kind) -> Boxes:
    """What is to be found in a frame, and after it what may be."""
    wanted = sample.people if what == "people" else sample.faces
    boxes = np.concatenate([wanted, sample.ignored])
    return Boxes(boxes, np.zeros(len(boxes), np.int64), np.arange(len(boxes)) >= len(wanted))


def motion_features(clip: ByteImage) -> Features:
    """How much changes from frame to frame in each of 16 fields: mean, deviation and the course
    over time of all, ``[47]`` for a clip of 16 frames.
    """
    grey = np.stack([cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in clip])
    change = np.abs(np.diff(grey.astype(np.float32), axis=0))
    small = np.stack(
        [cv2.resize(one, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).ravel() for one in change]
    )
    features = [small.mean(axis=0), small.std(axis=0), small.mean(axis=1)]
    return np.concatenate(features).astype(np.float64)


def behaviours_by_difference(known: Sequence[TrackClip], asked: Sequence[TrackClip]) -> Interval:
    """Macro-F1 of the five nearest clips by motion_features."""
    labels, truth = (
        [BEHAVIOURS.index(clip.behaviour) for clip in clips] for clips in (known, asked)
    )
    said = nearest_motion([clip.pixels for clip in known], labels, [clip.pixels for clip in asked])
    return classify(truth, said, BEHAVIOURS).macro_f1


def nearest_motion(
    known: Sequence[ByteImage], labels: Sequence[int], asked: Sequence[ByteImage]
) -> list[int]:
    """What most of the five nearest clips show, by motion_features. labels: of those known."""
    learned = np.stack([motion_features(clip) for clip in known])
    tested = np.stack([motion_features(clip) for clip in asked])
    mean, spread = learned.mean(axis=0), np.maximum(learned.std(axis=0), 1e-6)
    learned, tested = (learned - mean) / spread, (tested - mean) / spread
    shown, said = np.asarray(labels), []
    for row in tested:
        near = np.argsort(((learned - row) ** 2).sum(axis=1), kind="stable")[:_NEIGHBOURS]
        said.append(int(np.bincount(shown[near], minlength=len(BEHAVIOURS)).argmax()))
    return said


def anomalies_by_pixels(
    normal: Sequence[AnomalySample], asked: Sequence[AnomalySample]
) -> Interval:
    """AUROC of the mean squared deviation of pixels from one camera's normal frames."""
    scores = pixel_scores([one.image for one in normal], [one.image for one in asked])
    wrong = np.asarray([one.anomaly is not None for one in asked])
    return area_under_roc(scores, wrong, groups=[one.scene for one in asked])


def pixel_scores(normal: Sequence[ByteImage], asked: Sequence[ByteImage]) -> Features:
    """Mean over the pixels of the squared distance to the normal mean, in deviations: ``[N]``."""
    known = np.stack(normal).astype(np.float32)
    mean, spread = known.mean(axis=0), known.std(axis=0) + 2.0
    return np.asarray([float((((one - mean) / spread) ** 2).mean()) for one in asked])


def area_under_roc(
    scores: Features, wrong: NDArray[np.bool_], *, groups: Sequence[int] | None = None
) -> Interval:
    """AUROC with its bootstrap interval."""

    def area(drawn: Indices) -> float:
        return auroc(scores[drawn], wrong[drawn])

    return bootstrap(area, len(scores), groups=groups, resamples=300)


def auroc(scores: Features, wrong: NDArray[np.bool_]) -> float:
    """How often a wrong one scores above a right one (Mann and Whitney, 1947); NaN without both."""
    high, low = scores[wrong], np.sort(scores[~wrong])
    if not len(high) or not len(low):
        return float("nan")
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(below.mean() / 2 / len(low))


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One of the table's lines. most: what it must stay below, None where nothing is asked."""

    name: str
    figure: Interval
    goal: float
    most: float | None


def measure(*, seed: int = 0, scale: float = 1.0) -> list[Baseline]:
    """All four, on people, scenes and clips of this seed. scale: of how many are rendered."""

    def some(count: int, least: int) -> int:
        return max(least, round(count * scale))

    people = range(_HELD_OUT + seed, _HELD_OUT + seed + some(220, 90))
    faces = faces_by_pixels(list(face_samples(people, each=4, seed=seed)))
    difference = people_by_difference(moving_scenes(seed=_HELD_OUT + seed, count=some(24, 2)))
    known = list(track_clips(seed=2 * seed, count=some(350, 21)))
    asked = list(track_clips(seed=2 * seed + 1, count=some(140, 14)))
    behaviour = behaviours_by_difference(known, asked)
    areas = []
    for index, place in enumerate(PLACES):
        normal = list(anomaly_samples(place=place, view=index, seed=2 * seed, count=some(160, 20)))
        mixed = list(
            anomaly_samples(
                place=place, view=index, seed=2 * seed + 1, count=some(100, 24), anomalous=0.5
            )
        )
        areas.append(anomalies_by_pixels(normal, mixed))
    anomaly = Interval(
        value=float(np.mean([one.value for one in areas])),
        low=float(np.mean([one.low for one in areas])),
        high=float(np.mean([one.high for one in areas])),
        confidence=areas[0].confidence,
    )
    return [
        Baseline(name="TAR at FMR 1e-3, nearest pixels", figure=faces, goal=0.98, most=0.686),
        Baseline(name="AP50 of people, frame difference", figure=difference, goal=0.95, most=0.665),
        Baseline(name="macro-F1, frame difference", figure=behaviour, goal=0.9, most=0.63),
        Baseline(name="AUROC, pixel deviation", figure=anomaly, goal=0.95, most=None),
    ]


def main() -> None:
    """Print the table."""
    for line in measure():
        bound = "" if line.most is None else f", must stay below {line.most:.3f}"
        print(
            f"{line.name:34} {line.figure.value:.3f} "
            f"[{line.figure.low:.3f}, {line.figure.high:.3f}]  goal {line.goal:.2f}{bound}"
        )


if __name__ == "__main__":
    main()
