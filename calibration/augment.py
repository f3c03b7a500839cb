"""Widening a small set: size, direction, crop, rotation and brightness, and for clips time.

Each is a pure function of a picture, uint8 ``[H, W, 3]``, and what is drawn from ``random``; the
size of the picture stays.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import cv2
import numpy as np
from pydantic import JsonValue

from calibration.batches import Indices, PictureSource
from edge.types import ByteImage

Item = TypeVar("Item")

_DEGREES = 10.0
_LEAST_KEPT = 0.85  # of each side, when cropping
_LEAST_SIZE = 0.5  # of each side, when taken from farther away
_CONTRAST, _BRIGHTNESS = 0.25, 30.0


def flip(picture: ByteImage) -> ByteImage:
    """Left and right exchanged."""
    return np.ascontiguousarray(picture[:, ::-1])


def rotate(picture: ByteImage, degrees: float) -> ByteImage:
    """Turned about its centre, anticlockwise; what comes in at the edges repeats them."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    turned = cv2.warpAffine(
        picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(turned, np.uint8)


def crop(picture: ByteImage, kept: float, across: float, down: float) -> ByteImage:
    """The share ``kept`` of each side, scaled up again; across and down, 0..1, say which part."""
    height, width = picture.shape[:2]
    rows, columns = max(1, round(height * kept)), max(1, round(width * kept))
    top, left = round((height - rows) * down), round((width - columns) * across)
    return _scaled(picture[top : top + rows, left : left + columns], (width, height))


def farther(picture: ByteImage, share: float) -> ByteImage:
    """As taken with so much less resolution: scaled down to a share of each side, and up again."""
    height, width = picture.shape[:2]
    small = _scaled(picture, (max(1, round(width * share)), max(1, round(height * share))))
    return _scaled(small, (width, height))


def lighten(picture: ByteImage, contrast: float, brightness: float) -> ByteImage:
    """Grey levels times ``contrast`` plus ``brightness``, cut at 0 and 255."""
    lighter = np.rint(picture.astype(np.float32) * contrast + brightness)
    return np.asarray(np.clip(lighter, 0, 255), np.uint8)


def skip_frames(frames: Sequence[Item], step: int, start: int = 0) -> Sequence[Item]:
    """Every ``step``-th frame of a clip from ``start`` on: the same scene, faster."""
    return frames[start::step]


def augment(picture: ByteImage, random: np.random.Generator) -> ByteImage:
    """One new picture from another: all of the above but time, each by a little."""
    if random.random() < 0.5:
        picture = flip(picture)
    picture = rotate(picture, float(random.uniform(-_DEGREES, _DEGREES)))
    kept, across, down = random.uniform((_LEAST_KEPT, 0, 0), 1)
    picture = crop(picture, kept, across, down)
    if random.random() < 0.5:
        picture = farther(picture, float(random.uniform(_LEAST_SIZE, 1)))
    contrast = 1 + float(random.uniform(-_CONTRAST, _CONTRAST))
    return lighten(picture, contrast, float(random.uniform(-_BRIGHTNESS, _BRIGHTNESS)))


def _scaled(picture: ByteImage, size: tuple[int, int]) -> ByteImage:
    shrinks = size[0] < picture.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


class Widened(PictureSource):
    """The pictures of a small source, then augmented ones of each in turns, up to ``count``.

    An augmented picture belongs to the group of the one that it was made from.
    """

    def __init__(self, base: PictureSource, count: int, *, seed: int) -> None:
        super().__init__(base.spec)
        self.kind = base.kind
        self._base = base
        self._seed = seed
        self._own = len(base.groups)
        self.groups: Sequence[int] = [base.groups[index % self._own] for index in range(count)]

    @property
    def description(self) -> str:
        """That of the small source, and how many were added."""
        return f"{self._base.description}; {len(self.groups) - self._own} augmented ones added"

    @property
    def record(self) -> Mapping[str, JsonValue]:
        """That of the small source, and how many were added."""
        return {**self._base.record, "augmented": len(self.groups) - self._own}

    def digests(self, wanted: Indices) -> Iterator[bytes]:
        """Of the picture that each was made from, and of how often it was used before."""
        for index in wanted.tolist():
            (digest,) = self._base.digests(np.asarray([index % self._own]))
            turn = index // self._own
            yield hashlib.sha256(b"%s%d" % (digest, turn)).digest() if turn else digest

    def group_name(self, group: int) -> str:
        """The file's path within the folder that was named."""
        return self._base.group_name(group)

    def _prepare(self, wanted: Indices) -> Iterator[ByteImage]:
        for turn in range(math.ceil(len(self.groups) / self._own)):
            mine = wanted[wanted // self._own == turn]
            for index, picture in zip(mine, self._base.pictures(mine % self._own), strict=True):
                random = np.random.default_rng([self._seed, int(index)])
                yield augment(picture, random) if turn else picture
