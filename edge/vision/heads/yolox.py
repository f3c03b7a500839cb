"""YOLOX heads (Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv:2107.08430)."""

from __future__ import annotations

import numpy as np

from edge.manifest import YoloxDecoder
from edge.types import Detections, FloatArray
from edge.vision.heads.base import Grid, Head, boxes_from_centres, grid_of, select


class YoloxHead(Head):
    """One ``[N, cells of all strides, 5 + classes]``: x, y, w, h, objectness, class scores.

    centre = (xy + cell) · s; size = exp(wh) · s; score = objectness · best class. Both scores are
    after the sigmoid.
    """

    def __init__(self, decoder: YoloxDecoder) -> None:
        super().__init__(decoder)
        self._strides = decoder.strides

    def _decode(
        self, outputs: list[FloatArray], size: tuple[int, int], floor: float
    ) -> list[Detections]:
        grid = grid_of(size, self._strides)
        if len(outputs) != 1 or outputs[0].shape[1] != len(grid) or outputs[0].shape[2] < 6:
            raise self._mismatch(f"one [N, {len(grid)}, 5 + classes]", outputs)
        self._require_probabilities(outputs[0][..., 4])
        return [self._decode_picture(rows, grid, floor) for rows in outputs[0]]

    def _decode_picture(self, rows: FloatArray, grid: Grid, floor: float) -> Detections:
        # A class score is at most 1, so objectness alone rules out nearly every cell.
        likely = np.flatnonzero(rows[:, 4] >= floor)
        classes = rows[likely, 5:]
        labels = classes.argmax(axis=1)
        best = classes[np.arange(len(likely)), labels]
        self._require_probabilities(best)
        scores = rows[likely, 4] * best
        above = scores >= floor
        keep = likely[above]
        strides = grid.strides[keep]
        centres = (rows[keep, :2] + grid.corners[keep]) * strides
        boxes = boxes_from_centres(centres, rows[keep, 2:4], strides)
        return select(boxes, scores[above], labels[above])
