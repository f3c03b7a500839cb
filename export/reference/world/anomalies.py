"""What should not be there: things left behind, smoke, an open door, a covered lens."""

from __future__ import annotations

import math
from typing import Protocol

import cv2
import numpy as np

from edge.types import ByteImage, FloatArray
from export.reference.world.background import Backdrop
from export.reference.world.identity import Color
from export.reference.world.paint import draw_bag, hidden
from export.reference.world.truth import Anomaly


class Disturbance(Protocol):
    """Something painted into each frame. Behind people where ``behind``, else before them."""

    @property
    def behind(self) -> bool:
        """Whether people go in front of it."""

    def paint(self, frame: ByteImage, time: float) -> FloatArray:
        """Into the frame; the box of it, float32 ``[4]``, not cut at the frame."""


def disturbance(
    kind: Anomaly, backdrop: Backdrop, random: np.random.Generator
) -> Disturbance | None:
    """What paints an anomaly; None for somebody who lies there, who is a person of the scene."""
    if kind == "object":
        return _Left(backdrop, random)
    if kind == "smoke":
        return _Smoke(backdrop, random)
    if kind == "open_door":
        return _Door(backdrop, random)
    if kind == "covered":
        return _Cover(backdrop, random)
    return None


def free_spot(backdrop: Backdrop, random: np.random.Generator) -> tuple[float, float]:
    """Ground, x and z, on which something low would be seen, if one of many tries finds it."""
    area, view = backdrop.area, backdrop.view
    near = max(area.near, 1.1 * view.nearest_ground())
    x, z = 0.0, near
    for _ in range(40):
        z = float(random.uniform(near, near + 0.6 * (area.far - near)))
        x = float(random.uniform(-0.7, 0.7)) * min(area.half, view.half_width(z))
        around = [[x + side, y, z] for side in (-0.4, 0.0, 0.4) for y in (0.05, 0.35)]
        pixels, depths = view.project(around)
        inside = np.clip(pixels, 0, np.asarray(view.size) - 1).astype(int)
        if (backdrop.depth[inside[:, 1], inside[:, 0]] > depths).all():
            break
    return x, z


class _Left:
    """A bag, or several boxes piled up."""

    behind = True

    def __init__(self, backdrop: Backdrop, random: np.random.Generator) -> None:
        view = backdrop.view
        x, z = free_spot(backdrop, random)
        self._at = (x, 0.0, z)
        blue, green, red = random.uniform(15, 230, 3)
        self._color: Color = (float(blue), float(green), float(red))
        self._piled = int(random.integers(1, 4))
        self._size = float(random.uniform(1.5, 2.4))
        self._view, self._depth = view, backdrop.depth
        column, row = (int(v) for v in view.project([self._at])[0][0])
        height, width = backdrop.light.shape
        self._gain = float(
            backdrop.light[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
        )

    def paint(self, frame: ByteImage, time: float) -> FloatArray:
        boxes = []
        for index in range(self._piled):
            x, y, z = self._at
            place = (
                x + 0.36 * self._size * (index % 2), y + 0.26 * self._size * (index // 2),
                z + 0.05 * index,
            )  # fmt: skip
            boxes.append(
                draw_bag(
                    frame, self._view, place, self._color, self._gain,
                    before=self._depth, size=self._size,
                )
            )  # fmt: skip
        stacked = np.stack(boxes)
        return np.concatenate([stacked[:, :2].min(axis=0), stacked[:, 2:].max(axis=0)])


class _Smoke:
    """A grey plume that drifts and thickens."""

    behind = False

    def __init__(self, backdrop: Backdrop, random: np.random.Generator) -> None:
        self._width, self._height = backdrop.view.size
        self._x = float(random.uniform(0.2, 0.8))
        self._y = float(random.uniform(0.5, 0.95))
        self._tone = float(random.uniform(90, 200)) * (0.5 if backdrop.night else 1.0)
        self._dense = float(random.uniform(0.75, 0.97))
        grain = random.standard_normal((64, 96)).astype(np.float32)
        soft = cv2.GaussianBlur(grain, (0, 0), 3.0)
        self._grain = np.asarray(soft / float(soft.std()), np.float32)

    def paint(self, frame: ByteImage, time: float) -> FloatArray:
        rise = np.linspace(self._y, 0.0, 24)[:-1]
        rows, columns = np.mgrid[0:54, 0:96].astype(np.float32)
        rows, columns = rows / 54, columns / 96
        age = np.clip((self._y - rows) / max(self._y, 1e-6), 0, 1)
        middle = self._x + 0.08 * age * math.sin(0.6 * time) + 0.06 * np.sin(6 * age + time)
        wide = 0.07 + 0.2 * age
        plume = np.exp(-(((columns - middle) / wide) ** 2)) * (rows < self._y + 0.03)
        drift = np.roll(self._grain, -int(time * 14), axis=0)[:54]
        thick = np.clip(plume * (0.85 + 0.28 * drift) * (1.1 - 0.5 * age), 0, 1) * self._dense
        size = (self._width, self._height)
        share = np.asarray(cv2.resize(thick.astype(np.float32), size), np.float32)[..., None]
        frame[:] = (frame * (1 - share) + self._tone * share).astype(np.uint8)
        half = 0.22
        x1, x2 = (self._x - half) * self._width, (self._x + half) * self._width
        return np.asarray(
            [x1, float(rise.min()) * self._height, x2, self._y * self._height], np.float32
        )


class _Door:
    """The door in the far wall stands open."""

    behind = True

    def __init__(self, backdrop: Backdrop, random: np.random.Generator) -> None:
        self._corners, self._depth = backdrop.door, backdrop.depth
        self._bright = bool(random.random() < 0.5)
        self._leaf = float(random.uniform(0.12, 0.3))

    def paint(self, frame: ByteImage, time: float) -> FloatArray:
        tone = (205, 228, 236) if self._bright else (22, 20, 18)
        whole = np.round(self._corners).astype(np.int32)
        upper, lower = self._corners[0], self._corners[3]
        out = (self._corners[1] - upper) * self._leaf
        drop = (lower - upper) * 0.06
        leaf = np.stack([upper, upper - out + drop * 0.2, lower - out + drop, lower])
        with hidden(frame, self._depth, math.inf):
            cv2.fillConvexPoly(frame, whole, tone, cv2.LINE_AA)
            cv2.fillConvexPoly(frame, np.round(leaf).astype(np.int32), (70, 88, 110), cv2.LINE_AA)
        both = np.concatenate([self._corners, leaf])
        return np.concatenate([both.min(axis=0), both.max(axis=0)]).astype(np.float32)


class _Cover:
    """A cloth, a hand or paint over part of the lens: dark, out of focus, hardly moving."""

    behind = False

    def __init__(self, backdrop: Backdrop, random: np.random.Generator) -> None:
        width, height = backdrop.view.size
        share = float(random.uniform(0.25, 0.55))
        side = int(random.integers(4))
        mask = np.zeros((90, 160), np.float32)
        bend = random.uniform(-0.08, 0.08, 9)
        across = np.interp(np.linspace(0, 1, 160), np.linspace(0, 1, 9), bend)
        down = np.interp(np.linspace(0, 1, 90), np.linspace(0, 1, 9), bend)
        rows, columns = np.mgrid[0:90, 0:160] / np.asarray([90, 160])[:, None, None]
        if side < 2:
            reach = columns if side == 0 else 1 - columns
            mask[reach < share + down[:, None]] = 1
            box = [0.0, 0.0, share, 1.0] if side == 0 else [1 - share, 0.0, 1.0, 1.0]
        else:
            reach = rows if side == 2 else 1 - rows
            mask[reach < share + across[None]] = 1
            box = [0.0, 0.0, 1.0, share] if side == 2 else [0.0, 1 - share, 1.0, 1.0]
        soft = cv2.resize(cv2.GaussianBlur(mask, (0, 0), 3.5), (width, height))
        self._mask = np.asarray(soft, np.float32)[..., None]
        self._tone = random.uniform(12, 70, 3).astype(np.float32)
        self._box = np.asarray(box, np.float32) * np.asarray([width, height] * 2, np.float32)

    def paint(self, frame: ByteImage, time: float) -> FloatArray:
        frame[:] = (frame * (1 - self._mask) + self._tone * self._mask).astype(np.uint8)
        return self._box.copy()
