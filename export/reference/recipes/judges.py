"""How generated pictures compare with real ones, without any network of this package."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage

_SIDE = 16
_FOLDS = 2
Values = NDArray[np.float32]


def nearest(made: ByteImage, held_out: ByteImage, learned: ByteImage) -> dict[str, float]:
    """How far pictures are from the nearest that was learned from, root mean square of 0..255.

    Medians of generated pictures and of real ones that were not learned from either. Where the
    first is far below the second, pictures were learned by heart. Compared at 16 × 16 pixels.
    """
    known = _small(learned)
    return {
        "nearest_generated": float(np.median(_distance(_small(made), known))),
        "nearest_held_out": float(np.median(_distance(_small(held_out), known))),
    }


def told_apart(made: ByteImage, real: ByteImage) -> dict[str, float]:
    """Accuracy of a linear classifier between generated and real pictures, 0.5 where it is lost.

    Gradients in cells (HOG) of grey pictures, logistic regression, each half judged by the other:
    a two-sample test after Lopez-Paz and Oquab, ICLR 2017.
    """
    from sklearn.linear_model import LogisticRegression

    features = np.concatenate([_gradients(made), _gradients(real)])
    truth = np.repeat([1, 0], [len(made), len(real)])
    half = np.concatenate([np.arange(len(made)), np.arange(len(real))]) % _FOLDS
    right = 0
    for fold in range(_FOLDS):
        judge = LogisticRegression(C=0.1, max_iter=300).fit(
            features[half != fold], truth[half != fold]
        )
        right += int((judge.predict(features[half == fold]) == truth[half == fold]).sum())
    return {"told_apart": right / len(truth)}


def _small(pictures: ByteImage) -> Values:
    shrunk = [cv2.resize(each, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) for each in pictures]
    return np.stack(shrunk).reshape(len(pictures), -1).astype(np.float32)


def _distance(pictures: Values, known: Values) -> Values:
    squared = (
        np.square(pictures).sum(axis=1)[:, None]
        - 2 * pictures @ known.T
        + np.square(known).sum(axis=1)
    )
    return np.asarray(np.sqrt(np.maximum(squared.min(axis=1), 0) / pictures.shape[1]), np.float32)


def _gradients(pictures: ByteImage) -> Values:
    from skimage.feature import hog

    grey = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in pictures]
    return np.stack([
        hog(each, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(1, 1)) for each in grey
    ]).astype(np.float32)  # fmt: skip
