"""Pictures to calibrate on and to judge with, of people and scenes that nothing else sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from calibration.detection import Boxes
from calibration.synthetic import Draws
from edge.bundle import Bundle
from edge.durable import make_folder
from edge.media import write_image
from edge.types import ByteImage
from export.reference.proofs.waiting import waiting_scene
from export.reference.world.faces import face_samples
from export.reference.world.samples import DetectorSample, detector_samples
from export.reference.world.scene import Scene
from export.reference.world.settings import SceneSettings

# To calibrate on, for the search of layers (of which nothing is told), and to judge with.
CALIBRATED, SEARCHED, JUDGED = 4_000_000, 4_200_000, 4_400_000
SCENES = (1 << 42) + (2 << 30)
SIDE = 64
_FRAME = (320, 192)
EACH = 6
_MOST_FACES = 5
_FACE_PX = (14, 90)  # of a face that is put into a frame
_FACE_OF_CROP = 0.7  # width of a face in an aligned crop of 1


def save(folder: Path, pictures: Iterable[ByteImage]) -> Path:
    """Pictures as PNG files by number, in a new folder. Raises OutputError."""
    make_folder(folder)
    for number, picture in enumerate(pictures):
        write_image(folder / f"{number:05}.png", picture)
    return folder


def crops(first: int, people: int, each: int) -> Iterator[ByteImage]:
    """Aligned faces, ``each`` of so many people: uint8 ``[64, 64, 3]``."""
    for sample in face_samples(range(first, first + people), each=each, seed=first, size=SIDE):
        yield sample.image


def frames(first: int, count: int) -> Iterator[DetectorSample]:
    """Frames with people from the seed ``first`` on, six of each scene."""
    return detector_samples(
        seed=SCENES + first, count=count, size=_FRAME, each=EACH, people_from=first
    )


def truth_of(sample: DetectorSample) -> Boxes:
    """The faces of a frame; people and what is too small need not be found."""
    boxes = np.concatenate([sample.faces, sample.ignored])
    ignored = np.arange(len(boxes)) >= len(sample.faces)
    return Boxes(boxes, np.zeros(len(boxes), np.int64), ignored)


def empty_places(seed: int, count: int) -> Iterator[ByteImage]:
    """One frame each of places with nobody in them."""
    for number in range(count):
        random = np.random.default_rng([seed, number, 0xE3])
        settings = SceneSettings(
            size=_FRAME, fps=1.0, seconds=1.0, people=0, close=bool(random.random() < 0.34)
        )
        for image, _ in Scene(seed=SCENES + int(random.integers(1 << 30)), settings=settings):
            yield image


def peopled(places: Sequence[ByteImage], generator: Bundle, *, seed: int) -> Iterator[ByteImage]:
    """Places with one to five generated faces in each. Raises what running a bundle raises."""
    counts = np.random.default_rng([seed, 0xFA]).integers(1, _MOST_FACES + 1, len(places))
    faces = Draws(generator, seed=seed).pictures(np.arange(int(counts.sum())))
    for number, (place, count) in enumerate(zip(places, counts.tolist(), strict=True)):
        random = np.random.default_rng([seed, number, 0xFB])
        picture = place.copy()
        for face in islice(faces, count):
            _add_face(picture, face, random)
        yield picture


def _add_face(picture: ByteImage, face: ByteImage, random: np.random.Generator) -> None:
    """Lay a face into a picture at any place and size, its oval faded into what is behind."""
    height, width = picture.shape[:2]
    low, high = np.log(_FACE_PX)
    side = min(round(float(np.exp(random.uniform(low, high))) / _FACE_OF_CROP), height, width)
    x, y = int(random.integers(width - side + 1)), int(random.integers(height - side + 1))
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    along = (np.arange(side) + 0.5) / side * 2 - 1
    away = np.hypot(along[None] / 0.72, along[:, None] / 0.95)
    alpha = np.clip((1 - away) / 0.15, 0, 1)[..., None]
    part = picture[y : y + side, x : x + side]
    part[:] = (small * alpha + part * (1 - alpha)).astype(np.uint8)


def rows_of_people(first: int, scenes: int) -> Iterator[ByteImage]:
    """Two frames each of scenes with ten people side by side, for models of large frames."""
    for number in range(scenes):
        people = range(first + 10 * number, first + 10 * number + 10)
        for image, _ in waiting_scene(people, seed=SCENES + first + number, seconds=0.25):
            yield image
