"""SCRFD-style heads: distances from anchor points to a box's sides (Guo et al., "Sample and
Computation Redistribution for Efficient Face Detection", ICLR 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.manifest import ScrfdDecoder
from edge.runner.base import Tensor
from edge.types import Detections, FloatArray
from edge.vision.heads.base import Head, Level, batched, concatenate, mismatch, select, take


class ScrfdHead(Head):
    """For stride s with A anchors a cell: score ``[N, A·HW/s², 1]`` after the sigmoid, box
    ``[.., 4]`` and, in models that have them, points ``[.., 10]``.

    With p = cell · s: box = (p − (l, t)·s, p + (r, b)·s); landmark = p + k · s.
    """

    decoder: ScrfdDecoder

    def decode(
        self, outputs: Sequence[Tensor], size: tuple[int, int], floor: float
    ) -> list[Detections]:
        remaining = batched(outputs)
        parts = []
        for stride in self.decoder.strides:
            level = Level.of(size, stride, self.decoder.anchors)
            scores = take(remaining, len(level), 1, 1)
            boxes = take(remaining, len(level), 4, 1)
            if not (scores and boxes):
                raise mismatch(
                    "scrfd",
                    f"[N, {len(level)}, 1], [.., 4] and perhaps [.., 10] for stride {stride}",
                    outputs,
                )
            points = take(remaining, len(level), 10, 1)
            parts.append(
                _decode_level(
                    level, scores[0][..., 0], boxes[0], points[0] if points else None, floor
                )
            )
        if remaining:
            raise mismatch("scrfd", f"outputs for the strides {self.decoder.strides} only", outputs)
        return [concatenate(levels) for levels in zip(*parts, strict=True)]


def _decode_level(
    level: Level, score: FloatArray, box: FloatArray, points: FloatArray | None, floor: float
) -> list[Detections]:
    found = []
    for picture in range(len(score)):
        keep = np.flatnonzero(score[picture] >= floor)
        anchor = level.corners[keep] * level.stride
        sides = box[picture, keep] * level.stride
        landmarks = None
        if points is not None:
            offsets = points[picture, keep].reshape(-1, 5, 2) * level.stride
            landmarks = (anchor[:, None] + offsets).astype(np.float32)
        found.append(
            select(
                np.concatenate([anchor - sides[:, :2], anchor + sides[:, 2:]], axis=1),
                score[picture, keep],
                landmarks=landmarks,
            )
        )
    return found
