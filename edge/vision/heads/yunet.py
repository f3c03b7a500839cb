"""YuNet: anchor-free faces with five landmarks (Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level
Face Detector", Machine Intelligence Research 20, 2023)."""

from __future__ import annotations

import numpy as np

from edge.manifest import YunetDecoder
from edge.types import Detections, FloatArray
from edge.vision.heads.base import Head, boxes_from_centres, grid_of, join_levels, select


class YunetHead(Head):
    """For stride s with HW/s² cells: cls and obj ``[N, cells, 1]``, box ``[.., 4]``, points
    ``[.., 10]``.

    score = √(cls · obj); centre = (cell + d) · s; size = exp(d) · s; landmark = (cell + k) · s.
    """

    def __init__(self, decoder: YunetDecoder) -> None:
        super().__init__(decoder)
        self._strides = decoder.strides

    def _decode(
        self, outputs: list[FloatArray], size: tuple[int, int], floor: float
    ) -> list[Detections]:
        grid = grid_of(size, self._strides)
        joined = join_levels(outputs, grid, {1: 2, 4: 1, 10: 1})
        if joined is None:
            raise self._mismatch(
                f"two [N, cells, 1], one [.., 4] and one [.., 10] with {grid.lengths} cells for "
                f"strides {self._strides}",
                outputs,
            )
        # cls and obj have one shape, but their product does not care which is which.
        first, second = joined[1]
        self._require_probabilities(first, second)
        scores = np.sqrt(first * second)[..., 0]
        found = []
        for score, box, points in zip(scores, joined[4][0], joined[10][0], strict=True):
            keep = np.flatnonzero(score >= floor)
            corners, strides, raw = grid.corners[keep], grid.strides[keep], box[keep]
            boxes = boxes_from_centres((corners + raw[:, :2]) * strides, raw[:, 2:], strides)
            offsets = points[keep].reshape(-1, 5, 2)
            landmarks = (corners[:, None] + offsets) * strides[:, None]
            found.append(select(boxes, score[keep], landmarks=landmarks))
        return found
