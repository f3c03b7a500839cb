"""Which cells of a detector's grids are to find which box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.types import FloatArray
from edge.vision.heads.base import Grid, grid_of

STRIDES = (8, 16, 32)
# Sides of the boxes that a stride is for, in pixels; the coarsest takes whatever is larger.
_LARGEST = (40.0, 96.0)
_REACH = 1.0  # cells from the middle of a box to those that are to find it


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What each cell of one picture is to say; cells are those of ``grid_of(size, STRIDES)``.

    owner: int64 ``[cells]``, the box that a cell is to find, −1 for none. counted: bool
    ``[cells]``, False where neither answer is wrong.
    """

    owner: NDArray[np.int64]
    counted: NDArray[np.bool_]


def assign(boxes: FloatArray, ignored: FloatArray, size: tuple[int, int]) -> Targets:
    """Cells near a box's middle, on the grid that fits its size, find it; the smaller box wins.

    boxes: ``[N, 4]``; ignored: ``[K, 4]``, things that may be found or not; size: width, height.
    """
    grid = grid_of(size, STRIDES)
    centres = (grid.corners + 0.5) * grid.strides
    owner = np.full(len(grid), -1, np.int64)
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    for index in np.argsort(-sides, kind="stable"):
        owner[_near(boxes[index], float(sides[index]), grid, centres)] = index
    counted = np.ones(len(grid), np.bool_)
    for box in ignored:
        counted &= ~((centres >= box[:2]) & (centres < box[2:])).all(axis=1)
    return Targets(owner, counted | (owner >= 0))


def _near(box: FloatArray, side: float, grid: Grid, centres: FloatArray) -> NDArray[np.bool_]:
    level = STRIDES[int(np.searchsorted(_LARGEST, side))]
    middle = (box[:2] + box[2:]) / 2
    own = grid.strides[:, 0] == level
    apart = np.abs(centres - middle).max(axis=1)
    near: NDArray[np.bool_] = own & (apart <= _REACH * level)
    return near
