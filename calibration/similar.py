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
# Hashes that are compared at once, so that fifty thousand take no memory of their own.
_AT_ONCE = 4096
_BITS, _PAIRS, _NIBBLES, _BYTES = (
    np.uint64(int(byte * 8, 16)) for byte in ("55", "33", "0f", "01")
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
    """In how many bits each of ``[N, W]`` differs from ``one``, ``[W]``: ``[N]``."""
    count = np.zeros(len(hashes), np.int64)
    for column, word in zip(hashes.T, one, strict=True):
        count += _ones(column ^ word).astype(np.int64)
    return count


def _ones(words: Hash) -> Hash:
    """How many bits are set in each word: sums of neighbours, in ever larger fields (H. S. Warren,
    "Hacker's Delight", section 5-1). NumPy has it only from version 2 on."""
    words = words - ((words >> np.uint64(1)) & _BITS)
    words = (words & _PAIRS) + ((words >> np.uint64(2)) & _PAIRS)
    words = (words + (words >> np.uint64(4))) & _NIBBLES
    return (words * _BYTES) >> np.uint64(56)


class Distinct:
    """Takes pictures one by one and tells which are new; 32 bytes are kept of each that is."""

    def __init__(self, *, near: int = NEAR_BITS) -> None:
        self._near = near
        self._held: Hash = np.zeros((64, _WORDS), np.uint64)
        self._count = 0
        self.dropped = 0

    def is_new(self, one: Hash) -> bool:
        """Whether no picture that was new before has nearly this hash."""
        if self._is_held(one):
            self.dropped += 1
            return False
        if self._count == len(self._held):
            self._held = np.concatenate([self._held, np.zeros_like(self._held)])
        self._held[self._count] = one
        self._count += 1
        return True

    def _is_held(self, one: Hash) -> bool:
        for start in range(0, self._count, _AT_ONCE):
            part = self._held[start : min(start + _AT_ONCE, self._count)]
            # Few are near in the first word, and only those need the others.
            part = part[differing_bits(part[:, :1], one[:1]) <= self._near]
            if (differing_bits(part, one) <= self._near).any():
                return True
        return False
