"""Simulated faces: a direction for each person, and views scattered around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.tracks import FilmedTrack, Footage
from edge.gallery.shots import Shot
from edge.types import Embedding, FloatArray

DIMENSIONS = 64
# Cosine of a view to its person is about 0.8, of two views of one person about 0.64.
SCATTER = 0.75


def people(random: np.random.Generator, count: int, *, families: int = 0) -> FloatArray:
    """Unit vectors ``[count, D]``; with families, the members of one are alike."""
    directions = random.normal(size=(count, DIMENSIONS))
    if families:
        kin = random.normal(size=(families, DIMENSIONS))
        directions = directions * 0.6 + kin[random.integers(families, size=count)]
    return unit(directions)


def views(random: np.random.Generator, person: FloatArray, count: int) -> FloatArray:
    """Unit vectors ``[count, D]`` of one person."""
    noise = random.normal(size=(count, DIMENSIONS)) / np.sqrt(DIMENSIONS)
    return unit(person + SCATTER * noise)


def unit(vectors: NDArray[np.floating]) -> FloatArray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / norms, np.float32)


def footage(
    random: np.random.Generator,
    video: str,
    present: FloatArray,
    *,
    frames: int = 40,
    shots: int = 8,
) -> Footage:
    """A video in which these people, ``[K, D]``, are all seen together."""
    tracks = tuple(
        FilmedTrack(
            video,
            number,
            tuple(
                Shot(10 * place, 0.8, Embedding(view, "space"))
                for place, view in enumerate(views(random, person, shots))
            ),
        )
        for number, person in enumerate(present, 1)
    )
    together = {
        (low.track_id, high.track_id): frames
        for low in tracks
        for high in tracks
        if low.track_id < high.track_id
    }
    return Footage(tracks, together, frames)
