"""How generated pictures compare with real ones, without any network of this package."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage

_SIDE = 16
_FOLDS = 2
_AT_ONCE = 256
Values = NDArray[np.float32]


def nearest(made: ByteImage, held_out: ByteImage, learned: ByteImage) -> dict[str, float]:
    """How far pictures are from the nearest that was learned from, root mean square of 0..255.

    Medians of generated pictures and of real ones that were not learned from either. Where the
    first is far below the second, pictures were learned by heart. Compared at 16 × 16 pixels.
    """
    known = coarse(learned)
    return {
        "nearest_generated": float(np.median(distances(coarse(made), known))),
        "nearest_held_out": float(np.median(distances(coarse(held_out), known))),
    }


def told_apart(made: ByteImage, real: ByteImage) -> dict[str, float]:
    """Accuracy of a linear classifier between generated and real pictures, 0.5 where it is lost."""
    return {"told_apart": float(told_right(made, real).mean())}


def told_right(made: ByteImage, real: ByteImage) -> NDArray[np.bool_]:
    """Of each generated picture, then of each real one, whether a linear classifier knows it.

    Gradients in cells (HOG) of grey pictures, logistic regression, each half judged by the other:
    a two-sample test after Lopez-Paz and Oquab, ICLR 2017.
    """
    from sklearn.linear_model import LogisticRegression

    features = np.concatenate([_gradients(made), _gradients(real)])
    truth = np.repeat([1, 0], [len(made), len(real)])
    half = np.concatenate([np.arange(len(made)), np.arange(len(real))]) % _FOLDS
    right = np.zeros(len(truth), np.bool_)
    for fold in range(_FOLDS):
        judge = LogisticRegression(C=0.1, max_iter=300).fit(
            features[half != fold], truth[half != fold]
        )
        right[half == fold] = judge.predict(features[half == fold]) == truth[half == fold]
    return right


def coarse(pictures: ByteImage) -> Values:
    """Pictures at 16 × 16 pixels, as vectors: float32 ``[N, 768]``."""
    shrunk = [cv2.resize(each, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) for each in pictures]
    return np.stack(shrunk).reshape(len(pictures), -1).astype(np.float32)


def distances(vectors: Values, known: Values) -> Values:
    """Root mean square difference of each vector from the nearest of those known."""
    lengths = np.square(known).sum(axis=1)
    nearest = [
        (np.square(part).sum(axis=1)[:, None] - 2 * part @ known.T + lengths).min(axis=1)
        for part in np.array_split(vectors, -(-len(vectors) // _AT_ONCE))
    ]
    squared = np.maximum(np.concatenate(nearest), 0)
    return np.asarray(np.sqrt(squared / vectors.shape[1]), np.float32)


def _gradients(pictures: ByteImage) -> Values:
    from skimage.feature import hog

    grey = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in pictures]
    return np.stack([
        hog(each, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(1, 1)) for each in grey
    ]).astype(np.float32)  # fmt: skip
