"""UltraFace-style heads: an SSD whose export already decodes its anchors to corners."""

from __future__ import annotations

import numpy as np

from edge.types import Detections, FloatArray
from edge.vision.heads.base import Head, select


class UltraFaceHead(Head):
    """scores ``[N, A, 2]`` (background, face; after the softmax) and boxes ``[N, A, 4]`` as
    corners in fractions of the tensor."""

    def _decode(
        self, outputs: list[FloatArray], size: tuple[int, int], floor: float
    ) -> list[Detections]:
        by_width = {value.shape[2]: value for value in outputs}
        scores, boxes = by_width.get(2), by_width.get(4)
        if (
            len(outputs) != 2
            or scores is None
            or boxes is None
            or scores.shape[1] != boxes.shape[1]
        ):
            raise self._mismatch("scores [N, A, 2] and boxes [N, A, 4]", outputs)
        self._require_probabilities(scores)
        corners = np.asarray([*size, *size], np.float32)
        found = []
        for score, box in zip(scores[..., 1], boxes, strict=True):
            keep = np.flatnonzero(score >= floor)
            found.append(select(box[keep] * corners, score[keep]))
        return found
