"""Faces: a person's front painted flat, laid over a sphere, turned, lit and photographed.

The front is painted once for each person and expression, as an orthographic view of the head from
straight ahead. A turned head is that front seen through the sphere's rotation, so that features
foreshorten and vanish round the side as they would; the nose stands out and shifts with the turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage
from export.reference.world.brush import Brush, Floats, darker, ellipse, over
from export.reference.world.front import (
    SPAN,
    Expression,
    mouth_corners,
    nose_tip,
    paint_front,
    strands,
)
from export.reference.world.identity import Person

_FINE, _COARSE = 256, 128  # sides of the painted front
_COARSE_UP_TO = 112  # pixels of the picture of the head

_HEAD = 0.36  # radius of the head to the picture's side


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """How a head is held, in radians. yaw: to the picture's right, pitch: up, roll: clockwise."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Where light comes from (x, y, z in head units, normalised here) and how strong it is.

    ambient: share that comes from everywhere, 0..1. gain: of all of it. warmth: −1 bluish to 1
    yellowish.
    """

    direction: tuple[float, float, float] = (-0.3, -0.5, 0.8)
    ambient: float = 0.55
    gain: float = 1.0
    warmth: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class HeadPicture:
    """A head on nothing.

    image: uint8 ``[S, S, 3]`` BGR. alpha: float32 ``[S, S]``, 0..1. landmarks: float32 ``[5, 2]``
    pixels: eye on the image's left, other eye, nose, mouth corner on the image's left, other
    corner. box: float32 ``[4]``, the face from brow to chin and ear to ear, pixels.
    """

    image: ByteImage
    alpha: Floats
    landmarks: Floats
    box: Floats


def render_head(
    who: Person,
    *,
    size: int,
    pose: Pose | None = None,
    light: Light | None = None,
    expression: Expression | None = None,
) -> HeadPicture:
    """One head in the middle of a square picture of ``size`` pixels; hair and neck included.

    Raises ValueError for less than 8 pixels.
    """
    if size < 8:
        raise ValueError(f"expected a size of 8 or more, found {size}")
    pose, light = pose or Pose(), light or Light()
    expression = expression or Expression()
    side = _COARSE if size <= _COARSE_UP_TO else _FINE
    color, height = paint_front(who, _rounded(expression), side)
    radius = _HEAD * size
    spin = _rotation(pose)
    scale = np.asarray([radius * who.width, radius * who.height])
    centre = np.asarray([size / 2, size * 0.47])
    canvas: Floats = np.zeros((size, size, 4), np.float32)
    _behind(canvas, who, pose, centre, scale)
    points, on = _sphere_points(size, centre, scale, pose.roll, who.jaw)
    turned = points @ spin  # each row times the inverse rotation: to the head's own frame
    # What stands out is seen where a flat front would be seen a little further round.
    lift = _sample(height, turned[..., :2])
    shifted = turned[..., :2] - lift[..., None] * (spin[2, :2] * -1.0)
    front = _sample(color, np.where(on[..., None], shifted, 0.0))
    back = np.asarray(who.hair_color if who.hair != "bald" else who.skin, np.float32)
    facing = np.clip((turned[..., 2] + 0.05) / 0.15, 0, 1)[..., None]
    skin = front * facing + back * (1 - facing)
    shaded = skin * _shade(points, light)[..., None] * _tint(light)
    alpha = np.asarray(cv2.GaussianBlur(on.astype(np.float32), (0, 0), 0.7), np.float32)
    over(canvas, np.clip(shaded, 0, 255), alpha)
    _before(canvas, who, pose, light, centre, scale)
    landmarks, box = _truth(who, expression, spin, pose, centre, scale)
    image = np.clip(canvas[..., :3], 0, 255).astype(np.uint8)
    return HeadPicture(image, canvas[..., 3].copy(), landmarks, box)


def _rounded(expression: Expression) -> Expression:
    """To a few steps, so that painted fronts are used again."""
    return Expression(
        open=round(expression.open * 2) / 2,
        smile=round(expression.smile * 2) / 2,
        blink=float(round(expression.blink)),
        brows=float(round(expression.brows)),
    )


def _rotation(pose: Pose) -> NDArray[np.float64]:
    """Rows are the head's axes as the camera sees them, without roll, which turns the picture."""
    sine, cosine = math.sin(pose.yaw), math.cos(pose.yaw)
    yaw = np.asarray([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    sine, cosine = math.sin(pose.pitch), math.cos(pose.pitch)
    pitch = np.asarray([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    return np.asarray(pitch @ yaw, np.float64)


def _sphere_points(
    size: int, centre: NDArray[np.float64], scale: NDArray[np.float64], roll: float, jaw: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """For each pixel the point of the unit sphere that it shows, and whether it shows one."""
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    x, y = columns - centre[0], rows - centre[1]
    sine, cosine = math.sin(-roll), math.cos(-roll)
    x, y = x * cosine - y * sine, (x * sine + y * cosine) / scale[1]
    x = x / (scale[0] * _taper(y, jaw))
    rest = 1 - x * x - y * y
    on = rest > 0
    z = np.sqrt(np.maximum(rest, 0))
    return np.stack([x, y, z], axis=-1).astype(np.float32), on


def _taper(y: Floats | NDArray[np.float64], jaw: float) -> Floats | NDArray[np.float64]:
    """How wide the head is at a height, to its full width: a jaw narrows below the middle."""
    return 1 - 0.3 * jaw * np.clip(y + 0.1, 0, 1.1) ** 2


def _sample(texture: Floats, at: NDArray[np.float64] | Floats) -> Floats:
    places = ((at / SPAN + 1) * 0.5 * (len(texture) - 1)).astype(np.float32)
    taken = cv2.remap(
        texture, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(taken, np.float32)


def _shade(normals: Floats, light: Light) -> Floats:
    direction = np.asarray(light.direction, np.float32)
    direction /= max(float(np.linalg.norm(direction)), 1e-6)
    lit = np.clip(normals @ direction, 0, 1)
    shade: Floats = light.gain * (light.ambient + (1.15 - light.ambient) * lit)
    return shade


def _tint(light: Light) -> Floats:
    return np.asarray([1 - 0.12 * light.warmth, 1.0, 1 + 0.1 * light.warmth], np.float32)


def _turned(points: NDArray[np.float64], roll: float) -> NDArray[np.float64]:
    sine, cosine = math.sin(roll), math.cos(roll)
    return np.asarray(points @ [[cosine, sine], [-sine, cosine]], np.float64)


def _behind(
    canvas: Floats,
    who: Person,
    pose: Pose,
    centre: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> None:
    """Neck, ears and the hair that is seen past the head."""
    brush = Brush(len(canvas), (centre[0], centre[1]), (scale[0], scale[1]))
    shift = 0.25 * math.sin(pose.yaw)
    neck = np.asarray([[-0.5, 0.6], [0.5, 0.6], [0.56, 1.6], [-0.56, 1.6]])
    neck[:, 0] -= 0.3 * shift
    over(canvas, darker(who.skin, 0.62), brush.mask(neck))
    if who.hair in ("long", "bob"):
        end = 1.45 if who.hair == "long" else 0.75
        shape = [[-1.12, -0.3], [-1.2, 0.4], [-1.0, end], [1.0, end], [1.2, 0.4], [1.12, -0.3]]
        over(
            canvas, darker(who.hair_color, 0.7), brush.mask(np.asarray(shape) - (shift, 0), soft=1)
        )
    if who.hair == "bun":
        over(canvas, who.hair_color, brush.mask(ellipse(-2 * shift, -1.16, 0.34, 0.28), soft=1))
    for side in (-1, 1):
        seen = side * math.sin(pose.yaw) < 0.45  # the one that turns to the back is hidden
        if seen and who.hair not in ("long", "bob"):
            x = side * (1.0 - 0.35 * abs(math.sin(pose.yaw)))
            ear = ellipse(x, who.eye_y + 0.18, who.ear * 0.62, who.ear * 1.1, turn=0)
            over(canvas, darker(who.skin, 0.8), brush.mask(_turned(ear, pose.roll)))


def _before(
    canvas: Floats,
    who: Person,
    pose: Pose,
    light: Light,
    centre: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> None:
    """The hair that stands up from the head."""
    if who.hair == "bald":
        return
    brush = Brush(len(canvas), (centre[0], centre[1]), (scale[0], scale[1]))
    rise = {"short": 1.06, "side": 1.12, "curly": 1.24, "bob": 1.12, "long": 1.1, "bun": 1.06}
    up = rise[who.hair]
    angles = np.linspace(math.pi * 1.02, math.pi * 1.98, 40)
    outer = np.stack([1.03 * up * np.cos(angles), up * np.sin(angles)], axis=1)
    if who.hair == "curly":
        outer *= (1 + 0.035 * np.sin(angles * 17 + who.seed))[:, None]
    inner = np.stack([0.96 * np.cos(angles[::-1]), 0.93 * np.sin(angles[::-1])], axis=1)
    shape = _turned(np.concatenate([outer, inner]), pose.roll)
    side = len(canvas)
    normals = (
        np.mgrid[0:side, 0:side].astype(np.float32)[::-1].transpose(1, 2, 0) - centre
    ) / scale
    bulge = np.sqrt(np.maximum(1.3 - (normals**2).sum(axis=2), 0.05))
    shade = _shade(np.dstack([normals, bulge]).astype(np.float32), light)
    lines = strands(np.random.default_rng([who.seed, 2]), side)
    lit = np.asarray(who.hair_color, np.float32) * (shade * (0.95 + 0.1 * lines))[..., None]
    over(canvas, lit * _tint(light), brush.mask(shape, soft=0.9).whole(side))


def _truth(
    who: Person,
    expression: Expression,
    spin: NDArray[np.float64],
    pose: Pose,
    centre: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> tuple[Floats, Floats]:
    half, corner = mouth_corners(who, expression)
    flat = np.asarray(
        [
            [-who.eye_x, who.eye_y],
            [who.eye_x, who.eye_y],
            nose_tip(who),
            [-half, corner],
            [half, corner],
            [0.0, who.eye_y - who.brow_gap - 0.12],
            [0.0, 0.97],
            [-0.96, 0.1],
            [0.96, 0.1],
        ]
    )
    deep = np.sqrt(np.maximum(1 - (flat**2).sum(axis=1), 0))
    solid = np.concatenate([flat, deep[:, None]], axis=1)
    solid[2, 2] += who.nose_height
    seen = (solid @ spin.T)[:, :2]
    seen[:, 0] *= _taper(seen[:, 1], who.jaw)
    seen = _turned(seen * scale, pose.roll) + centre
    # The outline is the sphere's own, so sides come from it and not from points that turn away.
    top, bottom = sorted((seen[5, 1], seen[6, 1]))
    middle = seen[5:7, 0].mean() * 0.35 + centre[0] * 0.65
    box = [middle - scale[0] * 0.98, top, middle + scale[0] * 0.98, bottom]
    return seen[:5].astype(np.float32), np.asarray(box, np.float32)
