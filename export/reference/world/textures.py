"""Surfaces: a colour for every point of a plane, given in metres."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from edge.types import FloatArray
from export.reference.world.identity import Color

_SIDE = 128


class Surface(Protocol):
    """Paints points of a plane: u, v ``[N]`` metres to colours ``[N, 3]`` BGR."""

    def __call__(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """The colours of the points."""


class Noise:
    """Smooth random numbers over a plane, mean 0 and deviation about 1; repeats far off."""

    def __init__(self, random: np.random.Generator) -> None:
        coarse = random.standard_normal((_SIDE, _SIDE)).astype(np.float32)
        smooth = cv2.GaussianBlur(np.tile(coarse, (3, 3)), (0, 0), 1.2)[_SIDE : 2 * _SIDE]
        tile = np.asarray(smooth[:, _SIDE : 2 * _SIDE], np.float32)
        self._tile = (tile / float(tile.std())).astype(np.float32)

    def __call__(self, u: FloatArray, v: FloatArray, per_metre: float) -> FloatArray:
        """At points, with about ``per_metre`` features a metre."""
        x = np.mod(u * (per_metre * 2), _SIDE - 1).astype(np.float32)
        y = np.mod(v * (per_metre * 2), _SIDE - 1).astype(np.float32)
        if not x.size:
            return np.zeros(0, np.float32)
        taken = cv2.remap(self._tile, _folded(x), _folded(y), cv2.INTER_LINEAR)
        return np.asarray(taken, np.float32).reshape(-1)[: x.size]


def _folded(values: FloatArray) -> FloatArray:
    """In rows, because OpenCV maps no more than 32767 pixels of one."""
    padded = np.zeros(-(-values.size // 1024) * 1024, np.float32)
    padded[: values.size] = values
    return padded.reshape(-1, 1024)


def _toned(color: Color, tone: FloatArray) -> FloatArray:
    return np.asarray(color, np.float32) * tone[:, None]


def plain(color: Color, noise: Noise, *, rough: float = 0.05, fine: float = 3.0) -> Surface:
    """Plaster, asphalt, carpet or grass, by how rough it is and how fine its grain."""

    def paint(u: FloatArray, v: FloatArray) -> FloatArray:
        tone = 1 + rough * (0.6 * noise(u, v, fine) + 0.6 * noise(v, u, fine / 7))
        return _toned(color, tone.astype(np.float32))

    return paint


def tiles(
    color: Color, joint: Color, noise: Noise, *, size: tuple[float, float], checks: float = 0.05
) -> Surface:
    """Slabs or bricks of ``size`` metres, each of its own tone, every other row shifted by half
    where they are not square.
    """
    wide, high = size

    def paint(u: FloatArray, v: FloatArray) -> FloatArray:
        row = np.floor(v / high)
        across = u / wide + (0.5 * (row % 2) if wide != high else 0.0)
        column = np.floor(across)
        hashed = np.sin(row * 12.9898 + column * 78.233) * 43758.547
        tone = 1 + checks * 2 * (hashed - np.floor(hashed) - 0.5) + 0.03 * noise(u, v, 2.0)
        painted = _toned(color, tone.astype(np.float32))
        gap = 0.012 / min(wide, high, 0.3) * 0.3
        edge = (across - column < gap) | (v / high - row < gap * wide / high)
        painted[edge] = joint
        return painted

    return paint


def facade(wall: Surface, glass: Color, *, storey: float, bay: float, lit: float) -> Surface:
    """A wall with windows, a share ``lit`` of which shine."""

    def paint(u: FloatArray, v: FloatArray) -> FloatArray:
        painted = wall(u, v)
        row, column = np.floor(v / storey), np.floor(u / bay)
        x, y = u / bay - column, v / storey - row
        frame = (x > 0.2) & (x < 0.8) & (y > 0.24) & (y < 0.84)
        pane = (x > 0.24) & (x < 0.76) & (y > 0.28) & (y < 0.8) & (np.abs(x - 0.5) > 0.015)
        painted[frame] = (205, 210, 212)
        sheen = (0.75 + 0.5 * y + 0.2 * (x - 0.5))[pane]
        painted[pane] = _toned(glass, sheen.astype(np.float32))
        hashed = np.sin(row * 39.346 + column * 11.135) * 7151.31
        shining = pane & (hashed - np.floor(hashed) < lit)
        painted[shining] = (120, 205, 250)
        return painted

    return paint


def striped(
    base: Surface, color: Color, *, lines: tuple[tuple[float, float, float, float], ...]
) -> Surface:
    """A surface with painted rectangles, each u1, v1, u2, v2 metres."""

    def paint(u: FloatArray, v: FloatArray) -> FloatArray:
        painted = base(u, v)
        for u1, v1, u2, v2 in lines:
            inside = (u >= u1) & (u <= u2) & (v >= v1) & (v <= v2)
            painted[inside] = 0.25 * painted[inside] + 0.75 * np.asarray(color, np.float32)
        return painted

    return paint
