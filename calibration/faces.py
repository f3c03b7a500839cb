"""What is cut out of a picture for a model: all of it, or each face that is good enough."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from calibration.batches import fit
from edge.assembly import check_golden, open_runner
from edge.bundle import Bundle
from edge.errors import UsageError
from edge.gallery.shots import ShotSettings
from edge.manifest import AlignResize, CropResize, Input
from edge.types import ByteImage, Detections, FloatArray
from edge.vision.crop import align_face, crop_box, expand_box
from edge.vision.detector import Detector
from edge.vision.quality import face_quality

_FACE = "face"
# A face that the camera would not embed teaches nothing about those it does.
_SHOTS = ShotSettings()

Place = tuple[float, ...]


class Shape(ABC):
    """How pictures become what the model takes. numbers: how many say where a cut lies."""

    numbers = 0

    def __init__(self, spec: Input) -> None:
        self.spec = spec
        self.size = (spec.width.opt, spec.height.opt)

    @abstractmethod
    def cut(self, picture: ByteImage, place: Place) -> ByteImage:
        """One cut, at the size of the model's input."""


class Whole(Shape):
    """The whole picture, placed as the camera does."""

    def cut(self, picture: ByteImage, place: Place) -> ByteImage:
        """The picture; there is no place to name."""
        return fit(picture, self.spec)


class Aligned(Shape):
    """A face turned upon the manifest's template; its place is its five landmarks."""

    numbers = 10

    def __init__(self, spec: Input, resize: AlignResize) -> None:
        super().__init__(spec)
        self._template = resize.template

    def cut(self, picture: ByteImage, place: Place) -> ByteImage:
        """The face with these landmarks. Raises ValueError where they coincide."""
        landmarks = np.asarray(place, np.float32).reshape(5, 2)
        return align_face(picture, landmarks, self._template, self.size)


class Cropped(Shape):
    """A face box grown by the manifest's factor; its place is the box."""

    numbers = 4

    def __init__(self, spec: Input, resize: CropResize) -> None:
        super().__init__(spec)
        self._factor = resize.factor

    def cut(self, picture: ByteImage, place: Place) -> ByteImage:
        """The face in this box. Raises ValueError where it has no area."""
        return crop_box(picture, expand_box(np.asarray(place), self._factor), self.size)


def _shape_for(spec: Input) -> Whole | Aligned | Cropped:
    if isinstance(spec.resize, AlignResize):
        return Aligned(spec, spec.resize)
    if isinstance(spec.resize, CropResize):
        return Cropped(spec, spec.resize)
    return Whole(spec)


class Finder(ABC):
    """Finds where in a picture the model would look. shape: how to cut there again."""

    shape: Shape

    @abstractmethod
    def find(self, picture: ByteImage) -> list[tuple[Place, ByteImage]]:
        """Each place with what is cut out there; the best first."""


class WholeFinder(Finder):
    """Takes every picture as it is.

    exact: of this (width, height) or refused, for faces that were cut out before.
    """

    def __init__(self, shape: Whole, *, exact: tuple[int, int] | None = None) -> None:
        self.shape = shape
        self._exact = exact

    def find(self, picture: ByteImage) -> list[tuple[Place, ByteImage]]:
        """The picture. Raises UsageError where it is not of the exact size."""
        size = (picture.shape[1], picture.shape[0])
        if self._exact is not None and self._exact != size:
            width, height = self._exact
            raise UsageError(
                "the model takes faces, and nothing finds them in these pictures",
                expected=f"a detector, or faces cut out before, of {width} × {height} pixels",
                found=f"a picture of {size[0]} × {size[1]} pixels",
                remedy="Name the bundle of a face detector: --detector BUNDLE",
            )
        return [((), self.shape.cut(picture, ()))]


class FaceFinder(Finder):
    """Finds faces with a detector and leaves out those that the camera would not use."""

    def __init__(self, shape: Aligned | Cropped, detector: Detector) -> None:
        self.shape = shape
        self._detector = detector

    def find(self, picture: ByteImage) -> list[tuple[Place, ByteImage]]:
        """The good faces of a picture.

        Raises UsageError where the model needs landmarks and the detector gives none,
        InferenceError where the detector fails.
        """
        (faces,) = self._detector.detect([picture])
        return list(self._good(picture, faces))

    def _good(self, picture: ByteImage, faces: Detections) -> Iterator[tuple[Place, ByteImage]]:
        for row in range(len(faces)):
            box = faces.boxes[row]
            landmarks = None if faces.landmarks is None else faces.landmarks[row]
            if isinstance(self.shape, Aligned):
                if landmarks is None:
                    raise _no_landmarks()
                place = tuple(landmarks.reshape(-1).tolist())
            else:
                place = tuple(box.tolist())
            try:
                crop = self.shape.cut(picture, place)
            except ValueError:  # landmarks in one place, or a box that the picture's edge ate
                continue
            if _is_good(crop, box, landmarks, float(faces.scores[row])):
                yield place, crop


def _is_good(crop: ByteImage, box: FloatArray, landmarks: FloatArray | None, score: float) -> bool:
    if landmarks is None:
        return float(min(box[2:] - box[:2])) >= _SHOTS.min_face_px
    quality = face_quality(crop, box, landmarks, score)
    return quality.score >= _SHOTS.min_quality and quality.face_px >= _SHOTS.min_face_px


def _no_landmarks() -> UsageError:
    return UsageError(
        "the detector gives no landmarks, by which faces are aligned",
        expected="a detector with five landmarks, such as YuNet",
        found="boxes alone",
        remedy="Name the bundle of another detector.",
    )


@contextmanager
def finder_for(spec: Input, detector: Bundle | None) -> Iterator[Finder]:
    """What finds the places that a model looks at; a detector is loaded while the block lasts.

    Raises what loading a bundle raises, DecoderMismatchError where it is no detector of faces.
    """
    shape = _shape_for(spec)
    if not isinstance(shape, Aligned | Cropped):
        yield WholeFinder(shape)
    elif detector is None:
        yield WholeFinder(Whole(spec), exact=shape.size)
    else:
        runner, variant = open_runner(detector)
        with runner:
            check_golden(runner, detector, variant)
            yield FaceFinder(shape, Detector(runner, detector.manifest, labels=[_FACE]))
