"""Cutting faces out of a frame: aligned to five points, or as a scaled box."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.geometry import similarity_transform
from edge.types import ByteImage, FloatArray


def align_face(
    picture: ByteImage, landmarks: ArrayLike, template: ArrayLike, size: tuple[int, int]
) -> ByteImage:
    """The face turned and scaled so that its landmarks lie on the template.

    picture: uint8 ``[H, W, 3]``. landmarks, template: ``[5, 2]`` pixels of the picture and of the
    crop. size: (width, height) of the crop. Outside the picture the crop is black.

    Raises ValueError where the landmarks coincide.
    """
    matrix = similarity_transform(landmarks, template)
    picture, matrix = _shrink_first(picture, matrix)
    warped = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR)
    return np.asarray(warped, np.uint8)


def _shrink_first(
    picture: ByteImage, matrix: NDArray[np.float64]
) -> tuple[ByteImage, NDArray[np.float64]]:
    """Halve the picture until the warp shrinks by less than two: bilinear sampling reads four
    pixels and would skip the rest, which aliases the large faces of enrolment photographs."""
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    factor = 2 ** int(math.floor(math.log2(1 / scale))) if 0 < scale <= 0.5 else 1
    factor = min(factor, min(picture.shape[:2]))
    if factor < 2:
        return picture, matrix
    width, height = picture.shape[1] // factor, picture.shape[0] // factor
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    stretch = np.asarray([picture.shape[1] / width, picture.shape[0] / height])
    scaled = matrix.copy()
    scaled[:, :2] = matrix[:, :2] * stretch
    # Pixel centres: a point p of the large picture lies at (p + 0.5) / stretch - 0.5 of the small.
    scaled[:, 2] = matrix[:, 2] + matrix[:, :2] @ (0.5 * stretch - 0.5)
    return np.asarray(small, np.uint8), scaled


def expand_box(box: ArrayLike, factor: float) -> FloatArray:
    """The box grown about its centre by ``factor`` on both sides: float32 ``[4]``."""
    x1, y1, x2, y2 = np.asarray(box, np.float32)
    half_w, half_h = (x2 - x1) * factor / 2, (y2 - y1) * factor / 2
    cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
    return np.asarray([cx - half_w, cy - half_h, cx + half_w, cy + half_h], np.float32)


def crop_box(picture: ByteImage, box: ArrayLike, size: tuple[int, int]) -> ByteImage:
    """The box cut out of the picture and resized to ``size`` (width, height).

    What lies outside the picture repeats its edge, so that the scale never changes at a border.
    Raises ValueError where the box has no area.
    """
    x1, y1, x2, y2 = (float(v) for v in np.asarray(box, np.float64))
    if not (x2 - x1 > 0 and y2 - y1 > 0):
        raise ValueError(f"expected a box with an area, found {[x1, y1, x2, y2]}")
    matrix = np.asarray(
        [[size[0] / (x2 - x1), 0, 0], [0, size[1] / (y2 - y1), 0]], np.float64
    )
    matrix[:, 2] = -matrix[:, :2] @ np.asarray([x1, y1])
    cut = cv2.warpAffine(
        picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cut, np.uint8)
