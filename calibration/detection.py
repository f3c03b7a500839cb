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
    rows: ``[K]``, which detection of that picture it is. taken: ``[K]``, the box of that picture
    that a right one took, else -1. overlaps: ``[K]``, its IoU with that box, else 0. truths: for
    each label the number of boxes to find in each picture, ``[P]``. Detections that took an ignored
    box are left out.
    """

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    labels: NDArray[np.int64]
    pictures: Indices
    rows: Indices
    taken: Indices
    overlaps: NDArray[np.float64]
    truths: dict[int, NDArray[np.int64]]


def match(found: Sequence[Detections], truth: Sequence[Boxes], *, iou: float = 0.5) -> Matches:
    """Hold the detections of each picture against what is in it.

    iou: the least overlap of a right detection. Raises ValueError where there is not one truth for
    each picture.
    """
    if len(found) != len(truth):
        raise ValueError(f"expected the truth of {len(found)} pictures, found {len(truth)}")
    labels = sorted({int(label) for boxes in truth for label in boxes.labels})
    truths = {
        label: np.asarray([_wanted(boxes, label) for boxes in truth], np.int64) for label in labels
    }
    parts = [_match_picture(one, boxes, iou) for one, boxes in zip(found, truth, strict=True)]
    pictures = np.repeat(np.arange(len(found)), [len(one) for one in found])
    if not len(pictures):
        none, index = np.zeros(0), np.zeros(0, np.intp)
        whole = index.astype(np.int64)
        return Matches(none, none > 0, whole, index, index, index, none, truths)
    taken, overlaps, ignored = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    scores = np.concatenate([one.scores for one in found]).astype(np.float64)
    kept = np.flatnonzero(~ignored)
    order = kept[np.argsort(-scores[kept], kind="stable")]
    return Matches(
        scores=scores[order],
        hits=taken[order] >= 0,
        labels=np.concatenate([one.labels for one in found])[order],
        pictures=pictures[order],
        rows=np.concatenate([np.arange(len(one)) for one in found])[order],
        taken=taken[order],
        overlaps=overlaps[order],
        truths=truths,
    )


def average_precision(matches: Matches, pictures: Indices | None = None) -> float:
    """The average precision, 0..1, mean over the labels that have boxes to be found.

    pictures: only those, with repeats, as a bootstrap draws them; all where None. NaN where they
    hold nothing to be found.
    """
    per_label = []
    for label, truths in matches.truths.items():
        weights = (
            np.ones(len(truths), np.int64)
            if pictures is None
            else np.bincount(pictures, minlength=len(truths))
        )
        total = int(weights @ truths)
        if total:
            rows = matches.labels == label
            per_label.append(
                _area(
                    matches.scores[rows],
                    matches.hits[rows],
                    weights[matches.pictures[rows]],
                    total,
                )
            )
    return float(np.mean(per_label)) if per_label else math.nan


def recall_at(matches: Matches, score: float, pictures: Indices | None = None) -> float:
    """The share of boxes, of all labels, that are found with at least ``score``; NaN of none."""
    count = len(next(iter(matches.truths.values()), ()))
    weights = (
        np.ones(count, np.int64) if pictures is None else np.bincount(pictures, minlength=count)
    )
    total = sum(int(weights @ truths) for truths in matches.truths.values())
    if not total:
        return math.nan
    right = matches.hits & (matches.scores >= score)
    return float(weights[matches.pictures[right]].sum() / total)


def _wanted(boxes: Boxes, label: int) -> int:
    rows = boxes.labels == label
    if boxes.ignored is not None:
        rows = rows & ~boxes.ignored
    return int(rows.sum())


def _match_picture(
    found: Detections, truth: Boxes, iou: float
) -> tuple[Indices, NDArray[np.float64], NDArray[np.bool_]]:
    """For each detection, in its own order: the box it took or -1, its overlap, to be ignored."""
    taken, shared = np.full(len(found), -1, np.intp), np.zeros(len(found))
    skipped = np.zeros(len(found), bool)
    if not len(found) or not len(truth.boxes):
        return taken, shared, skipped
    overlaps = iou_matrix(found.boxes, truth.boxes)
    overlaps[found.labels[:, None] != truth.labels[None]] = -1
    ignored = np.zeros(len(truth.boxes), bool) if truth.ignored is None else truth.ignored
    free = np.ones(len(truth.boxes), bool)
    for row in np.argsort(-found.scores, kind="stable"):
        for these in (~ignored, ignored):
            candidates = np.where(these & free, overlaps[row], -1)
            best = int(candidates.argmax())
            if candidates[best] >= iou:
                free[best] = False
                skipped[row] = ignored[best]
                if not ignored[best]:
                    taken[row], shared[row] = best, candidates[best]
                break
    return taken, shared, skipped


def _area(
    scores: NDArray[np.float64],
    hits: NDArray[np.bool_],
    weights: NDArray[np.int64],
    total: int,
) -> float:
    """The area under the interpolated curve; detections of equal score enter together."""
    right = np.cumsum(np.where(hits, weights, 0))
    given = np.cumsum(weights)
    last = np.diff(scores, append=-np.inf) != 0
    drawn = last & (given > 0)
    recall = np.concatenate([[0.0], right[drawn] / total])
    precision = right[drawn] / given[drawn]
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.diff(recall) @ best)
