"""From pictures to the tensor that a bundle's manifest asks for, and the way back.

Normalisation is (x - mean) · scale, after the change of colour order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from edge.manifest import Axis, Input, LetterboxResize
from edge.runner.base import Tensor
from edge.types import ByteImage, Detections

_Numbers = NDArray[np.floating[Any] | np.integer[Any]]
_DTYPES = {"float32": np.float32, "float16": np.float16, "uint8": np.uint8}
_PIXELS = np.arange(256, dtype=np.float64)


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
    placed: MatLike = picture
    if placement.scaled != placement.picture:
        placed = cv2.resize(placed, placement.scaled, interpolation=cv2.INTER_LINEAR)
    right = placement.tensor[0] - placement.scaled[0]
    below = placement.tensor[1] - placement.scaled[1]
    if right or below:
        pad = spec.resize.pad if isinstance(spec.resize, LetterboxResize) else 0
        placed = cv2.copyMakeBorder(
            placed, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(pad, pad, pad)
        )
    return np.asarray(placed, np.uint8)


def to_tensor(pictures: Sequence[ByteImage], spec: Input) -> Tensor:
    """Pictures of one size, uint8 ``[H, W, 3]`` BGR, as one batch in the layout of ``spec``.

    Of a model of clips, clips ``[T, H, W, 3]``. float32, float16 or uint8, ``[N, C, H, W]``,
    ``[N, H, W, C]`` or ``[N, T, C, H, W]``.
    """
    if spec.frames is not None:
        planes = _batch([picture for clip in pictures for picture in clip], spec)
        return planes.reshape(len(pictures), spec.frames, *planes.shape[1:])
    return _batch(pictures, spec)


def _batch(pictures: Sequence[ByteImage], spec: Input) -> _Numbers:
    height, width = pictures[0].shape[:2]
    planar = spec.layout != "NHWC"
    shape = (spec.channels, height, width) if planar else (height, width, spec.channels)
    batch: _Numbers = np.empty((len(pictures), *shape), _DTYPES[spec.dtype])
    table = _table(spec)
    for slot, picture in zip(batch, pictures, strict=True):
        coloured = _in_colour(picture, spec.color)
        if planar:
            for plane, values, column in zip(slot, cv2.split(coloured), table.T, strict=True):
                _write(values, column, plane)
        else:
            _write(coloured.reshape(shape), table, slot)
    return batch


def _in_colour(picture: ByteImage, color: str) -> ByteImage:
    if color == "BGR":
        return picture
    code = cv2.COLOR_BGR2RGB if color == "RGB" else cv2.COLOR_BGR2GRAY
    return np.asarray(cv2.cvtColor(picture, code), np.uint8)


def _table(spec: Input) -> _Numbers:
    """What each of the 256 values of a pixel becomes in each channel: ``[256, C]``."""
    table: _Numbers = (_PIXELS[:, None] - spec.mean) * spec.scale
    return table.astype(_DTYPES[spec.dtype])


def _write(pixels: MatLike, table: _Numbers, out: _Numbers) -> None:
    """``out = table[pixels]`` channel by channel: normalised and cast in one pass."""
    if table.dtype == np.float16:  # OpenCV has no tables of float16, but this only moves bits
        table, out = table.view(np.int16), out.view(np.int16)
    elif (table.T == _PIXELS).all():
        out[...] = pixels
        return
    cv2.LUT(pixels, np.ascontiguousarray(table).reshape(1, 256, -1), dst=out)
