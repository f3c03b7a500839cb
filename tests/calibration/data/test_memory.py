"""Fifty thousand pictures are to need no more memory than five hundred.

The real figures, in a process of its own: python -m tests.calibration.data.memory 500 50000
"""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import cv2
import numpy as np

from calibration.dataset import open_set
from edge.manifest import Manifest

# Python's own tables grow now and then, by more than all of this.
OURS = [tracemalloc.Filter(True, f"*/{package}/*") for package in ("calibration", "edge")]


def held(folder: Path, manifest: Manifest, count: int) -> int:
    """Most bytes that were held at once while pictures were chosen and gone through twice."""
    looks, most = 0, 0

    def look(_: object) -> None:
        nonlocal looks, most
        looks += 1
        if looks % 100 == 0:
            gc.collect()  # decoders leave cycles, whose number does not depend on the pictures'
            snapshot = tracemalloc.take_snapshot().filter_traces(OURS)
            most = max(most, sum(trace.size for trace in snapshot.traces))

    gc.collect()
    tracemalloc.start()
    chosen = open_set([folder], manifest, count=count, watch=look)
    for _ in range(2):
        for feed in chosen.feeds():
            look(feed)
    assert len(chosen.sha256) == 64
    tracemalloc.stop()
    assert chosen.count == count
    return most


def test_a_picture_more_takes_a_fraction_of_its_own_size(tmp_path: Path, whole: Manifest) -> None:
    random = np.random.default_rng(0)
    for number in range(600):
        picture = random.integers(0, 256, (16, 16, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    few, many = held(tmp_path, whole, 200), held(tmp_path, whole, 600)
    assert (many - few) / 400 < 0.03 * 64 * 64 * 3
