"""What every head shares: the contract, the cells of a tensor, and finding outputs by their shapes.

Outputs are told apart by shape, not by name: exporters rename tensors, and a shape that fits is
also what proves that the model is of the decoder's family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.errors import DecoderMismatchError
from edge.manifest import DetectorDecoder
from edge.runner.base import Tensor
from edge.types import Detections, FloatArray

# What rounding to FP16 or INT8 may add to a score; a logit is soon beyond it.
_SCORE_SLACK = 0.05
_LARGEST_LOG_SIZE = 20.0


class Head(ABC):
    """Decodes the outputs of one family of detectors."""

    def __init__(self, decoder: DetectorDecoder) -> None:
        self._name = decoder.name

    def decode(
        self, outputs: Sequence[Tensor], *, size: tuple[int, int], pictures: int, floor: float
    ) -> list[Detections]:
        """One ``Detections`` for each picture of the batch, scores ≥ ``floor``, tensor pixels.

        outputs: ``[pictures, rows, columns]``, or ``[pictures · rows, columns]`` from exporters
        that drop the batch axis. size: (width, height) of the tensor. Rows that are not finite are
        dropped.

        Raises DecoderMismatchError where shapes do not fit, or scores are no probabilities.
        """
        arrays = [self._batched(value, pictures, outputs) for value in outputs]
        with np.errstate(over="ignore", invalid="ignore"):
            return self._decode(arrays, size, floor)

    @abstractmethod
    def _decode(
        self, outputs: list[FloatArray], size: tuple[int, int], floor: float
    ) -> list[Detections]: ...

    def _batched(self, value: Tensor, pictures: int, outputs: Sequence[Tensor]) -> FloatArray:
        array = np.asarray(value, np.float32)
        if array.ndim == 2 and len(array) % pictures == 0:
            return array.reshape(pictures, len(array) // pictures, array.shape[1])
        if array.ndim != 3 or len(array) != pictures:
            raise self._mismatch(f"outputs [{pictures}, rows, columns]", outputs)
        return array

    def _mismatch(self, expected: str, outputs: Sequence[Tensor]) -> DecoderMismatchError:
        found = ", ".join(str(list(np.shape(value))) for value in outputs) or "no outputs"
        return DecoderMismatchError(
            f"the model's outputs do not fit decoder {self._name!r}",
            expected=expected,
            found=found,
            remedy="Choose the decoder (template) that this model was trained with.",
        )

    def _require_probabilities(self, *scores: FloatArray) -> None:
        for array in scores:
            low, high = array.min(initial=0), array.max(initial=0)
            if low >= -_SCORE_SLACK and high <= 1 + _SCORE_SLACK:
                continue
            # A number that is no score at all: NaN and infinity are dropped row by row instead.
            wrong = np.isfinite(array) & (np.abs(array - 0.5) > 0.5 + _SCORE_SLACK)
            if wrong.any():
                raise DecoderMismatchError(
                    f"the model's scores do not fit decoder {self._name!r}",
                    expected="scores in 0..1",
                    found=f"{array[wrong][0]:.3g}",
                    remedy="Export the model with its sigmoid or softmax, or choose its decoder.",
                )


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of all strides of a tensor, stride after stride, row by row.

    corners: float32 ``[cells, 2]``, column and row of each cell. strides: float32 ``[cells, 1]``.
    lengths: how many cells each stride has.
    """

    corners: FloatArray
    strides: FloatArray
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.corners)


@lru_cache(maxsize=32)
def grid_of(size: tuple[int, int], strides: tuple[int, ...], anchors: int = 1) -> Grid:
    """The grid of a tensor of ``size`` (width, height); each cell comes ``anchors`` times.

    Kept from call to call, because a camera asks for one size again and again.
    """
    levels = [_cells(size[0] // stride, size[1] // stride, anchors) for stride in strides]
    lengths = tuple(map(len, levels))
    grid = Grid(
        np.concatenate(levels),
        np.repeat(np.asarray(strides, np.float32), lengths)[:, None],
        lengths,
    )
    grid.corners.setflags(write=False)
    grid.strides.setflags(write=False)
    return grid


def _cells(columns: int, rows: int, anchors: int) -> FloatArray:
    y, x = np.divmod(np.arange(columns * rows), max(columns, 1))
    return np.repeat(np.stack([x, y], axis=1).astype(np.float32), anchors, axis=0)


def join_levels(
    outputs: Sequence[FloatArray], grid: Grid, wanted: Mapping[int, int]
) -> dict[int, list[FloatArray]] | None:
    """Outputs of all strides joined to ``[N, cells, columns]``, by their number of columns.

    wanted: how many outputs of each number of columns every stride has. None where they are not
    exactly these: one too many is a mismatch as well, since nothing says which is which.
    """
    if len(outputs) != len(grid.lengths) * sum(wanted.values()):
        return None
    by_shape: dict[tuple[int, ...], list[FloatArray]] = defaultdict(list)
    for value in outputs:
        by_shape[value.shape[1:]].append(value)
    joined = {}
    for columns, count in wanted.items():
        levels = [by_shape.get((length, columns), []) for length in grid.lengths]
        if any(len(level) != count for level in levels):
            return None
        joined[columns] = [np.concatenate(parts, axis=1) for parts in zip(*levels, strict=True)]
    return joined


def boxes_from_centres(
    centres: FloatArray, log_sizes: FloatArray, strides: FloatArray
) -> FloatArray:
    """``[K, 4]`` corners from centres ``[K, 2]`` in pixels and sizes = exp(log_sizes) · stride."""
    half = np.exp(np.minimum(log_sizes, _LARGEST_LOG_SIZE)) * strides / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def select(
    boxes: FloatArray,
    scores: FloatArray,
    labels: NDArray[np.int64] | None = None,
    landmarks: FloatArray | None = None,
) -> Detections:
    """Detections with label 0 where none is given; those with a number not finite are dropped."""
    if labels is None:
        labels = np.zeros(len(boxes), np.int64)
    finite = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    if landmarks is not None:
        finite &= np.isfinite(landmarks).all(axis=(1, 2))
    found = Detections(boxes, np.minimum(scores, 1), labels, landmarks)
    return found if finite.all() else found[finite]
