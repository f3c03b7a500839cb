"""YOLOX heads (Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv:2107.08430)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.manifest import YoloxDecoder
from edge.runner.base import Tensor
from edge.types import Detections
from edge.vision.heads.base import Head, Level, batched, mismatch, select


class YoloxHead(Head):
    """One ``[N, cells of all strides, 5 + classes]``: x, y, w, h, objectness, class scores.

    centre = (xy + cell) · s; size = exp(wh) · s; score = objectness · best class. Both scores are
    after the sigmoid.
    """

    decoder: YoloxDecoder

    def decode(
        self, outputs: Sequence[Tensor], size: tuple[int, int], floor: float
    ) -> list[Detections]:
        levels = [Level.of(size, stride) for stride in self.decoder.strides]
        cells = sum(map(len, levels))
        arrays = batched(outputs)
        if len(arrays) != 1 or arrays[0].shape[1] != cells or arrays[0].shape[2] < 6:
            raise mismatch("yolox", f"one [N, {cells}, 5 + classes]", outputs)
        corners = np.concatenate([level.corners for level in levels])
        strides = np.concatenate([np.full(len(level), level.stride) for level in levels])
        found = []
        for rows in arrays[0]:
            labels = rows[:, 5:].argmax(axis=1)
            scores = rows[:, 4] * rows[np.arange(cells), 5 + labels]
            keep = np.flatnonzero(scores >= floor)
            stride = strides[keep, None].astype(np.float32)
            centre = (rows[keep, :2] + corners[keep]) * stride
            half = np.exp(np.clip(rows[keep, 2:4], -20, 20)) * stride / 2
            boxes = np.concatenate([centre - half, centre + half], axis=1)
            found.append(select(boxes, scores[keep], labels[keep]))
        return found
