"""Pure arithmetic on boxes and points. Nothing here changes its arguments or does any I/O.

Boxes are float ``[N, 4]`` as ``[x1, y1, x2, y2]`` in pixels; a box whose corners are out of order
has no area.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.types import FloatArray


def area(boxes: ArrayLike) -> FloatArray:
    """Area of each box, float32 ``[N]``, pixels²."""
    b = np.asarray(boxes, np.float32).reshape(-1, 4)
    sides = np.maximum(b[:, 2:] - b[:, :2], np.float32(0))
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def iou_matrix(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Intersection over union of every box of ``a`` with every box of ``b``: float32 ``[N, M]``.

    Two boxes without area have an IoU of 0.
    """
    first = np.asarray(a, np.float32).reshape(-1, 4)
    second = np.asarray(b, np.float32).reshape(-1, 4)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.maximum(high - low, 0)
    inter = sides[..., 0] * sides[..., 1]
    union = area(first)[:, None] + area(second)[None, :] - inter
    return np.asarray(np.divide(inter, union, out=np.zeros_like(inter), where=union > 0))


def nms(boxes: ArrayLike, scores: ArrayLike, iou: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: indices of the boxes kept, best score first.

    A box is dropped when its IoU with a better kept one is above ``iou``. Of equal scores the
    earlier row wins, so that the result does not depend on the sort.
    """
    b = np.asarray(boxes, np.float32).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores, np.float32), kind="stable")
    kept: list[int] = []
    while order.size:
        best = order[0]
        kept.append(int(best))
        rest = order[1:]
        order = rest[iou_matrix(b[best], b[rest])[0] <= iou]
    return np.asarray(kept, np.intp)


def clip_boxes(boxes: ArrayLike, size: tuple[int, int]) -> FloatArray:
    """The boxes cut at the edges of a picture of ``size`` (width, height): float32 ``[N, 4]``."""
    b = np.asarray(boxes, np.float32).reshape(-1, 4)
    width, height = size
    limits = np.asarray([width, height, width, height], np.float32)
    return np.clip(b, 0, limits).astype(np.float32)


def similarity_transform(source: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """The rotation, uniform scale and shift that best map ``source`` on ``target``.

    Both are ``[K, 2]`` with K ≥ 2; the result is a ``[2, 3]`` matrix for homogeneous points.
    Least squares after Umeyama, "Least-squares estimation of transformation parameters between two
    point patterns", IEEE TPAMI 13(4), 1991; reflections are excluded.

    Raises ValueError where all source points coincide, a number is not finite, or shapes differ.
    """
    src = np.asarray(source, np.float64)
    dst = np.asarray(target, np.float64)
    if src.shape != dst.shape or src.ndim != 2 or src.shape[1] != 2 or len(src) < 2:
        raise ValueError(f"expected two [K, 2] arrays, found {src.shape} and {dst.shape}")
    if not (np.isfinite(src).all() and np.isfinite(dst).all()):
        raise ValueError("expected finite points, found NaN or infinity")
    src_mean, dst_mean = src.mean(axis=0), dst.mean(axis=0)
    src_centred, dst_centred = src - src_mean, dst - dst_mean
    variance = (src_centred**2).sum() / len(src)
    if variance < 1e-12:
        raise ValueError("expected points apart from each other, found them all in one place")
    u, singular, vt = np.linalg.svd(dst_centred.T @ src_centred / len(src))
    sign = np.asarray([1.0, 1.0 if np.linalg.det(u) * np.linalg.det(vt) > 0 else -1.0])
    rotation = u @ np.diag(sign) @ vt
    scale = (singular * sign).sum() / variance
    linear = scale * rotation
    shift = dst_mean - linear @ src_mean
    return np.hstack([linear, shift[:, None]])


def transform_points(matrix: ArrayLike, points: ArrayLike) -> NDArray[np.float64]:
    """``points`` ``[K, 2]`` through a ``[2, 3]`` matrix."""
    m = np.asarray(matrix, np.float64)
    return np.asarray(points, np.float64) @ m[:, :2].T + m[:, 2]
