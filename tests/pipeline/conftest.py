"""Painted pictures that carry their own truth, and models that read it from the pixels.

A face is a textured rectangle whose blue says whose it is; a body is a rectangle whose red says
whose it is. So frames travel the real way: detector, tracker, alignment, quality, recogniser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest

from edge.gallery.matcher import Gallery
from edge.manifest import Manifest
from edge.pipeline import Models, Pipeline, PipelineSettings, Scene
from edge.runner.base import Signature, Tensor, TensorSpec
from edge.runner.fake import FakeRunner
from edge.templates import template
from edge.types import (
    ByteImage,
    Detections,
    Embedding,
    FloatArray,
    Frame,
    OperatingPoint,
    Template,
)
from edge.vision.detector import Detector
from edge.vision.landmarks import LandmarkFinder
from edge.vision.recogniser import Recogniser
from tests.manifests import manifest_with

Box = tuple[int, int, int, int]
BLUE, GREEN, RED = 0, 1, 2
SIZE = (320, 240)
POINT = OperatingPoint(threshold=0.49, margin=0.05)
# Eyes, nose and mouth corners of a face seen from the front, as fractions of its box.
_POINTS = np.asarray([[0.3, 0.35], [0.7, 0.35], [0.5, 0.575], [0.35, 0.8], [0.65, 0.8]])
_STEP = 40  # between the shades of two people
_PEOPLE = 6


@cache
def _chequered(size: tuple[int, int]) -> ByteImage:
    y, x = np.mgrid[: size[1], : size[0]]
    return np.where((x // 4 + y // 4) % 2, 200, 40).astype(np.uint8)


def paint(
    faces: Mapping[int, Box] | None = None,
    bodies: Mapping[int, Box] | None = None,
    size: tuple[int, int] = SIZE,
) -> ByteImage:
    """A black picture with the faces and bodies of people 0 to 5 in it."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    for person, (x1, y1, x2, y2) in (bodies or {}).items():
        picture[y1:y2, x1:x2, RED] = (person + 1) * _STEP
    texture = _chequered(size)
    for person, (x1, y1, x2, y2) in (faces or {}).items():
        picture[y1:y2, x1:x2, BLUE] = (person + 1) * _STEP
        picture[y1:y2, x1:x2, GREEN] = texture[y1:y2, x1:x2]
    return picture


class PaintDetector(Detector):
    """Finds the rectangles of one channel. ``batches`` has the length of every call.

    shape: turns boxes ``[N, 4]`` to landmarks; None for a detector that gives none.
    """

    def __init__(
        self, channel: int, shape: Callable[[FloatArray], FloatArray] | None = None
    ) -> None:
        self._channel = channel
        self._shape = shape
        self.batches: list[int] = []

    @property
    def score(self) -> float:
        return 0.6

    def detect(self, pictures: Sequence[ByteImage]) -> list[Detections]:
        self.batches.append(len(pictures))
        return [self._find(picture[:, :, self._channel]) for picture in pictures]

    def _find(self, plane: ByteImage) -> Detections:
        boxes = []
        for shade in np.flatnonzero(np.bincount(plane.ravel(), minlength=256)[1:]) + 1:
            rows = np.flatnonzero((plane == shade).any(axis=1))
            columns = np.flatnonzero((plane == shade).any(axis=0))
            boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        found = np.asarray(boxes, np.float32).reshape(-1, 4)
        return Detections(
            found,
            np.full(len(found), 0.9, np.float32),
            np.zeros(len(found), np.int64),
            None if self._shape is None else self._shape(found),
        )


def frontal(boxes: FloatArray) -> FloatArray:
    """Landmarks as they lie on faces seen from the front."""
    sides = boxes[:, None, 2:] - boxes[:, None, :2]
    return np.asarray(boxes[:, None, :2] + _POINTS * sides, np.float32)


def turned(boxes: FloatArray) -> FloatArray:
    """Landmarks of faces in profile."""
    points = frontal(boxes)
    points[:, 2, 0] = points[:, 1, 0]
    return points


def in_one_place(boxes: FloatArray) -> FloatArray:
    """Landmarks that make no face."""
    return np.repeat(frontal(boxes)[:, :1], 5, axis=1)


def not_numbers(boxes: FloatArray) -> FloatArray:
    """Landmarks of a model gone wrong."""
    return np.full((len(boxes), 5, 2), np.nan, np.float32)


def _manifest(family: str, output: str) -> Manifest:
    return manifest_with({**template(family), "name": family, "outputs": [output]})


def _runner(manifest: Manifest, width: int, function: Callable[[Tensor], FloatArray]) -> FakeRunner:
    assert manifest.input is not None
    side = manifest.input.width.opt
    name, output = manifest.input.name, manifest.output_names[0]
    signature = Signature(
        (TensorSpec(name, (None, 3, side, side), np.dtype(np.float32)),),
        (TensorSpec(output, (None, width), np.dtype(np.float32)),),
    )
    runner = FakeRunner(signature, lambda feeds: {output: function(feeds[name])})
    runner.load()
    return runner


def _embed(batch: Tensor) -> FloatArray:
    """A unit vector along the axis of the person whose blue fills the middle of the crop."""
    side = batch.shape[2]
    middle = batch[:, BLUE, side // 2 - 4 : side // 2 + 4, side // 2 - 4 : side // 2 + 4]
    shades = np.median(np.asarray(middle, np.float32).reshape(len(batch), -1), axis=1)
    people = np.clip(np.rint(shades / _STEP).astype(int) - 1, 0, _PEOPLE - 1)
    return np.asarray(np.eye(_PEOPLE, dtype=np.float32)[people])


def _regress(batch: Tensor) -> FloatArray:
    return np.tile(_POINTS.reshape(1, 10).astype(np.float32), (len(batch), 1))


@dataclass
class Stage:
    """A pipeline on painted models, the pictures it was shown and what it made of them."""

    pipeline: Pipeline
    detector: PaintDetector
    embedder: FakeRunner
    seen: dict[str, list[Scene]] = field(default_factory=dict)

    def step(self, *frames: Frame) -> list[Scene]:
        scenes = self.pipeline.step(frames)
        for scene in scenes:
            self.seen.setdefault(scene.frame.camera, []).append(scene)
        return scenes

    def play(
        self,
        pictures: Iterable[ByteImage],
        *,
        camera: str = "door",
        start: int = 0,
        every: int = 1,
    ) -> list[Scene]:
        """One picture after another, ``every`` frame indices apart."""
        return [
            self.step(frame_of(picture, start + place * every, camera))[0]
            for place, picture in enumerate(pictures)
        ]

    def end(self, camera: str = "door") -> Scene:
        scenes = self.seen.setdefault(camera, [])
        last = scenes[-1].frame if scenes else frame_of(paint(), 0, camera)
        scenes.append(self.pipeline.end(last))
        return scenes[-1]


def frame_of(picture: ByteImage, index: int, camera: str = "door") -> Frame:
    return Frame(camera, index, index / 30, picture)


MakeStage = Callable[..., Stage]
Paint = Callable[..., ByteImage]


@pytest.fixture(scope="session")
def make_stage() -> MakeStage:
    """``make_stage(people="ab", shape=…, landmarks=…, recogniser=…, person=…, settings=…,
    watched=…)``.

    Without settings every frame is looked at.
    """

    def make(
        *,
        people: str = "ab",
        shape: str | None = "frontal",
        landmarks: bool = False,
        recogniser: bool = True,
        person: bool = False,
        settings: PipelineSettings | None = None,
        watched: Sequence[str] = (),
    ) -> Stage:
        shapes = {f.__name__: f for f in (frontal, turned, in_one_place, not_numbers)}
        detector = PaintDetector(BLUE, None if shape is None else shapes[shape])
        faces = _manifest("reid-0095", "embedding")
        points = _manifest("landmarks-0009", "landmarks")
        embedder = _runner(faces, _PEOPLE, _embed)
        model = Recogniser(embedder, faces)
        finder = LandmarkFinder(_runner(points, 10, _regress), points) if landmarks else None
        axes = np.eye(_PEOPLE, dtype=np.float32)
        templates = [Template(p, Embedding(axes["abcdef".index(p)], model.space)) for p in people]
        pipeline = Pipeline(
            Models(
                detector=detector,
                landmarks=finder,
                recogniser=model if recogniser else None,
                person=PaintDetector(RED) if person else None,
            ),
            gallery=Gallery(templates, model.space) if recogniser else None,
            point=POINT if recogniser else None,
            settings=settings or PipelineSettings(look_every=1),
            watched=watched,
        )
        return Stage(pipeline, detector, embedder)

    return make


@pytest.fixture(scope="session")
def painted() -> Paint:
    """``painted(faces={person: box}, bodies={person: box}, size=(w, h))``."""
    return paint
