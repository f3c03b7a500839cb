"""Laying bodies, shadows and things into a frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage, FloatArray
from export.reference.world.body import Sprite
from export.reference.world.identity import Color
from export.reference.world.motion import (
    ANKLES,
    ELBOWS,
    HEAD,
    HIPS,
    KNEES,
    NECK,
    PELVIS,
    SHOULDERS,
    TOES,
    WRISTS,
    Figure,
)
from export.reference.world.view import View

_BONES = (
    *((HIPS[side], KNEES[side], 0.14) for side in (0, 1)),
    *((KNEES[side], ANKLES[side], 0.1) for side in (0, 1)),
    *((ANKLES[side], TOES[side], 0.08) for side in (0, 1)),
    *((SHOULDERS[side], ELBOWS[side], 0.1) for side in (0, 1)),
    *((ELBOWS[side], WRISTS[side], 0.08) for side in (0, 1)),
    (NECK, PELVIS, 0.34),
    (HEAD, NECK, 0.2),
)
_FIXED_POINT = 4


def cast_shadow(
    frame: ByteImage, figure: Figure, view: View, sun: tuple[float, float, float] | None
) -> None:
    """Darken the ground that a body shades: its outline in the sun, else a soft patch."""
    ground = figure.joints.copy()
    high = np.maximum(figure.joints[:, 1], 0.0)
    ground[:, 1] = 0.0
    if sun is not None:
        ground[:, 0] += sun[0] * high
        ground[:, 2] += sun[2] * high
    pixels, depths = view.project(ground)
    if float(depths.min()) < 0.5:
        return
    scale = view.focal / float(depths.mean())
    if sun is None:
        feet = np.concatenate([pixels[list(ANKLES)], pixels[[PELVIS]]])
        span = np.ptp(feet, axis=0) / 2 + (0.22 * scale, 0.08 * scale)
        _darken(frame, feet.mean(axis=0), span)
        return
    low = np.floor(pixels.min(axis=0) - 0.25 * scale).astype(int)
    high_corner = np.ceil(pixels.max(axis=0) + 0.25 * scale).astype(int)
    x1, y1 = (int(v) for v in np.clip(low, 0, view.size))
    x2, y2 = (int(v) for v in np.clip(high_corner, 0, view.size))
    if x2 <= x1 or y2 <= y1:
        return
    mask = np.zeros((y2 - y1, x2 - x1), np.uint8)
    placed = np.round((pixels - (x1, y1)) * (1 << _FIXED_POINT)).astype(np.int32)
    for first, last, thick in _BONES:
        width = max(1, round(thick * scale * 0.6))
        cv2.line(
            mask, _point(placed[first]), _point(placed[last]), 110, width, cv2.LINE_AA, _FIXED_POINT
        )
    part = frame[y1:y2, x1:x2]
    soft = max(1, round(0.05 * scale))
    share = 255 - cv2.blur(mask, (soft, soft))
    part[:] = cv2.multiply(part, cv2.merge([share] * 3), scale=1 / 255)


def _point(place: NDArray[np.int32]) -> tuple[int, int]:
    return int(place[0]), int(place[1])


def _darken(frame: ByteImage, centre: NDArray[np.float64], span: NDArray[np.float64]) -> None:
    half = span * 1.4
    height, width = frame.shape[:2]
    x1, y1 = (int(v) for v in np.clip(np.floor(centre - half), 0, (width, height)))
    x2, y2 = (int(v) for v in np.clip(np.ceil(centre + half), 0, (width, height)))
    if x2 <= x1 or y2 <= y1:
        return
    rows, columns = np.ogrid[y1:y2, x1:x2]
    away = ((columns - centre[0]) / span[0]) ** 2 + ((rows - centre[1]) / span[1]) ** 2
    share = 1 - 0.42 * np.exp(-(away**2))
    part = frame[y1:y2, x1:x2]
    part[:] = (part * share[..., None]).astype(np.uint8)


def lay(
    frame: ByteImage,
    owner: NDArray[np.uint8],
    sprite: Sprite,
    *,
    track: int,
    depth: float,
    before: FloatArray,
    gain: float,
) -> None:
    """A body into the frame, but for what stands before it.

    owner: uint8 ``[H, W]``, set to ``track`` where the body is now seen. before: float32
    ``[H, W]``, the depth of what may hide it. gain: brightness where it stands.
    """
    (x, y), (height, width) = sprite.corner, sprite.alpha.shape
    part = (slice(y, y + height), slice(x, x + width))
    clear = before[part] > depth
    alpha = np.where(clear, sprite.alpha, 0).astype(np.float32) * (1 / 255)
    share = alpha[..., None]
    under = frame[part]
    under[:] = (under * (1 - share) + sprite.image * (share * gain)).clip(0, 255)
    owner[part][alpha > 0.5] = track


def draw_bag(
    frame: ByteImage,
    view: View,
    at: tuple[float, float, float],
    color: Color,
    gain: float,
    *,
    before: FloatArray,
    size: float = 1.0,
) -> FloatArray:
    """A bag on the ground or on something; its box in pixels, float32 ``[4]``.

    before: float32 ``[H, W]``, the depth of what may hide it. size: of the bag to 0.4 metres.
    """
    x, y, z = at
    outline = [(-0.2, 0.0), (0.2, 0.0), (0.17, 0.24), (-0.17, 0.24)]
    handle = [(0.1 * math.cos(a), 0.24 + 0.1 * math.sin(a)) for a in np.linspace(0, math.pi, 7)]
    pixels, _ = view.project([[x + u * size, y + v * size, z] for u, v in outline])
    arch, _ = view.project([[x + u * size, y + v * size, z] for u, v in handle])
    depth = float(view.project([[x, 0.0, z]])[1][0])
    with hidden(frame, before, depth):
        _darken(frame, pixels[:2].mean(axis=0), np.ptp(pixels, axis=0) * (0.7, 0.25) + 1)
        lit = tuple(v * gain for v in color)
        dark = tuple(v * gain * 0.55 for v in color)
        body = np.round(pixels * (1 << _FIXED_POINT)).astype(np.int32)
        cv2.fillConvexPoly(frame, body, lit, cv2.LINE_AA, _FIXED_POINT)
        line = np.round(arch * (1 << _FIXED_POINT)).astype(np.int32)
        cv2.polylines(frame, [line, body[[3, 2]]], False, dark, 2, cv2.LINE_AA, _FIXED_POINT)
    both = np.concatenate([pixels, arch])
    return np.concatenate([both.min(axis=0), both.max(axis=0)]).astype(np.float32)


@contextmanager
def hidden(frame: ByteImage, before: FloatArray, depth: float) -> Iterator[None]:
    """What is drawn meanwhile, at a depth, is hidden where something stands before it."""
    hides = before < depth
    kept = frame[hides]
    yield
    frame[hides] = kept
