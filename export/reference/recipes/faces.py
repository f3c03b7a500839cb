"""Faces to learn from: aligned crops, as recognisers are given them."""

from __future__ import annotations

from functools import partial

import numpy as np

from edge.types import ByteImage
from export.reference.recipes.data import gather
from export.reference.world.faces import face_samples

SIDE = 64  # of every crop, pixels
# Seeds below are people to learn from; those from here on are kept to measure with.
HELD_OUT = 1_000_000


def crops(first: int, people: int, each: int, *, seed: int, nuisance: float = 1.0) -> ByteImage:
    """``each`` crops of so many people from ``first`` on, one after the other: uint8
    ``[people·each, 64, 64, 3]`` BGR. nuisance: 0 straight ahead and sharp, 1 as cameras see them.
    """
    one = partial(_of_one, first=first, each=each, seed=seed, nuisance=nuisance)
    return np.concatenate(gather(one, people, "faces"))


def _of_one(index: int, *, first: int, each: int, seed: int, nuisance: float) -> ByteImage:
    samples = face_samples([first + index], each=each, seed=seed, size=SIDE, nuisance=nuisance)
    return np.stack([sample.image for sample in samples])
