"""Five landmarks on faces whose detector gives none."""

from __future__ import annotations

import numpy as np

from edge.errors import DecoderMismatchError, InferenceError
from edge.manifest import CropResize, Manifest
from edge.runner.base import Runner
from edge.types import ByteImage, Detections
from edge.vision.crop import crop_box, expand_box
from edge.vision.forward import forward

POINTS = 5


class LandmarkFinder:
    """Adds landmarks to detections: crops each face and regresses ``[N, 10]``, x and y in 0..1 of
    the crop.

    Raises DecoderMismatchError where the manifest is not a landmark model's.
    """

    def __init__(self, runner: Runner, manifest: Manifest) -> None:
        spec = manifest.input
        if manifest.role != "landmarks" or spec is None or not isinstance(spec.resize, CropResize):
            raise DecoderMismatchError(
                f"bundle {manifest.name} gives no landmarks",
                expected='role landmarks with input.resize {"mode": "crop"}',
                found=f"role {manifest.role}",
            )
        self._runner = runner
        self._input = spec
        self._factor = spec.resize.factor
        self._output = manifest.output_names[0]
        self._size = (spec.width.opt, spec.height.opt)

    def add(self, picture: ByteImage, faces: Detections) -> Detections:
        """The same faces with landmarks, float32 ``[N, 5, 2]`` in pixels of the picture.

        Raises InferenceError where the model fails or gives what is no number, DecoderMismatchError
        where it does not give ten numbers a face.
        """
        if not len(faces):
            return Detections(
                faces.boxes, faces.scores, faces.labels, np.zeros((0, POINTS, 2), "f")
            )
        boxes = np.stack([expand_box(box, self._factor) for box in faces.boxes])
        crops = [crop_box(picture, box, self._size) for box in boxes]
        (raw,) = forward(self._runner, self._input, crops, [self._output])
        if raw.size != len(faces) * POINTS * 2:
            raise DecoderMismatchError(
                "the landmark model's output does not fit decoder 'regression'",
                expected=f"[{len(faces)}, {POINTS * 2}]",
                found=str(list(raw.shape)),
            )
        points = np.asarray(raw, np.float32).reshape(-1, POINTS, 2)
        if not np.isfinite(points).all():
            raise InferenceError(
                "the landmark model gave no usable points",
                expected="finite numbers",
                found="NaN or infinity",
                remedy="Check the model with: edgewarden bundle verify",
            )
        sides = boxes[:, None, 2:] - boxes[:, None, :2]
        return Detections(
            faces.boxes, faces.scores, faces.labels, boxes[:, None, :2] + points * sides
        )
