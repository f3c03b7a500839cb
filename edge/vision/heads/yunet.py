"""YuNet: anchor-free faces with five landmarks (Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level
Face Detector", Machine Intelligence Research 20, 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.manifest import YunetDecoder
from edge.runner.base import Tensor
from edge.types import Detections, FloatArray
from edge.vision.heads.base import Head, Level, batched, concatenate, mismatch, select, take


class YunetHead(Head):
    """For stride s with HW/s² cells: cls and obj ``[N, cells, 1]``, box ``[.., 4]``, points
    ``[.., 10]``.

    score = √(cls · obj); centre = (cell + d) · s; size = exp(d) · s; landmark = (cell + k) · s.
    """

    decoder: YunetDecoder

    def decode(
        self, outputs: Sequence[Tensor], size: tuple[int, int], floor: float
    ) -> list[Detections]:
        remaining = batched(outputs)
        parts = []
        for stride in self.decoder.strides:
            level = Level.of(size, stride)
            scores = take(remaining, len(level), 1, 2)
            boxes = take(remaining, len(level), 4, 1)
            points = take(remaining, len(level), 10, 1)
            if not (scores and boxes and points):
                raise mismatch(
                    "yunet",
                    f"two [N, {len(level)}, 1], one [.., 4] and one [.., 10] for stride {stride}",
                    outputs,
                )
            # cls and obj have one shape, but their product does not care which is which.
            score = np.sqrt(np.clip(scores[0], 0, 1) * np.clip(scores[1], 0, 1))[..., 0]
            parts.append(_decode_level(level, score, boxes[0], points[0], floor))
        if remaining:
            raise mismatch("yunet", f"4 outputs for each stride of {self.decoder.strides}", outputs)
        return [concatenate(levels) for levels in zip(*parts, strict=True)]


def _decode_level(
    level: Level, score: FloatArray, box: FloatArray, points: FloatArray, floor: float
) -> list[Detections]:
    found = []
    for picture in range(len(score)):
        keep = np.flatnonzero(score[picture] >= floor)
        corner = level.corners[keep]
        raw = box[picture, keep]
        centre = (corner + raw[:, :2]) * level.stride
        half = np.exp(np.clip(raw[:, 2:], -20, 20)) * level.stride / 2
        offsets = points[picture, keep].reshape(-1, 5, 2)
        found.append(
            select(
                np.concatenate([centre - half, centre + half], axis=1),
                score[picture, keep],
                landmarks=(corner[:, None] + offsets) * np.float32(level.stride),
            )
        )
    return found
