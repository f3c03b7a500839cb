"""Both detectors on frames of scenes that they never saw."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np

from calibration.bootstrap import Indices, Interval, bootstrap
from calibration.detection import Matches, average_precision, match, recall_at
from calibration.report import Sheet
from edge.types import ByteImage, Detections
from edge.vision.detector import Detector
from export.reference.evaluation.bundles import Pack
from export.reference.evaluation.figures import Figure, Measured, Used, figure
from export.reference.evaluation.held_out import PEOPLE, SCENES, Sizes
from export.reference.recipes.data import gather
from export.reference.recipes.pictures import grid
from export.reference.world.baselines import (
    Kind,
    moving_scenes,
    people_by_difference,
    wanted_boxes,
)
from export.reference.world.samples import DetectorSample, detector_samples

AP50 = 0.95
_SHARE = 0.7  # of a goal, which arithmetic on pixels must not reach
_EACH = 6  # frames of a scene
_APART = 100  # people, more than come into one
_FLOOR = 0.05
_BATCH = 8
_SHOWN, _COLUMNS = 9, 3
_COLORS = {"people": (60, 180, 60), "faces": (40, 120, 250)}
_BUNDLES: dict[Kind, str] = {"faces": "world-face", "people": "world-person"}


def measure(pack: Pack, sizes: Sizes) -> Measured:
    """Average precision of faces and of people, how far landmarks are off, what is found at the
    bundles' own scores; and what frame differencing finds. Raises what opening bundles raises."""
    scenes = gather(_of_scene, sizes.scenes, "scenes")
    samples = [sample for scene in scenes for sample in scene]
    groups = [index for index, scene in enumerate(scenes) for _ in scene]
    shown = [sample.image.copy() for sample in samples[:: max(1, len(samples) // _SHOWN)]]
    figures: list[Figure] = []
    used: list[Used] = []
    for kind, name in _BUNDLES.items():
        with pack.open(name) as model:
            detector = Detector(model.runner, model.manifest, floor=_FLOOR)
            found = _detect(detector, [sample.image for sample in samples])
            for picture in shown:
                _draw(picture, detector.detect([picture])[0], detector.score, kind)
            figures += figures_of(kind, found, samples, groups, detector.score, sizes.resamples)
            used.append(model.used)
    films = moving_scenes(seed=SCENES, count=sizes.films)
    figures.append(
        figure(
            "AP50 of people by frame differencing",
            people_by_difference(films),
            at_most=_SHARE * AP50,
        )
    )
    return Measured(
        name="detector",
        title="Detectors of faces and people",
        data=f"{len(samples)} frames of {len(scenes)} scenes of 320 × 192 pixels",
        bundles=tuple(used),
        figures=tuple(figures),
        sheets={
            "detections": Sheet(
                picture=grid(np.stack(shown[:_SHOWN]), columns=_COLUMNS),
                alt="Frames with the faces (orange) and people (green) that were found",
            )
        },
    )


def _of_scene(index: int) -> list[DetectorSample]:
    people = PEOPLE + index * _APART
    return list(detector_samples(seed=SCENES + index, count=_EACH, each=_EACH, people_from=people))


def _detect(detector: Detector, pictures: Sequence[ByteImage]) -> list[Detections]:
    parts = [pictures[start : start + _BATCH] for start in range(0, len(pictures), _BATCH)]
    return [found for part in parts for found in detector.detect(part)]


def figures_of(
    kind: Kind,
    found: Sequence[Detections],
    samples: Sequence[DetectorSample],
    groups: Sequence[int],
    score: float,
    resamples: int,
) -> list[Figure]:
    """What a detector found of a kind, held against the truth, and where landmarks lie.

    groups: the scene of each frame. score: the detector's own operating point.
    """
    matches = match(found, [wanted_boxes(sample, kind) for sample in samples])
    again = partial(bootstrap, count=len(samples), groups=groups, resamples=resamples)

    def precision(drawn: Indices) -> float:
        return average_precision(matches, drawn)

    def recall(drawn: Indices) -> float:
        return recall_at(matches, score, drawn)

    figures = [
        figure(f"AP50 of {kind}", again(precision), at_least=AP50),
        figure(f"recall of {kind} at score {score:g}", again(recall)),
        Figure(
            name=f"false {kind} a frame at score {score:g}",
            value=float((~matches.hits & (matches.scores >= score)).sum() / len(samples)),
        ),
    ]
    if kind == "faces":
        missed = _landmark_error(matches, found, samples, score, groups, resamples)
        figures.append(figure("error of landmarks, of the face's size", missed))
    return figures


def _landmark_error(
    matches: Matches,
    found: Sequence[Detections],
    samples: Sequence[DetectorSample],
    score: float,
    groups: Sequence[int],
    resamples: int,
) -> Interval:
    """Mean distance of five points to where they are, as a share of √(width · height) of the face's
    true box, over the faces that are found."""
    errors, of_scene = [], []
    for place in np.flatnonzero(matches.hits & (matches.scores >= score)):
        picture, row = int(matches.pictures[place]), int(matches.rows[place])
        points, sample = found[picture].landmarks, samples[picture]
        assert points is not None  # a detector of faces has them
        taken = int(matches.taken[place])
        sides = sample.faces[taken, 2:] - sample.faces[taken, :2]
        apart = np.linalg.norm(points[row] - sample.landmarks[taken], axis=1).mean()
        errors.append(float(apart / np.sqrt(sides.prod())))
        of_scene.append(groups[picture])
    values = np.asarray(errors)

    def mean(drawn: Indices) -> float:
        return float(values[drawn].mean())

    return bootstrap(mean, len(values), groups=of_scene, resamples=resamples)


def _draw(picture: ByteImage, found: Detections, score: float, kind: Kind) -> None:
    sure = found[found.scores >= score]
    for box in sure.boxes:
        x1, y1, x2, y2 = (round(float(value)) for value in box)
        cv2.rectangle(picture, (x1, y1), (x2, y2), _COLORS[kind], 1)
    for x, y in [] if sure.landmarks is None else sure.landmarks.reshape(-1, 2):
        cv2.circle(picture, (round(float(x)), round(float(y))), 1, _COLORS[kind], -1)
