"""Cutting faces out of a frame: aligned to five points, or as a scaled box."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.geometry import similarity_transform, transform_points
from edge.types import ByteImage, FloatArray


def align_face(
    picture: ByteImage, landmarks: ArrayLike, template: ArrayLike, size: tuple[int, int]
) -> ByteImage:
    """The face turned and scaled so that its landmarks lie on the template.

    picture: uint8 ``[H, W, 3]``. landmarks, template: ``[5, 2]`` pixels of the picture and of the
    crop. size: (width, height) of the crop. Outside the picture the crop is black.

    Raises ValueError where the landmarks coincide or no turning and scaling brings them together.
    """
    matrix = similarity_transform(landmarks, template)
    return _warp(picture, matrix, size, cv2.BORDER_CONSTANT)


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
    across, down = size[0] / (x2 - x1), size[1] / (y2 - y1)
    # A box runs along the edges of pixels, a warp from centre to centre: half a pixel apart.
    shift_x, shift_y = (0.5 - x1) * across - 0.5, (0.5 - y1) * down - 0.5
    matrix = np.asarray([[across, 0, shift_x], [0, down, shift_y]], np.float64)
    return _warp(picture, matrix, size, cv2.BORDER_REPLICATE)


def _warp(
    picture: ByteImage, matrix: NDArray[np.float64], size: tuple[int, int], border: int
) -> ByteImage:
    """The picture through ``matrix`` (``[2, 3]``, picture to crop), shrunk first where need be.

    Bilinear sampling reads four pixels and skips the rest, so a warp that shrinks by more than two
    aliases the large faces of photographs. The part that the crop shows is then averaged down by
    a power of two until the warp shrinks by less.
    """
    if abs(float(np.linalg.det(matrix[:, :2]))) < 1e-12:
        raise ValueError("expected a transform that can be undone, found one that flattens")
    steps = np.hypot(matrix[0, :2], matrix[1, :2])  # crop pixels for one picture pixel, x and y
    factors = [2 ** max(0, math.floor(math.log2(1 / step))) for step in steps]
    part, origin = _part(picture, matrix, size, factors)
    width, height = (
        max(1, side // factor) for side, factor in zip(part.shape[1::-1], factors, strict=True)
    )
    stretch = np.asarray([part.shape[1] / width, part.shape[0] / height])
    if stretch.max() > 1:
        small = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
        part = np.asarray(small, np.uint8)
    # Pixel centres: p of the picture lies at (p - origin + 0.5) / stretch - 0.5 of the part.
    linear, shift = matrix[:, :2], matrix[:, 2]
    moved = np.column_stack([linear * stretch, shift + linear @ (origin + 0.5 * stretch - 0.5)])
    warped = cv2.warpAffine(part, moved, size, flags=cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(warped, np.uint8)


def _part(
    picture: ByteImage, matrix: NDArray[np.float64], size: tuple[int, int], factors: list[int]
) -> tuple[ByteImage, NDArray[np.float64]]:
    """What of the picture the crop shows, with a margin to sample from, and its top left corner.

    At least one pixel, which is the nearest where the crop lies wholly outside.
    """
    width, height = size
    corners = np.asarray([[-1, -1], [width, -1], [-1, height], [width, height]], np.float64)
    undone = np.linalg.inv(matrix[:, :2])
    seen = transform_points(np.column_stack([undone, -undone @ matrix[:, 2]]), corners)
    margin = np.asarray(factors)
    limits = np.asarray(picture.shape[1::-1])
    low = np.clip(np.floor(seen.min(axis=0) - margin), 0, limits - 1).astype(np.int64)
    high = np.clip(np.ceil(seen.max(axis=0) + margin) + 1, low + 1, limits).astype(np.int64)
    # Whole steps average several times faster, and the margin has room for what they leave out.
    whole = np.maximum(high - (high - low) % factors, low + 1)
    high = np.where(high < limits, whole, high)
    part = picture[low[1] : high[1], low[0] : high[0]]
    return part, low.astype(np.float64)
