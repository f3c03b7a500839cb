"""Frames of cameras that stand still: as they always are, and with something wrong."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage
from export.reference.recipes.data import gather
from export.reference.world.samples import newcomers
from export.reference.world.scene import Scene
from export.reference.world.settings import SceneSettings
from export.reference.world.truth import ANOMALIES

_FPS = 0.8  # frames well apart
_RENDERED = 2  # times the size that is learned from
Kinds = NDArray[np.int64]


def frames(
    scenes: int,
    each: int,
    *,
    views: int,
    size: tuple[int, int],
    seed: int,
    wrong: bool = False,
    people_from: int | None = None,
) -> tuple[ByteImage, Kinds]:
    """Frames ``[scenes·each, H, W, 3]`` BGR, and which of ANOMALIES each shows, −1 for none.

    Scenes come one after the other; which of the cameras sees one is ``views_of``'s. size: width,
    height. wrong: every second scene has one from its first frame on, of each kind in turn.
    people_from: seed of the first of the people who come, others in each scene; None for anyone.
    """
    one = partial(
        _of_one, each=each, views=views, size=size, seed=seed, wrong=wrong, people_from=people_from
    )
    found = gather(one, scenes, "frames")
    return (
        np.concatenate([pictures for pictures, _ in found]),
        np.concatenate([kinds for _, kinds in found]),
    )


def views_of(scenes: int, each: int, *, views: int) -> Kinds:
    """Which camera each frame of ``frames`` is of."""
    return np.repeat(np.arange(scenes) // 2 % views, each)


def windows(count: int, each: int, long: int) -> list[tuple[int, int]]:
    """Start and end of every ``long`` frames in a row of one scene, of ``count`` in all."""
    return [
        (start, start + long)
        for scene in range(0, count, each)
        for start in range(scene, scene + each - long + 1)
    ]


def _of_one(
    index: int,
    *,
    each: int,
    views: int,
    size: tuple[int, int],
    seed: int,
    wrong: bool,
    people_from: int | None,
) -> tuple[ByteImage, Kinds]:
    random = np.random.default_rng([seed, index])
    odd = wrong and index % 2 == 1
    settings = SceneSettings(
        view=index // 2 % views,
        place="corridor",
        size=(size[0] * _RENDERED, size[1] * _RENDERED),
        fps=_FPS,
        seconds=each / _FPS,
        people=int(random.integers(0, 3)),
        behaviours=("walk",),
        night=False,
        identities=newcomers(people_from, index),
        anomaly=ANOMALIES[index // 2 % len(ANOMALIES)] if odd else None,
    )
    pictures, kinds = [], []
    for image, truth in Scene(seed=int(random.integers(1 << 62)), settings=settings):
        pictures.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8))
        kinds.append(-1 if truth.anomaly is None else ANOMALIES.index(truth.anomaly.kind))
    return np.stack(pictures), np.asarray(kinds, np.int64)
