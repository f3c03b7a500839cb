"""Average precision of a detector against known boxes.

Matching is COCO's (Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its
evaluation code): within a picture the detections, best score first, each take the free box of
their label with the largest IoU of at least the threshold; boxes to be ignored are taken last and
count neither way. The average precision is the area under the interpolated precision-recall curve
at every recall that occurs (Everingham et al., "The Pascal Visual Object Classes Challenge: A
Retrospective", IJCV 111, 2015, as of 2010), not at COCO's 101 recalls: those lie 0.01 apart, and
differences of half a point could not be told from none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.bootstrap import Indices
from edge.geometry import iou_matrix
from edge.types import Detections, FloatArray

_HIT, _MISS, _IGNORED = 1, 0, -1


@dataclass(frozen=True, slots=True)
class Boxes:
    """What is in one picture: boxes ``[M, 4]`` pixels and labels ``[M]``.

    ignored: bool ``[M]``, boxes that need not be found and may be; none where None.
    """

    boxes: FloatArray
    labels: NDArray[np.int64]
    ignored: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        n = len(self.boxes)
        if self.boxes.shape != (n, 4) or self.labels.shape != (n,):
            raise ValueError(
                f"expected boxes [M, 4] and labels [M], found {self.boxes.shape} and "
                f"{self.labels.shape}"
            )
        if self.ignored is not None and self.ignored.shape != (n,):
            raise ValueError(f"expected ignored [{n}], found {self.ignored.shape}")


@dataclass(frozen=True, slots=True)
class Matches:
    """The detections of all pictures, best score first, and whether each is right.

    scores: ``[K]``. hits: bool ``[K]``. labels: ``[K]``. pictures: ``[K]``, which picture it is in.
    truths: for each label the number of boxes to find in each picture, ``[P]``. Detections that
    took an ignored box are left out.
    """

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    labels: NDArray[np.int64]
    pictures: Indices
    truths: dict[int, NDArray[np.int64]]
