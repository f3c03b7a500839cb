"""Frames of cameras that stand still: as they always are, and with something wrong."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage
from export.reference.recipes.data import gather
from export.reference.world.scene import Scene
from export.reference.world.settings import SceneSettings
from export.reference.world.truth import ANOMALIES

_FPS = 0.8  # frames well apart
_RENDERED = 2  # times the size that is learned from
Flags = NDArray[np.bool_]


def frames(
    scenes: int, each: int, *, views: int, size: tuple[int, int], seed: int, wrong: bool = False
) -> tuple[ByteImage, Flags]:
    """Frames ``[scenes·each, H, W, 3]`` BGR of so many cameras, and which show an anomaly.

    size: width, height. wrong: every second scene has one from its first frame on, of each kind in
    turn.
    """
    one = partial(_of_one, each=each, views=views, size=size, seed=seed, wrong=wrong)
    found = gather(one, scenes, "frames")
    return (
        np.concatenate([pictures for pictures, _ in found]),
        np.concatenate([flags for _, flags in found]),
    )


def _of_one(
    index: int, *, each: int, views: int, size: tuple[int, int], seed: int, wrong: bool
) -> tuple[ByteImage, Flags]:
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
        anomaly=ANOMALIES[index // 2 % len(ANOMALIES)] if odd else None,
    )
    pictures, flags = [], []
    for image, truth in Scene(seed=int(random.integers(1 << 62)), settings=settings):
        pictures.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8))
        flags.append(truth.anomaly is not None)
    return np.stack(pictures), np.asarray(flags, np.bool_)
