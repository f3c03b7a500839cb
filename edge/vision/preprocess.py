"""From pictures to the tensor that a bundle's manifest asks for, and the way back.

Normalisation is (x - mean) · scale, after the change of colour order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.manifest import Axis, Input, LetterboxResize
from edge.runner.base import Tensor
from edge.types import ByteImage, Detections, FloatArray

_DTYPES = {"float32": np.float32, "float16": np.float16, "uint8": np.uint8}


@dataclass(frozen=True, slots=True)
class Placement:
    """How a picture lies in a tensor: scaled to ``scaled``, at the top left of ``tensor``.

    All three are (width, height) in pixels; what is left over is padding.
    """

    picture: tuple[int, int]
    scaled: tuple[int, int]
    tensor: tuple[int, int]

    def to_picture(self, detections: Detections) -> Detections:
        """Boxes and landmarks in tensor pixels, as picture pixels."""
        factor = np.asarray(
            [self.picture[0] / self.scaled[0], self.picture[1] / self.scaled[1]], np.float32
        )
        return Detections(
            (detections.boxes.reshape(-1, 2, 2) * factor).reshape(-1, 4),
            detections.scores,
            detections.labels,
            None if detections.landmarks is None else detections.landmarks * factor,
        )


def place(picture: tuple[int, int], spec: Input) -> Placement:
    """Where a picture of (width, height) goes in the tensor of ``spec``.

    A fixed axis is filled by scaling up or down. A free one takes the picture at its own size,
    shrunk to the axis's ``opt`` where it is larger, never enlarged, and padded to the next
    multiple; so ``opt`` is the working size of a model with free axes.
    """
    width, height = picture
    limits = (spec.width, spec.height)
    if not isinstance(spec.resize, LetterboxResize):
        size = (limits[0].opt, limits[1].opt)
        return Placement(picture, size, size)
    factor = min(limits[0].opt / width, limits[1].opt / height)
    if limits[0].min < limits[0].max and limits[1].min < limits[1].max:
        factor = min(factor, 1.0)
    scaled = (max(1, round(width * factor)), max(1, round(height * factor)))
    multiple = spec.resize.multiple_of
    tensor = tuple(
        _round_up(side, axis, multiple) for side, axis in zip(scaled, limits, strict=True)
    )
    return Placement(picture, scaled, (tensor[0], tensor[1]))


def _round_up(side: int, axis: Axis, multiple: int) -> int:
    rounded = math.ceil(side / multiple) * multiple
    return min(max(rounded, axis.min), axis.max)


def place_in_tensor(picture: ByteImage, placement: Placement, spec: Input) -> ByteImage:
    """The picture resized and padded to the tensor's size: uint8 ``[H, W, 3]``, BGR."""
    if placement.scaled != placement.picture:
        picture = cv2.resize(picture, placement.scaled, interpolation=cv2.INTER_LINEAR)
    right = placement.tensor[0] - placement.scaled[0]
    below = placement.tensor[1] - placement.scaled[1]
    if right or below:
        pad = spec.resize.pad if isinstance(spec.resize, LetterboxResize) else 0
        picture = cv2.copyMakeBorder(
            picture, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(pad, pad, pad)
        )
    return picture


def to_tensor(pictures: Sequence[ByteImage], spec: Input) -> Tensor:
    """Pictures of one size, uint8 ``[H, W, 3]`` BGR, as one batch in the layout of ``spec``.

    float32, float16 or uint8, ``[N, C, H, W]`` or ``[N, H, W, C]``.
    """
    height, width = pictures[0].shape[:2]
    channels = 1 if spec.color == "GRAY" else 3
    batch: FloatArray = np.empty((len(pictures), channels, height, width), np.float32)
    for plane, picture in zip(batch, pictures, strict=True):
        for row, channel in enumerate(_channels(picture, spec.color)):
            plane[row] = channel
    _normalise(batch, spec)
    ordered = batch if spec.layout == "NCHW" else batch.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(ordered, _DTYPES[spec.dtype])


def _channels(picture: ByteImage, color: str) -> Sequence[ByteImage]:
    if color == "GRAY":
        return [np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)]
    planes: Sequence[ByteImage] = cv2.split(picture)  # type: ignore[assignment]  # stubs say Mat
    return planes if color == "BGR" else planes[::-1]


def _normalise(batch: FloatArray, spec: Input) -> None:
    for channel in range(batch.shape[1]):
        mean, scale = spec.mean[channel], spec.scale[channel]
        if mean != 0:
            batch[:, channel] -= mean
        if scale != 1:
            batch[:, channel] *= scale
