"""Soft shapes on float pictures, given in head units."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from export.reference.world.identity import Color

_FIXED_POINT = 4  # bits after the point that OpenCV takes

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A mask, 0..1, over a part of a square picture; nothing elsewhere."""

    rows: slice
    columns: slice
    mask: Floats

    def whole(self, side: int) -> Floats:
        """The mask of the whole picture, ``[side, side]``."""
        full: Floats = np.zeros((side, side), np.float32)
        full[self.rows, self.columns] = self.mask
        return full


class Brush:
    """Draws shapes in head units onto a float picture, smooth at their edges."""

    def __init__(self, side: int, centre: tuple[float, float], scale: tuple[float, float]) -> None:
        self.side = side
        self._centre, self._scale = np.asarray(centre), np.asarray(scale)
        self._unit = float(self._scale.mean())
        self._fine = self._unit / 116.0  # softness is given for the largest front

    def mask(self, points: NDArray[np.float64], *, soft: float = 0.6) -> Patch:
        """A filled polygon."""
        return self._draw(points, 0.0, soft)

    def stroke(self, points: NDArray[np.float64], width: float, *, soft: float = 0.5) -> Patch:
        """A line through points, ``width`` in head units."""
        return self._draw(points, width, soft)

    def _draw(self, points: NDArray[np.float64], width: float, soft: float) -> Patch:
        places = self._centre + np.asarray(points) * self._scale
        sigma = soft * self._fine
        margin = 2 + 3 * sigma + width * self._unit
        low = np.clip(np.floor(places.min(axis=0) - margin), 0, self.side).astype(int)
        high = np.clip(np.ceil(places.max(axis=0) + margin), 0, self.side).astype(int)
        size = np.maximum(high - low, 0)
        rows, columns = slice(low[1], low[1] + size[1]), slice(low[0], low[0] + size[0])
        drawn = np.zeros((int(size[1]), int(size[0])), np.uint8)
        if not drawn.size:
            return Patch(rows, columns, drawn.astype(np.float32))
        fixed = np.round((places - low) * (1 << _FIXED_POINT)).astype(np.int32)
        if width:
            thick = max(1, round(width * self._unit))
            cv2.polylines(drawn, [fixed], False, 255, thick, cv2.LINE_AA, _FIXED_POINT)
        else:
            cv2.fillPoly(drawn, [fixed], 255, cv2.LINE_AA, _FIXED_POINT)
        mask: Floats = drawn.astype(np.float32) / np.float32(255)
        if sigma > 0.25:
            mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)
        return Patch(rows, columns, mask)


def ellipse(
    x: float, y: float, a: float, b: float, *, turn: float = 0.0, count: int = 40
) -> NDArray[np.float64]:
    """The outline of an ellipse about (x, y), turned clockwise by ``turn`` radians: ``[N, 2]``."""
    angles = np.linspace(0, 2 * math.pi, count, endpoint=False)
    points = np.stack([a * np.cos(angles), b * np.sin(angles)], axis=1)
    sine, cosine = math.sin(turn), math.cos(turn)
    turned = points @ np.asarray([[cosine, sine], [-sine, cosine]])
    return np.asarray(turned + np.asarray([x, y]), np.float64)


def over(canvas: Floats, color: Floats | Color, alpha: Floats | Patch) -> None:
    """Lay a colour over what is there in ``[S, S, 4]``, whose last channel is how much is there."""
    if isinstance(alpha, Patch):
        return over(canvas[alpha.rows, alpha.columns], color, alpha.mask)
    share = alpha[..., None]
    canvas[..., :3] = canvas[..., :3] * (1 - share) + np.asarray(color, np.float32) * share
    canvas[..., 3] = canvas[..., 3] + alpha * (1 - canvas[..., 3])


def lay(paint: Floats, color: Color | Floats, mask: Floats | Patch, strength: float = 1.0) -> None:
    """Mix a colour into ``[S, S, 3]``, by the mask times ``strength``."""
    if isinstance(mask, Patch):
        return lay(paint[mask.rows, mask.columns], color, mask.mask, strength)
    share = (mask * strength)[..., None]
    paint *= 1 - share
    paint += np.asarray(color, np.float32) * share


def darker(color: Color, factor: float) -> Color:
    """The colour times a factor."""
    return color[0] * factor, color[1] * factor, color[2] * factor
