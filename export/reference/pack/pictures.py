"""Pictures of the world to calibrate and judge INT8 on, with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from calibration.detection import Boxes
from edge.cli.console import Progress
from edge.types import ByteImage
from export.reference.pack.plans import CROP_SIDE, Kind, Rendered
from export.reference.recipes.pictures import write_png
from export.reference.world.faces import face_samples
from export.reference.world.samples import DetectorSample, detector_samples
from export.samples import Pictures

# People and scenes from these seeds on are neither learned from nor measured with elsewhere.
_PEOPLE, _SCENES = 600_000, 1 << 41
_CROWD = 8  # seeds of people kept for each scene
_EACH = 4  # to calibrate on, to search on, and twice as many to judge on


def render(
    what: Rendered, folder: Path, *, count: int, size: tuple[int, int], seed: int = 0
) -> Pictures:
    """Fill a folder with four times ``count`` pictures, each of a scene or person of its own.

    size: width and height of frames. Raises OutputError where it cannot be written.
    """
    truth: dict[str, Boxes] = {}
    wanted = _EACH * count
    pictures = _crops(wanted, seed) if what == "crops" else _scenes(what, wanted, size, seed)
    with Progress(f"rendering {what}", wanted) as progress:
        for number, (picture, boxes) in enumerate(pictures):
            name = f"{number:04}.png"
            write_png(folder / name, picture)
            if boxes is not None:
                truth[name] = boxes
            progress.step()
    return Pictures(calibrate=(str(folder),), count=count, seed=seed, truth=truth)


def _crops(count: int, seed: int) -> Iterator[tuple[ByteImage, None]]:
    people = range(_PEOPLE, _PEOPLE + count)
    for sample in face_samples(people, each=1, seed=seed, size=CROP_SIDE):
        yield sample.image, None


def _scenes(
    what: Kind, count: int, size: tuple[int, int], seed: int
) -> Iterator[tuple[ByteImage, Boxes]]:
    for number in range(count):
        (sample,) = detector_samples(
            seed=_SCENES + seed + number,
            count=1,
            size=size,
            each=1,
            people_from=_PEOPLE + _CROWD * number,
        )
        yield np.ascontiguousarray(sample.image), boxes_of(sample, what)


def boxes_of(sample: DetectorSample, what: Kind) -> Boxes:
    """What is to be found in a frame, and after it what may be."""
    wanted = sample.people if what == "people" else sample.faces
    boxes = np.concatenate([wanted, sample.ignored])
    return Boxes(boxes, np.zeros(len(boxes), np.int64), np.arange(len(boxes)) >= len(wanted))
