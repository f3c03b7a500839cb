"""Detections from bare boxes, and a stream that shows them to a tracker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest

from edge.track.bytetrack import ByteTracker, TrackSettings
from edge.types import Detections, Track

Box = Sequence[float]
MakeDetections = Callable[..., Detections]
MakeStream = Callable[..., "Stream"]


def _detections(boxes: Iterable[Box], scores: Sequence[float] | float = 0.9) -> Detections:
    rows = np.asarray(list(boxes), np.float32).reshape(-1, 4)
    values = np.broadcast_to(np.asarray(scores, np.float32), len(rows)).copy()
    return Detections(rows, values, np.zeros(len(rows), np.int64))


class Stream:
    """A tracker and its next frame index; remembers all that has ended."""

    def __init__(self, settings: TrackSettings) -> None:
        self.tracker = ByteTracker(settings=settings)
        self.index = 0
        self.ended: list[Track] = []

    def show(
        self, *boxes: Box, scores: Sequence[float] | float = 0.9, times: int = 1, every: int = 1
    ) -> list[Track]:
        """The same boxes ``times`` over, ``every`` frames; the tracks alive after the last."""
        alive: list[Track] = []
        for _ in range(times):
            alive, ended = self.tracker.update(_detections(boxes, scores), self.index)
            self.ended += ended
            self.index += every
        return alive

    def flush(self) -> list[Track]:
        return self.tracker.flush()


@pytest.fixture(scope="session")
def detections() -> MakeDetections:
    """``detections([box, box], 0.9)``: these boxes, all with one score or each with its own."""
    return _detections


@pytest.fixture
def make_stream() -> MakeStream:
    """``make_stream(max_lost=5)``: a stream whose tracker has these settings."""

    def make(**settings: float | bool | None) -> Stream:
        return Stream(TrackSettings(**settings))  # type: ignore[arg-type]  # checked when it runs

    return make


@pytest.fixture
def stream() -> Stream:
    """A stream whose tracker has the settings it comes with."""
    return Stream(TrackSettings())
