"""What every head shares: the contract, and finding outputs by their shapes.

Outputs are told apart by shape, not by name: exporters rename tensors, and a shape that fits is
also what proves that the model is of the decoder's family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import DecoderMismatchError
from edge.manifest import Decoder
from edge.runner.base import Tensor
from edge.types import Detections, FloatArray


class Head(ABC):
    """Decodes the outputs of one family of detectors."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    @abstractmethod
    def decode(
        self, outputs: Sequence[Tensor], size: tuple[int, int], floor: float
    ) -> list[Detections]:
        """One ``Detections`` for each picture of the batch, scores ≥ ``floor``, tensor pixels.

        size: (width, height) of the tensor. Raises DecoderMismatchError where shapes do not fit.
        """


@dataclass(frozen=True, slots=True)
class Level:
    """The cells of one stride of an anchor-free detector.

    corners: float32 ``[cells · anchors, 2]``, column and row of each cell, row by row.
    """

    stride: int
    corners: FloatArray

    @classmethod
    def of(cls, size: tuple[int, int], stride: int, anchors: int = 1) -> Level:
        columns, rows = size[0] // stride, size[1] // stride
        y, x = np.divmod(np.arange(columns * rows), max(columns, 1))
        corners = np.stack([x, y], axis=1).astype(np.float32)
        return cls(stride, np.repeat(corners, anchors, axis=0))

    def __len__(self) -> int:
        return len(self.corners)


def batched(outputs: Sequence[Tensor]) -> list[FloatArray]:
    """Outputs as float32 ``[N, rows, columns]``; one without a batch axis is a batch of one."""
    shaped = []
    for value in outputs:
        array = np.asarray(value, np.float32)
        shaped.append(array[None] if array.ndim == 2 else array)
    return shaped


def take(outputs: list[FloatArray], rows: int, columns: int, count: int) -> list[FloatArray]:
    """Remove and return the ``count`` outputs of ``[N, rows, columns]``; [] where fewer are there.

    More than ``count`` is a mismatch too: nothing then says which is which.
    """
    found = [value for value in outputs if value.ndim == 3 and value.shape[1:] == (rows, columns)]
    if len(found) != count:
        return []
    outputs[:] = [value for value in outputs if not any(value is other for other in found)]
    return found


def mismatch(decoder: str, expected: str, outputs: Sequence[Tensor]) -> DecoderMismatchError:
    """The error for outputs that are not of the decoder's family."""
    found = ", ".join(str(list(np.shape(value))) for value in outputs) or "no outputs"
    return DecoderMismatchError(
        f"the model's outputs do not fit decoder {decoder!r}",
        expected=expected,
        found=found,
        remedy="Choose the decoder (template) that this model was trained with.",
    )


def select(
    boxes: FloatArray,
    scores: FloatArray,
    labels: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None,
    landmarks: FloatArray | None = None,
) -> Detections:
    """Detections with label 0 where none is given; boxes that are not finite are dropped."""
    if labels is None:
        labels = np.zeros(len(boxes), np.int64)
    found = Detections(
        boxes.astype(np.float32), scores.astype(np.float32), labels.astype(np.int64), landmarks
    )
    finite = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)
    return found if finite.all() else found[finite]


def concatenate(parts: Sequence[Detections]) -> Detections:
    """All detections of all parts; landmarks only where every part has them."""
    landmarks = [part.landmarks for part in parts if part.landmarks is not None]
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate(landmarks) if len(landmarks) == len(parts) else None,
    )
