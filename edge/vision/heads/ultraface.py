"""UltraFace-style heads: an SSD whose export already decodes its anchors to corners."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.manifest import UltrafaceDecoder
from edge.runner.base import Tensor
from edge.types import Detections
from edge.vision.heads.base import Head, batched, mismatch, select


class UltraFaceHead(Head):
    """scores ``[N, A, 2]`` (background, face; after the softmax) and boxes ``[N, A, 4]`` as
    corners in fractions of the tensor."""

    decoder: UltrafaceDecoder

    def decode(
        self, outputs: Sequence[Tensor], size: tuple[int, int], floor: float
    ) -> list[Detections]:
        arrays = batched(outputs)
        by_width = {value.shape[-1]: value for value in arrays if value.ndim == 3}
        scores, boxes = by_width.get(2), by_width.get(4)
        if len(arrays) != 2 or scores is None or boxes is None or len(scores[0]) != len(boxes[0]):
            raise mismatch("ultraface", "scores [N, A, 2] and boxes [N, A, 4]", outputs)
        corners = np.asarray([*size, *size], np.float32)
        found = []
        for score, box in zip(scores[..., 1], boxes, strict=True):
            keep = np.flatnonzero(score >= floor)
            found.append(select(box[keep] * corners, score[keep]))
        return found
