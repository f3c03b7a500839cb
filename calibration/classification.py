"""How right a classifier is: accuracy, precision, recall, F1 and who is taken for whom."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.bootstrap import Indices, Interval, bootstrap
from edge.extras import needing


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFigures:
    """One label: pictures that show it, and precision, recall and F1, 0 where nothing is."""

    label: str
    support: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """Everything about one run. Intervals are of 95 %, by bootstrap over the groups.

    confusion: ``[L, L]``, rows what is shown and columns what was said. macro_f1: mean over the
    labels that are shown.
    """

    labels: tuple[str, ...]
    count: int
    groups: int
    accuracy: Interval
    macro_f1: Interval
    per_label: tuple[LabelFigures, ...]
    confusion: NDArray[np.int64]


def classify(
    truth: Sequence[int],
    said: Sequence[int],
    labels: Sequence[str],
    *,
    groups: Sequence[Hashable] | None = None,
) -> Classified:
    """Hold what was said of each picture against what it shows, both as places in ``labels``.

    groups: which pictures belong together, such as those of one clip.
    Raises ValueError where the two have different lengths or nothing is given, MissingExtraError
    without scikit-learn.
    """
    if len(truth) != len(said) or not len(truth):
        raise ValueError(f"expected as many answers as pictures, found {len(said)}, {len(truth)}")
    with needing("evaluating classifiers"):
        from sklearn import metrics
    shown, given = np.asarray(truth, np.int64), np.asarray(said, np.int64)
    numbers = list(range(len(labels)))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        shown, given, labels=numbers, zero_division=0.0
    )

    def accuracy(drawn: Indices) -> float:
        return float((shown[drawn] == given[drawn]).mean())

    def macro_f1(drawn: Indices) -> float:
        present = np.unique(shown[drawn])
        return float(
            metrics.f1_score(
                shown[drawn], given[drawn], labels=present, average="macro", zero_division=0.0
            )
        )

    count = len(shown)
    return Classified(
        labels=tuple(labels),
        count=count,
        groups=len(set(groups)) if groups is not None else count,
        accuracy=bootstrap(accuracy, count, groups=groups),
        macro_f1=bootstrap(macro_f1, count, groups=groups),
        per_label=tuple(
            LabelFigures(
                label=label,
                support=int(support[i]),
                precision=float(precision[i]),
                recall=float(recall[i]),
                f1=float(f1[i]),
            )
            for i, label in enumerate(labels)
        ),
        confusion=np.asarray(metrics.confusion_matrix(shown, given, labels=numbers), np.int64),
    )
