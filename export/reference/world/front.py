"""The front of a head, painted flat: what a camera straight ahead would see of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from export.reference.world.brush import Brush, Floats, darker, ellipse, lay
from export.reference.world.identity import Person

SPAN = 1.1  # head units from the middle of a front to its edge
_GRAIN = 128  # side of the patterns that fronts are textured with


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """What a face does. open: of the mouth, smile: of its corners, blink: of the eyes, brows: up;
    all 0..1 but smile, −1..1.
    """

    open: float = 0.0
    smile: float = 0.0
    blink: float = 0.0
    brows: float = 0.0


@lru_cache(maxsize=128)  # a fine front takes a megabyte
def paint_front(who: Person, expression: Expression, side: int) -> tuple[Floats, Floats]:
    """The painted front ``[S, S, 3]`` and how far each place of it stands out, head units."""
    scale, middle = side / 2 / SPAN, side / 2 - 0.5
    brush = Brush(side, (middle, middle), (scale, scale))
    paint: Floats = np.empty((side, side, 3), np.float32)
    paint[:] = who.skin
    random = np.random.default_rng([who.seed, 1])
    _skin_marks(paint, brush, who, random)
    _chin(paint, brush, who)
    _nose(paint, brush, who)
    _mouth(paint, brush, who, expression)
    _beard(paint, brush, who, random)
    for which in (-1, 1):
        _eye(paint, brush, who, expression, which)
        _brow(paint, brush, who, expression, which)
    _hairline(paint, brush, who, random)
    _spectacles(paint, brush, who)
    tip = nose_tip(who)
    rows, columns = (np.mgrid[0:side, 0:side].astype(np.float32) - middle) / scale
    bump = np.exp(
        -((columns / (0.9 * who.nose_width)) ** 2)
        - (np.where(rows < tip[1], (rows - tip[1]) / 0.28, (rows - tip[1]) / 0.07) ** 2)
    )
    return paint, (who.nose_height * bump).astype(np.float32)


def nose_tip(who: Person) -> tuple[float, float]:
    """Where the nose ends, x and y."""
    return 0.0, who.eye_y + who.nose_length


def _skin_marks(paint: Floats, brush: Brush, who: Person, random: np.random.Generator) -> None:
    grain = random.normal(0, 1, (_GRAIN, _GRAIN)).astype(np.float32)
    texture = cv2.resize(cv2.GaussianBlur(grain, (0, 0), 2.5), paint.shape[1::-1])
    peak = max(float(np.abs(texture).max()), 1e-6)
    paint += np.asarray(texture * (7 / peak), np.float32)[..., None]
    for side in (-1, 1):
        cheek = brush.mask(ellipse(side * 0.46, 0.26, 0.2, 0.16), soft=9)
        lay(paint, darker(who.lip_color, 1.08), cheek, 0.22)
    if who.freckles:
        for _ in range(round(60 * who.freckles)):
            x, y = random.normal(0, 0.32), random.normal(0.12, 0.12)
            lay(paint, darker(who.skin, 0.7), brush.mask(ellipse(x, y, 0.012, 0.012), soft=0.4))
    for x, y in who.moles:
        lay(paint, darker(who.skin, 0.3), brush.mask(ellipse(x, y, 0.028, 0.028)))


def _chin(paint: Floats, brush: Brush, who: Person) -> None:
    chin = brush.mask(ellipse(0, 0.8 + who.chin, 0.2, 0.07), soft=5)
    lay(paint, darker(who.skin, 1.08), chin, 0.5)


def _nose(paint: Floats, brush: Brush, who: Person) -> None:
    x, y = nose_tip(who)
    width = who.nose_width
    bridge = np.asarray([[0.5 * width, who.eye_y + 0.02], [0.42 * width, y - 0.12], [width, y]])
    for side in (-1, 1):
        lay(paint, darker(who.skin, 0.72), brush.stroke(bridge * (side, 1), 0.035, soft=2.2), 0.55)
        nostril = brush.mask(ellipse(side * 0.5 * width, y + 0.045, 0.34 * width, 0.026), soft=0.9)
        lay(paint, darker(who.skin, 0.3), nostril, 0.9)
    lay(
        paint,
        darker(who.skin, 1.18),
        brush.mask(ellipse(x, y - 0.03, 0.4 * width, 0.08), soft=3),
        0.5,
    )
    below = brush.mask(ellipse(x, y + 0.1, 0.9 * width, 0.035), soft=2.5)
    lay(paint, darker(who.skin, 0.62), below, 0.5)


def mouth_corners(who: Person, expression: Expression) -> tuple[float, float]:
    """Half the mouth's width and the corners' y."""
    half = who.mouth_width * (1 + 0.18 * max(expression.smile, 0) - 0.22 * expression.open)
    return half, who.mouth_y - 0.06 * expression.smile


def _mouth(paint: Floats, brush: Brush, who: Person, expression: Expression) -> None:
    half, corner = mouth_corners(who, expression)
    middle = who.mouth_y + 0.03 * expression.smile
    t = np.linspace(-1, 1, 25)
    arch = 1 - t**2
    bow = 0.35 * np.exp(-((t / 0.16) ** 2))
    line = corner + (middle - corner) * arch
    gap = 0.16 * expression.open * arch
    upper = line - gap * 0.35
    lower = line + gap
    top = upper - who.lip * (arch - bow * arch) * 0.8
    bottom = lower + who.lip * arch * 1.15
    for edge, inner in ((top, upper), (bottom, lower)):
        shape = np.concatenate(
            [np.stack([t * half, edge], 1), np.stack([t * half, inner], 1)[::-1]]
        )
        lay(paint, who.lip_color, brush.mask(shape))
    if expression.open > 0:
        inside = np.concatenate(
            [np.stack([t * half, upper], 1), np.stack([t * half, lower], 1)[::-1]]
        )
        lay(paint, (30, 22, 60), brush.mask(inside))
        teeth = np.concatenate(
            [
                np.stack([t * half * 0.8, upper], 1),
                np.stack([t * half * 0.8, np.minimum(upper + 0.05, lower)], 1)[::-1],
            ]
        )
        lay(paint, (225, 232, 236), brush.mask(teeth))
    else:
        seam = np.stack([t * half, line], 1)
        lay(paint, darker(who.lip_color, 0.4), brush.stroke(seam, 0.02), 0.9)
    shadow = brush.mask(ellipse(0, float(bottom.max()) + 0.05, 0.6 * half, 0.03), soft=3)
    lay(paint, darker(who.skin, 0.7), shadow, 0.5)


def _beard(paint: Floats, brush: Brush, who: Person, random: np.random.Generator) -> None:
    if who.beard == "none":
        return
    side = brush.side
    mask: Floats = np.zeros((side, side), np.float32)
    top = nose_tip(who)[1] + 0.1
    lip = ellipse(0, (top + who.mouth_y) / 2, who.mouth_width * 1.05, 0.06)
    mask = np.maximum(mask, brush.mask(lip, soft=1.5).whole(side))
    if who.beard in ("goatee", "full"):
        chin = ellipse(0, who.mouth_y + 0.33, who.mouth_width * 0.8, 0.2)
        mask = np.maximum(mask, brush.mask(chin, soft=3).whole(side))
    if who.beard == "full":
        outer = brush.mask(ellipse(0, 0.25, 1.05, 0.86), soft=2).whole(side)
        inner = brush.mask(ellipse(0, 0.02, 0.66, 0.56), soft=6).whole(side)
        lower = np.linspace(-SPAN, SPAN, side)[:, None] > 0.12
        mask = np.maximum(mask, outer * (1 - inner) * lower)
    lips = brush.mask(ellipse(0, who.mouth_y, who.mouth_width * 0.95, who.lip * 1.2), soft=1)
    grain = 0.75 + 0.25 * random.random((side, side)).astype(np.float32)
    lay(paint, darker(who.hair_color, 0.9), mask * (1 - lips.whole(side)) * grain, 0.86)


def _eye(paint: Floats, brush: Brush, who: Person, expression: Expression, side: int) -> None:
    x, y, size = side * who.eye_x, who.eye_y, who.eye_size
    turn = -side * who.eye_slant
    socket = brush.mask(ellipse(x, y - 0.02, size * 1.7, size * 1.25), soft=6)
    lay(paint, darker(who.skin, 0.75), socket, 0.4)
    height = size * 0.55 * max(0.06, 1 - expression.blink)
    white = brush.mask(ellipse(x, y, size, height, turn=turn))
    lay(paint, (232, 236, 240), white)
    within = white.whole(brush.side)
    for color, dx, dy, radius in (
        (who.eye_color, 0.0, 0.0, 0.47),
        ((16, 14, 14), 0.0, 0.0, 0.2),
        ((250, 250, 250), -0.3, -0.2, 0.1),
    ):
        disc = brush.mask(ellipse(x + dx * size, y + dy * size, radius * size, radius * size))
        lay(paint, color, disc.whole(brush.side) * within)
    rim = ellipse(x, y, size * 1.04, height * 1.15, turn=turn)
    upper = np.roll(rim, len(rim) // 2, axis=0)[: len(rim) // 2 + 1]
    lay(paint, darker(who.hair_color, 0.5), brush.stroke(upper, 0.03), 0.9)


def _brow(paint: Floats, brush: Brush, who: Person, expression: Expression, side: int) -> None:
    t = np.linspace(-1, 1, 15)
    x = side * who.eye_x + t * who.brow_length
    lift = who.eye_y - who.brow_gap - 0.08 * expression.brows
    y = lift + side * t * math.tan(who.brow_angle) * who.brow_length - 0.05 * (1 - t**2)
    color = darker(who.hair_color, 0.75) if who.hair_color[2] < 180 else who.hair_color
    lay(paint, color, brush.stroke(np.stack([x, y], 1), who.brow_thickness, soft=1.0), 0.92)


def _hairline(paint: Floats, brush: Brush, who: Person, random: np.random.Generator) -> None:
    if who.hair == "bald":
        return
    x = np.linspace(-1.15, 1.15, 41)
    line = who.hairline + 0.28 * np.abs(x) ** 3
    if who.hair == "side":
        line = line + 0.16 * np.clip(x + 0.2, 0, 1)
    elif who.hair == "curly":
        line = line + 0.05 * np.sin(x * 18 + who.seed)
    elif who.hair in ("bob", "long"):
        line = np.minimum(who.eye_y - who.brow_gap * 0.75, line + 0.22)
    shape = np.concatenate([np.stack([x, line], 1), [[1.2, -1.2], [-1.2, -1.2]]])
    side = brush.side
    mask = brush.mask(shape, soft=1.4).whole(side)
    if who.hair in ("bob", "long", "curly"):
        for which in (-1, 1):
            lock = np.asarray([[0.74, -0.7], [0.86, 0.35], [1.2, 0.5], [1.2, -0.8]]) * (which, 1)
            mask = np.maximum(mask, brush.mask(lock, soft=2).whole(side))
    lines = strands(random, side)
    color = np.asarray(who.hair_color, np.float32) * (1 + 0.16 * lines[..., None])
    lay(paint, np.clip(color, 0, 255), mask)


def strands(random: np.random.Generator, side: int) -> Floats:
    """Fine lines from top to bottom, with mean 0 and deviation 1."""
    grain = random.random((_GRAIN, _GRAIN)).astype(np.float32)
    lines = cv2.resize(cv2.GaussianBlur(grain, (0, 0), 0.7, sigmaY=6), (side, side))
    return np.asarray((lines - lines.mean()) / max(float(lines.std()), 1e-6), np.float32)


def _spectacles(paint: Floats, brush: Brush, who: Person) -> None:
    if who.glasses == "none":
        return
    a, b = 0.235, 0.19
    for side in (-1, 1):
        x = side * max(who.eye_x, a + 0.05)
        rim = ellipse(x, who.eye_y + 0.02, a, b)
        if who.glasses == "square":
            centre = np.asarray([x, who.eye_y + 0.02])
            unit = (rim - centre) / (a, b)
            rim = centre + np.sign(unit) * np.abs(unit) ** 0.35 * (a, b)
        lay(paint, (235, 232, 228), brush.mask(rim), 0.1)
        lay(paint, who.glasses_color, brush.stroke(np.vstack([rim, rim[:1]]), 0.04))
        arm = np.asarray([[x + side * a, who.eye_y], [side * 1.1, who.eye_y - 0.05]])
        lay(paint, who.glasses_color, brush.stroke(arm, 0.035))
    inner = max(who.eye_x, a + 0.05) - a
    bridge = np.asarray([[-inner, who.eye_y], [0, who.eye_y - 0.04], [inner, who.eye_y]])
    lay(paint, who.glasses_color, brush.stroke(bridge, 0.035))
