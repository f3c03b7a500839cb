"""Frames from one process to another through shared memory, where the newest wins.

The memory is an anonymous file (memfd): it has no name that could be left behind, and it is gone
with the last process that holds it, however that one ended. Its size is fixed by a seal, so no
process can pull it away from under another. It is as large as the largest frame wants, but only
pages that were written to are ever taken.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
from dataclasses import dataclass, field
from multiprocessing import reduction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage

# With three slots a reader has the time of a whole frame before its slot is written to again.
_SLOTS = 3
_WORD = np.dtype(np.uint64)

# Words of the head: the number of the newest frame, the index after it, the writer's last sign of
# life in nanoseconds of the monotonic clock.
_NEWEST, _NEXT_INDEX, _BEAT = 0, 1, 2
# Words of a slot's head, one cache line each. The mark is the number of the frame that it holds,
# 0 while it is written to.
_SLOT_WORDS = 8
_MARK, _WIDTH, _HEIGHT, _TIME, _INDEX = range(5)

_TRIES = 8


@dataclass(frozen=True, slots=True)
class RingFrame:
    """One frame out of the ring. image: uint8 ``[H, W, 3]`` BGR, a copy.

    number counts the frames put into this ring, from 1; time is in seconds since the epoch.
    """

    number: int
    index: int
    time: float
    image: ByteImage = field(repr=False)


class FrameRing:
    """A few slots in shared memory: one process puts frames in, one takes the newest out.

    Nobody ever waits. A slot that is written to while it is read is never delivered: each has a
    mark that is looked at before and after (a sequence lock), and the taker turns to what is newest
    then. The writer's place in it may end at any moment, half a frame included.

    It reaches the other process as an argument of that process. Use each side on one thread at a
    time. max_pixels: the most pixels of a frame; their memory is only taken where they come.
    """

    def __init__(self, *, max_pixels: int, descriptor: int | None = None) -> None:
        slot_bytes = -(-max_pixels * 3 // mmap.PAGESIZE) * mmap.PAGESIZE
        head_words = _SLOT_WORDS * (1 + _SLOTS)
        size = mmap.PAGESIZE + _SLOTS * slot_bytes
        self._max_pixels = max_pixels
        self._descriptor = _sealed_memory(size) if descriptor is None else descriptor
        self._memory = mmap.mmap(self._descriptor, size)
        words = np.frombuffer(self._memory, _WORD, count=head_words).reshape(-1, _SLOT_WORDS)
        self._head: NDArray[np.uint64] = words[0]
        self._marks: NDArray[np.uint64] = words[1:]
        pixels = np.frombuffer(self._memory, np.uint8, offset=mmap.PAGESIZE)
        self._pixels: ByteImage = pixels.reshape(_SLOTS, slot_bytes)
        self._fence = _Fence()
        self._taken = 0

    @property
    def written(self) -> int:
        """How many frames were put in so far."""
        return int(self._head[_NEWEST])

    @property
    def waiting(self) -> bool:
        """Whether there is a frame to take."""
        return self.written != self._taken

    @property
    def next_index(self) -> int:
        """The index after that of the newest frame; 0 where there is none."""
        return int(self._head[_NEXT_INDEX])

    @property
    def last_beat(self) -> float:
        """When the writer last gave a sign of life, seconds of the monotonic clock; 0 for never."""
        return int(self._head[_BEAT]) / 1e9

    def beat(self, now: float) -> None:
        """The writer lives. now: seconds of the monotonic clock."""
        self._head[_BEAT] = int(now * 1e9)

    def put(self, image: ByteImage, *, index: int, time: float) -> None:
        """Make this the newest frame. image: uint8 ``[H, W, 3]``; time: seconds since the epoch.

        Raises ValueError for more than ``max_pixels``.
        """
        height, width = image.shape[:2]
        if height * width > self._max_pixels:
            raise ValueError(f"expected at most {self._max_pixels} pixels, found {width}×{height}")
        number = self.written + 1
        slot = number % _SLOTS
        head = self._marks[slot]
        head[_MARK] = 0
        self._fence()
        head[_WIDTH], head[_HEIGHT] = width, height
        head[_TIME], head[_INDEX] = round(time * 1e9), index
        self._view(slot, width, height)[...] = image
        self._fence()
        head[_MARK] = number
        self._head[_NEXT_INDEX] = index + 1
        self._fence()
        self._head[_NEWEST] = number

    def take(self) -> RingFrame | None:
        """The newest frame, where it was not taken yet."""
        for _ in range(_TRIES):
            number = self.written
            if number == self._taken:
                return None
            slot = number % _SLOTS
            head = self._marks[slot]
            if int(head[_MARK]) != number:
                continue
            self._fence()
            width, height = int(head[_WIDTH]), int(head[_HEIGHT])
            time, index = int(head[_TIME]) / 1e9, int(head[_INDEX])
            if not 0 < width * height <= self._max_pixels:
                continue
            image = self._view(slot, width, height).copy()
            self._fence()
            if int(head[_MARK]) == number:
                self._taken = number
                return RingFrame(number, index, time, image)
        return None

    def close(self) -> None:
        """Let go of the memory. Safe to call twice; nothing else may be called after it."""
        if not self._memory.closed:
            del self._head, self._marks, self._pixels
            self._memory.close()
            os.close(self._descriptor)

    def _view(self, slot: int, width: int, height: int) -> ByteImage:
        return self._pixels[slot, : width * height * 3].reshape(height, width, 3)

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (reduction.DupFd(self._descriptor), self._max_pixels)


class _Fence:
    """Keeps the order of what is read and written before and after it, as other cores see it.

    Python has no such call, and ARM cores do reorder. Giving back a lock and taking it again does
    it on every machine: nothing moves down past the first or up past the second.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def __call__(self) -> None:
        self._lock.release()
        self._lock.acquire()


def _sealed_memory(size: int) -> int:
    descriptor = os.memfd_create("edgewarden-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def _attach(descriptor: Any, max_pixels: int) -> FrameRing:
    return FrameRing(max_pixels=max_pixels, descriptor=descriptor.detach())
