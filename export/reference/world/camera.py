"""From a clean picture to a photograph: light that changes, weather, a shaking mount, a sensor."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage

_TILE = 64  # pixels that a tile of noise is larger than the picture
_LAMPS = (1.25, 1.9)  # a camera's own infrared light, indoors and outdoors, to what there was
_LEVELS = np.arange(256, dtype=np.float64)


class Camera:
    """One camera through one scene. size: width, height. nuisance: 0..1, strength of everything.

    What ails it is drawn from ``random`` once; frames must be taken in order of their index.
    """

    def __init__(
        self,
        random: np.random.Generator,
        *,
        size: tuple[int, int],
        nuisance: float,
        night: bool,
        indoors: bool,
    ) -> None:
        self._random, self._size = random, size
        self._scale = size[0] / 640

        def chance(share: float) -> bool:
            return bool(random.random() < share) and nuisance > 0

        def upto(low: float, high: float) -> float:
            return float(random.uniform(low, high)) * nuisance

        self._flicker = upto(0.01, 0.08) if chance(0.6) else 0.0
        self._flicker_rate = float(random.uniform(0.7, 9.0))
        self._drift = upto(0.0, 0.12)
        self._gamma = 1 + upto(-0.22, 0.22)
        self._tint = 1 + nuisance * random.normal(0, 0.035, 3)
        self._shake = upto(0.6, 2.6) * self._scale if chance(0.45) else 0.0
        self._blur = upto(0.4, 1.1) * self._scale if chance(0.5) else 0.0
        self._infrared = night and chance(0.4)
        self._lamp = _LAMPS[not indoors] if self._infrared else 1.0
        self._jpeg = int(random.integers(30, 85)) if chance(0.6) else None
        self._rain = int(upto(60, 220)) if not indoors and chance(0.25) else 0
        self._clouds = [] if night or indoors or not chance(0.55) else self._cloud_plan()
        sigma = nuisance * float(random.uniform(1.5, 5.0)) * (1.9 if night else 1.0)
        self._noise = self._noise_tile(sigma)
        self._sway = np.zeros(2)

    def _cloud_plan(self) -> list[tuple[float, float, float, float, float, float]]:
        """Moving patches of shade: x, y, radius and speeds in widths, and how dark."""
        random = self._random
        return [
            (*random.uniform(0, 1, 2), float(random.uniform(0.12, 0.35)),
             *random.normal(0, 0.12, 2), float(random.uniform(0.15, 0.42)))
            for _ in range(int(random.integers(2, 5)))
        ]  # fmt: skip

    def _noise_tile(self, sigma: float) -> NDArray[np.int16] | None:
        if sigma <= 0:
            return None
        width, height = self._size[0] + _TILE, self._size[1] + _TILE
        grain = self._random.normal(0, sigma, (height, width, 3))
        grain += self._random.normal(0, sigma, (height, width, 1))
        return np.round(grain * 0.75).astype(np.int16)

    def take(self, picture: ByteImage, time: float) -> tuple[ByteImage, tuple[float, float]]:
        """The photograph, and by how much it is shifted to the right and down, pixels."""
        taken = self._shaded(picture, time)
        shift = self._shift()
        if shift != (0.0, 0.0):
            matrix = np.asarray([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
            moved = cv2.warpAffine(taken, matrix, self._size, borderMode=cv2.BORDER_REPLICATE)
            taken = np.asarray(moved, np.uint8)
        if self._rain:
            taken = self._rained(taken)
        if self._blur:
            taken = np.asarray(cv2.GaussianBlur(taken, (0, 0), max(self._blur, 0.3)), np.uint8)
        if self._infrared:
            grey = cv2.cvtColor(taken, cv2.COLOR_BGR2GRAY)
            taken = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
        taken = self._exposed(taken, time)
        if self._noise is not None:
            x, y = (int(v) for v in self._random.integers(0, _TILE, 2))
            grain = self._noise[y : y + self._size[1], x : x + self._size[0]]
            taken = np.asarray(cv2.add(taken, grain, dtype=cv2.CV_8U), np.uint8)
        if self._jpeg is not None:
            _, packed = cv2.imencode(".jpg", taken, [cv2.IMWRITE_JPEG_QUALITY, self._jpeg])
            taken = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
        return taken, shift

    def _shift(self) -> tuple[float, float]:
        if not self._shake:
            return 0.0, 0.0
        self._sway = 0.8 * self._sway + 0.6 * self._random.normal(0, self._shake, 2)
        return float(self._sway[0]), float(self._sway[1])

    def _shaded(self, picture: ByteImage, time: float) -> ByteImage:
        if not self._clouds:
            return picture
        width, height = 48, max(1, round(48 * self._size[1] / self._size[0]))
        rows, columns = np.mgrid[0:height, 0:width] / width
        shade = np.ones((height, width))
        for x, y, radius, dx, dy, dark in self._clouds:
            cx, cy = (x + dx * time) % 1.3 - 0.15, (y + dy * time) % 0.9 - 0.15
            away = ((columns - cx) / radius) ** 2 + ((rows - cy) / (0.6 * radius)) ** 2
            shade *= 1 - dark * np.exp(-(away**1.5))
        small = (shade * 255).astype(np.uint8)
        mask = cv2.resize(small, self._size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.multiply(picture, cv2.merge([mask] * 3), scale=1 / 255), np.uint8)

    def _rained(self, picture: ByteImage) -> ByteImage:
        drops = self._random.uniform(0, 1, (self._rain, 3)) * (*self._size, 1.0)
        length = 16 * self._scale
        layer = np.zeros(picture.shape[:2], np.uint8)
        for x, y, fall in drops:
            reach = length * (0.5 + fall)
            end = (int(x - 0.15 * reach), int(y + reach))
            cv2.line(layer, (int(x), int(y)), end, 26 + int(34 * fall), 1, cv2.LINE_AA)
        return np.asarray(cv2.add(picture, cv2.merge([layer] * 3)), np.uint8)

    def _exposed(self, picture: ByteImage, time: float) -> ByteImage:
        gain = 1 + self._flicker * math.sin(2 * math.pi * self._flicker_rate * time)
        gain += self._drift * math.sin(0.7 * time)
        gain *= self._lamp
        curve = 255 * np.clip(_LEVELS / 255 * gain, 0, 1) ** self._gamma
        tint = np.full(3, self._tint.mean()) if self._infrared else self._tint
        table = np.clip(curve[:, None] * tint, 0, 255).astype(np.uint8)
        return np.asarray(cv2.LUT(picture, table[None]), np.uint8)
