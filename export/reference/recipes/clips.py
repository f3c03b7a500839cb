"""Clips of people who do something, to learn behaviours from."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage
from export.reference.recipes.data import gather
from export.reference.world.samples import track_clips
from export.reference.world.truth import BEHAVIOURS

FRAMES, SIDE = 16, 48  # of a clip; two seconds
HELD_OUT = 1 << 40  # from this seed on: never learned from
_APART = 100  # people, more than come into the clips of one of each
Labels = NDArray[np.int64]


@lru_cache(maxsize=1)  # two recipes learn from the same, and rendering takes minutes
def clips(each: int, *, seed: int, people_from: int | None = None) -> tuple[ByteImage, Labels]:
    """``each`` clips of every behaviour, in turn: uint8 ``[N, 16, 48, 48, 3]`` BGR, and which
    behaviour of BEHAVIOURS each is. The last that were asked for are kept.

    people_from: seed of the first of the people who come, others in each clip; None for anyone.
    """
    one = partial(_of_each, seed=seed, people_from=people_from)
    found = gather(one, each, "clips of each behaviour")
    pictures = np.concatenate(found)
    return pictures, np.tile(np.arange(len(BEHAVIOURS)), each)


def _of_each(index: int, *, seed: int, people_from: int | None) -> ByteImage:
    several = track_clips(
        seed=seed + index,
        count=len(BEHAVIOURS),
        frames=FRAMES,
        size=SIDE,
        people_from=None if people_from is None else people_from + index * _APART,
    )
    return np.stack([clip.pixels for clip in several])
