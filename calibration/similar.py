"""Pictures that show the same thing again, told by a difference hash."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage

Hash = NDArray[np.uint64]

_SIDE = 16
_NOISE = 2  # grey levels
_WORDS = _SIDE * _SIDE // 64
# Of 256 bits. Aligned faces of different clips were never closer than 15 bits to each other; the
# same face a fifth of a second later is closer than this in one case of twenty.
NEAR_BITS = 12
_ONES = (
    np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8))
    .reshape(-1, 16)
    .sum(axis=1, dtype=np.uint8)
)


def difference_hash(picture: ByteImage) -> Hash:
    """Where a picture gets brighter from left to right, on a grid of 16 × 16: uint64 ``[4]``.

    picture: uint8 ``[H, W, 3]`` BGR. After N. Krawetz, "Kind of Like That", 2013; a step has to be
    of more than two grey levels, so that what is flat but for noise is always the same.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA)
    steps = np.diff(small.astype(np.int16), axis=1)
    return np.packbits(steps > _NOISE).view(np.uint64)


def differing_bits(hashes: Hash, one: Hash) -> NDArray[np.int64]:
    """In how many bits each of ``[N, 4]`` differs from ``one``: ``[N]``."""
    ones: NDArray[np.uint8] = _ONES[(hashes ^ one).view(np.uint16)]
    count: NDArray[np.int64] = ones.sum(axis=1, dtype=np.int64)
    return count


class Distinct:
    """Takes pictures one by one and tells which are new; 32 bytes are kept of each that is."""

    def __init__(self, *, near: int = NEAR_BITS) -> None:
        self._near = near
        self._held: Hash = np.zeros((64, _WORDS), np.uint64)
        self._count = 0
        self.dropped = 0

    def is_new(self, one: Hash) -> bool:
        """Whether no picture that was new before has nearly this hash."""
        held = self._held[: self._count]
        if self._count and int(differing_bits(held, one).min()) <= self._near:
            self.dropped += 1
            return False
        if self._count == len(self._held):
            self._held = np.concatenate([self._held, np.zeros_like(self._held)])
        self._held[self._count] = one
        self._count += 1
        return True
