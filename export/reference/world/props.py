"""Things that stand in a scene and hide who goes behind them: drawn once, with their depth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage, FloatArray
from export.reference.world.identity import Color
from export.reference.world.view import View

_FIXED_POINT = 4
_LIGHT = {"top": 1.12, "front": 0.9, "side": 0.68}


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A block on or above the ground, its faces along the axes; metres. y: of its bottom."""

    x: float
    y: float
    z: float
    wide: float
    high: float
    deep: float
    color: Color


class Stage:
    """A picture in the making and the depth of what may hide people.

    image: uint8 ``[H·F, W·F, 3]``, ``fine`` times as large as the frame. depth: float32 ``[H, W]``,
    metres along the sight; infinite where nothing stands.
    """

    def __init__(self, image: ByteImage, view: View, fine: int) -> None:
        self.image, self.view, self.fine = image, view, fine
        self.depth: FloatArray = np.full(view.size[::-1], np.inf, np.float32)

    def _place(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
        pixels, depth = self.view.project(points)
        return pixels, bool((depth > 0.2).all())

    def polygon(self, points: NDArray[np.float64], color: Color, *, hides: bool = True) -> None:
        """A flat convex shape, world ``[N, 3]``."""
        pixels, before = self._place(points)
        if not before:
            return
        cv2.fillConvexPoly(self.image, _fixed(pixels * self.fine), color, cv2.LINE_AA, _FIXED_POINT)
        if hides:
            self._hide(pixels, points)

    def _hide(self, pixels: NDArray[np.float64], points: NDArray[np.float64]) -> None:
        ground = np.asarray([[points[:, 0].mean(), 0.0, points[:, 2].min()]])
        far = float(self.view.project(ground)[1][0])
        cv2.fillConvexPoly(self.depth, _fixed(pixels), far, cv2.LINE_8, _FIXED_POINT)

    def ball(self, at: tuple[float, float, float], radius: float, color: Color) -> None:
        """A round blob."""
        pixels, before = self._place(np.asarray([at]))
        if not before:
            return
        size = radius * self.view.focal / float(self.view.project(np.asarray([at]))[1][0])
        angles = np.linspace(0, 2 * math.pi, 14, endpoint=False)
        ring = pixels[0] + size * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        cv2.fillConvexPoly(self.image, _fixed(ring * self.fine), color, cv2.LINE_AA, _FIXED_POINT)
        self._hide(ring, np.asarray([at]))

    def bar(
        self,
        start: tuple[float, float, float],
        end: tuple[float, float, float],
        thick: float,
        color: Color,
    ) -> None:
        """A rod between two points, ``thick`` metres."""
        ends = np.asarray([start, end])
        pixels, before = self._place(ends)
        if not before:
            return
        depth = float(self.view.project(ends)[1].mean())
        width = thick * self.view.focal / depth
        line = [_fixed(pixels * self.fine)]
        cv2.polylines(
            self.image, line, False, color, max(1, round(width * self.fine)), cv2.LINE_AA,
            _FIXED_POINT,
        )  # fmt: skip
        far = float(self.view.project([[start[0], 0.0, start[2]]])[1][0])
        cv2.polylines(
            self.depth, [_fixed(pixels)], False, far, max(1, round(width)), cv2.LINE_8,
            _FIXED_POINT,
        )  # fmt: skip

    def box(self, block: Box) -> None:
        """A block, its far faces left out."""
        x1, x2 = block.x - block.wide / 2, block.x + block.wide / 2
        y1, y2 = block.y, block.y + block.high
        z1, z2 = block.z - block.deep / 2, block.z + block.deep / 2
        if x1 > 0 or x2 < 0:
            x = x1 if x1 > 0 else x2
            self._face([[x, y1, z1], [x, y1, z2], [x, y2, z2], [x, y2, z1]], block, "side")
        if y2 < self.view.height:
            self._face([[x1, y2, z1], [x2, y2, z1], [x2, y2, z2], [x1, y2, z2]], block, "top")
        self._face([[x1, y1, z1], [x2, y1, z1], [x2, y2, z1], [x1, y2, z1]], block, "front")

    def _face(self, corners: list[list[float]], block: Box, light: str) -> None:
        pixels, before = self._place(np.asarray(corners))
        if not before:
            return
        tone = _LIGHT[light]
        color = tuple(min(255.0, v * tone) for v in block.color)
        cv2.fillConvexPoly(self.image, _fixed(pixels * self.fine), color, cv2.LINE_AA, _FIXED_POINT)
        # People pass before a block's front or behind all of it.
        front = np.asarray([[block.x, 0.0, block.z - block.deep / 2]])
        far = float(self.view.project(front)[1][0])
        cv2.fillConvexPoly(self.depth, _fixed(pixels), far, cv2.LINE_8, _FIXED_POINT)

    def shadow(self, x: float, z: float, wide: float, deep: float, dark: float = 0.45) -> None:
        """A soft dark patch on the ground."""
        angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
        rim = np.stack(
            [x + wide / 2 * np.cos(angles), np.zeros(24), z + deep / 2 * np.sin(angles)], axis=1
        )
        pixels, before = self._place(rim)
        if not before:
            return
        mask = np.zeros(self.image.shape[:2], np.float32)
        cv2.fillConvexPoly(mask, _fixed(pixels * self.fine), dark, cv2.LINE_AA, _FIXED_POINT)
        soft = max(1.0, float(np.ptp(pixels[:, 1])) * self.fine * 0.25)
        x1, y1 = np.maximum(pixels.min(axis=0) * self.fine - 3 * soft, 0).astype(int)
        x2, y2 = np.maximum(pixels.max(axis=0) * self.fine + 3 * soft, 0).astype(int)
        part = (slice(int(y1), int(y2) + 1), slice(int(x1), int(x2) + 1))
        if mask[part].size:
            share = 1 - cv2.GaussianBlur(mask[part], (0, 0), soft)[..., None]
            self.image[part] = (self.image[part] * share).astype(np.uint8)

    def hang(self, picture: ByteImage, corners: NDArray[np.float64]) -> None:
        """A picture on a wall: corners ``[4, 3]`` world, clockwise from the upper left."""
        pixels, before = self._place(corners)
        if not before:
            return
        height, width = picture.shape[:2]
        source = np.asarray([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        matrix = cv2.getPerspectiveTransform(source, (pixels * self.fine).astype(np.float32))
        size = self.image.shape[1::-1]
        laid = cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_AREA)
        mask = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, size)
        self.image[mask > 127] = laid[mask > 127]


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    bounded = np.clip(points, -20000, 20000)
    return np.round(bounded * (1 << _FIXED_POINT)).astype(np.int32)


def bench(stage: Stage, x: float, z: float, color: Color) -> None:
    """Two metres of seat with a back."""
    stage.shadow(x, z, 2.2, 0.9)
    for side in (-0.8, 0.8):
        stage.box(Box(x=x + side, y=0, z=z, wide=0.08, high=0.42, deep=0.4, color=(60, 60, 64)))
    stage.box(Box(x=x, y=0.45, z=z + 0.22, wide=2.0, high=0.42, deep=0.06, color=color))
    stage.box(Box(x=x, y=0.4, z=z, wide=2.0, high=0.06, deep=0.45, color=color))


def counter(stage: Stage, x: float, z: float, color: Color) -> None:
    """A reception desk."""
    stage.shadow(x, z, 3.0, 1.3)
    stage.box(Box(x=x, y=0, z=z, wide=2.6, high=1.02, deep=0.7, color=color))
    pale = (color[0] * 0.4 + 140, color[1] * 0.4 + 140, color[2] * 0.4 + 140)
    stage.box(Box(x=x, y=1.02, z=z, wide=2.8, high=0.06, deep=0.85, color=pale))
    stage.box(Box(x=x + 0.5, y=1.08, z=z, wide=0.5, high=0.32, deep=0.04, color=(40, 36, 34)))


def crate(stage: Stage, x: float, z: float, color: Color, high: float = 0.8) -> None:
    """A box, a bin or a planter's tub."""
    stage.shadow(x, z, 1.0, 0.8)
    stage.box(Box(x=x, y=0, z=z, wide=0.6, high=high, deep=0.6, color=color))


def pillar(stage: Stage, x: float, z: float, high: float = 3.0) -> None:
    """A square column."""
    stage.shadow(x, z, 0.9, 0.9)
    stage.box(Box(x=x, y=0, z=z, wide=0.42, high=high, deep=0.42, color=(190, 196, 200)))


def plant(stage: Stage, x: float, z: float, random: np.random.Generator) -> None:
    """Leaves in a tub."""
    crate(stage, x, z, (70, 92, 140), 0.45)
    for _ in range(26):
        green = float(random.uniform(60, 150))
        at = random.normal((x, 0.95, z), (0.2, 0.25, 0.2))
        size = float(random.uniform(0.07, 0.16))
        stage.ball(
            (float(at[0]), float(at[1]), float(at[2])), size, (green * 0.45, green, green * 0.5)
        )


def tree(stage: Stage, x: float, z: float, random: np.random.Generator) -> None:
    """A trunk and its crown."""
    stage.shadow(x, z, 2.4, 1.6)
    stage.bar((x, 0, z), (x, 2.0, z), 0.22, (42, 62, 84))
    high = float(random.uniform(2.6, 3.6))
    for _ in range(60):
        green = float(random.uniform(50, 140))
        at = random.normal((x, high, z), (0.6, 0.55, 0.4))
        size = float(random.uniform(0.15, 0.36))
        stage.ball(
            (float(at[0]), max(float(at[1]), 1.7), float(at[2])),
            size,
            (green * 0.4, green, green * 0.55),
        )


def car(stage: Stage, x: float, z: float, color: Color) -> None:
    """A parked car, seen from its side."""
    stage.shadow(x, z, 5.0, 2.4, 0.6)
    stage.box(Box(x=x, y=0.28, z=z, wide=4.2, high=0.58, deep=1.7, color=color))
    front, back = z - 0.75, z + 0.75
    glass: Color = (92, 84, 76)
    cabin = [[-1.35, 0.86], [1.15, 0.86], [0.7, 1.42], [-0.85, 1.42]]
    for deep, tone in ((back, 0.6), (front, 0.95)):
        points = np.asarray([[x + u, v, deep] for u, v in cabin])
        shade = (color[0] * tone, color[1] * tone, color[2] * tone)
        stage.polygon(points, shade)
    roof = np.asarray([[x - 0.85, 1.42, front], [x + 0.7, 1.42, front],
                       [x + 0.7, 1.42, back], [x - 0.85, 1.42, back]])  # fmt: skip
    stage.polygon(roof, (color[0] * 1.0, color[1] * 1.0, color[2] * 1.0))
    for u1, u2, u3, u4 in ((-1.2, -0.15, -0.15, -0.78), (-0.05, 1.0, 0.62, -0.05)):
        pane = np.asarray([[x + u1, 0.9, front - 0.01], [x + u2, 0.9, front - 0.01],
                           [x + u3, 1.36, front - 0.01], [x + u4, 1.36, front - 0.01]])  # fmt: skip
        stage.polygon(pane, glass)
    for wheel in (-1.3, 1.3):
        stage.ball((x + wheel, 0.32, z - 0.87), 0.33, (28, 28, 28))
        stage.ball((x + wheel, 0.32, z - 0.88), 0.17, (150, 150, 150))
    stage.box(
        Box(x=x - 2.05, y=0.55, z=z - 0.86, wide=0.12, high=0.14, deep=0.02, color=(60, 60, 210))
    )
    stage.box(
        Box(x=x + 2.05, y=0.55, z=z - 0.86, wide=0.12, high=0.14, deep=0.02, color=(210, 235, 240))
    )


def fence(stage: Stage, z: float, half: float, high: float, color: Color) -> None:
    """Posts, rails and bars across the whole view."""
    step = 0.28
    for index in range(int(2 * half / step) + 1):
        x = -half + index * step
        stage.bar((x, 0, z), (x, high, z), 0.025, color)
    for level in (0.15, high * 0.55, high):
        stage.bar((-half, level, z), (half, level, z), 0.05, color)
    for index in range(int(2 * half / 2.4) + 1):
        x = -half + index * 2.4
        stage.bar((x, 0, z), (x, high + 0.06, z), 0.08, color)


def lamp(stage: Stage, x: float, z: float) -> None:
    """A street lamp."""
    stage.bar((x, 0, z), (x, 4.2, z), 0.1, (70, 74, 76))
    stage.bar((x, 4.2, z), (x + 0.5, 4.3, z), 0.1, (70, 74, 76))
    stage.ball((x + 0.55, 4.22, z), 0.13, (205, 240, 250))


def poster(random: np.random.Generator) -> ByteImage:
    """A placard with a crudely drawn face and lines of writing: uint8 ``[96, 64, 3]``."""
    paper = random.uniform(60, 240, 3)
    picture = np.empty((96, 64, 3), np.uint8)
    picture[:] = paper.astype(np.uint8)
    skin = random.uniform(70, 235, 3)
    tone = (float(skin[0]), float(skin[1]), float(skin[2]))
    cx, cy = int(random.integers(26, 38)), int(random.integers(34, 44))
    a, b = int(random.integers(12, 20)), int(random.integers(16, 24))
    cv2.ellipse(picture, (cx, cy), (a, b), 0, 0, 360, tone, -1, cv2.LINE_AA)
    if random.random() < 0.7:
        dark = (float(skin[0]) * 0.3, float(skin[1]) * 0.3, float(skin[2]) * 0.3)
        cv2.ellipse(picture, (cx, cy - b // 2), (a, b // 2), 0, 180, 360, dark, -1, cv2.LINE_AA)
    marks = int(random.integers(0, 4))  # eyes and a mouth, but never all that a face has
    for side in (-1, 1)[: 2 if marks else 0]:
        cv2.circle(picture, (cx + side * a // 2, cy), 2, (20, 20, 20), -1, cv2.LINE_AA)
    if marks > 1:
        cv2.line(picture, (cx - a // 2, cy + b // 2), (cx + a // 2, cy + b // 2), (20, 20, 60), 2)
    for row in range(72, 92, 6):
        end = int(random.integers(34, 58))
        cv2.line(picture, (6, row), (end, row), (30, 30, 30), 2)
    return picture
