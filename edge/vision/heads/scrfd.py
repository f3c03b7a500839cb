"""SCRFD-style heads: distances from anchor points to a box's sides (Guo et al., "Sample and
Computation Redistribution for Efficient Face Detection", ICLR 2022)."""

from __future__ import annotations

import numpy as np

from edge.manifest import ScrfdDecoder
from edge.types import Detections, FloatArray
from edge.vision.heads.base import Head, grid_of, join_levels, select


class ScrfdHead(Head):
    """For stride s with A anchors a cell: score ``[N, A·HW/s², 1]`` after the sigmoid, box
    ``[.., 4]`` and, in models that have them, points ``[.., 10]``.

    With p = cell · s: box = (p − (l, t)·s, p + (r, b)·s); landmark = p + k · s.
    """

    def __init__(self, decoder: ScrfdDecoder) -> None:
        super().__init__(decoder)
        self._strides = decoder.strides
        self._anchors = decoder.anchors

    def _decode(
        self, outputs: list[FloatArray], size: tuple[int, int], floor: float
    ) -> list[Detections]:
        grid = grid_of(size, self._strides, self._anchors)
        bare = {1: 1, 4: 1}
        joined = join_levels(outputs, grid, {**bare, 10: 1}) or join_levels(outputs, grid, bare)
        if joined is None:
            raise self._mismatch(
                f"[N, cells, 1], [.., 4] and perhaps [.., 10] with {grid.lengths} cells for "
                f"strides {self._strides}",
                outputs,
            )
        self._require_probabilities(joined[1][0])
        found = []
        for picture, score in enumerate(joined[1][0][..., 0]):
            keep = np.flatnonzero(score >= floor)
            strides = grid.strides[keep]
            anchors = grid.corners[keep] * strides
            sides = joined[4][0][picture, keep] * strides
            boxes = np.concatenate([anchors - sides[:, :2], anchors + sides[:, 2:]], axis=1)
            landmarks = None
            if 10 in joined:
                offsets = joined[10][0][picture, keep].reshape(-1, 5, 2)
                landmarks = anchors[:, None] + offsets * strides[:, None]
            found.append(select(boxes, score[keep], landmarks=landmarks))
        return found
