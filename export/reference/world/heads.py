"""Heads in a scene: which side of one a camera sees, and a picture of it laid in place.

Neighbouring frames see nearly the same head, so poses are rounded and pictures kept.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.geometry import transform_points
from edge.types import ByteImage, FloatArray
from export.reference.world.face import HeadPicture, Light, Pose, render_head
from export.reference.world.front import Expression
from export.reference.world.identity import Person
from export.reference.world.motion import HEAD, Figure
from export.reference.world.view import View

HEAD_METRES = 0.35  # side of a head's picture, a little larger than life so that faces read
_CENTRE = (0.5, 0.47)  # of the head within its picture
_ANGLE_STEP = math.radians(5)
_SIZE_STEP = 1.2
_LARGEST = 320
_KEPT = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadView:
    """How a camera sees a head. pose: radians. centre: pixels. size: of its picture, pixels."""

    pose: Pose
    centre: tuple[float, float]
    size: float


def head_view(figure: Figure, view: View) -> HeadView:
    """The head of a figure against the line of sight."""
    place = figure.joints[HEAD]
    pixels, depth = view.project(place)
    sight = view.place - place
    sight /= np.linalg.norm(sight)
    right = view.axes[0] - sight * float(view.axes[0] @ sight)
    right /= np.linalg.norm(right)
    up = np.cross(right, sight)
    up *= math.copysign(1.0, float(up @ view.axes[1]))
    roll = math.atan2(float(figure.crown @ right), float(figure.crown @ up))
    x, y, z = (float(figure.gaze @ axis) for axis in (right, up, sight))
    across = x * math.cos(roll) - y * math.sin(roll)
    upwards = x * math.sin(roll) + y * math.cos(roll)
    yaw = math.atan2(across, math.copysign(math.hypot(upwards, z), z))
    pitch = math.atan(upwards / z) if abs(z) > 1e-3 else 0.0
    size = view.focal / max(float(depth[0]), 0.05) * HEAD_METRES
    return HeadView(
        pose=Pose(yaw=yaw, pitch=max(-0.6, min(0.6, pitch)), roll=roll),
        centre=(float(pixels[0, 0]), float(pixels[0, 1])),
        size=size,
    )


@dataclass(frozen=True, slots=True, eq=False)
class LaidHead:
    """A head over a canvas: image and alpha (0..1) of the canvas's part at ``corner``.

    landmarks: ``[5, 2]`` and box ``[4]``, canvas pixels; oval: uint8, 255 where the face is.
    """

    image: FloatArray
    alpha: FloatArray
    oval: ByteImage
    corner: tuple[int, int]
    landmarks: FloatArray
    box: FloatArray


class HeadCache:
    """Renders heads and keeps those lately seen, under one light."""

    def __init__(self, light: Light) -> None:
        self._light = light
        self._kept: OrderedDict[tuple[object, ...], HeadPicture] = OrderedDict()

    def _picture(self, who: Person, size: int, pose: Pose, expression: Expression) -> HeadPicture:
        key = (who.seed, size, pose, expression)
        found = self._kept.get(key)
        if found is None:
            found = render_head(who, size=size, pose=pose, light=self._light, expression=expression)
            self._kept[key] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return found

    def lay(
        self,
        who: Person,
        seen: HeadView,
        expression: Expression,
        canvas: tuple[int, int],
    ) -> LaidHead | None:
        """The head over a canvas (width, height); None where it is outside."""
        step = math.ceil(math.log(max(seen.size, 10.0)) / math.log(_SIZE_STEP))
        size = min(round(_SIZE_STEP**step), _LARGEST)
        pose = Pose(yaw=_rounded(seen.pose.yaw), pitch=_rounded(seen.pose.pitch))
        picture = self._picture(who, size, pose, expression)
        matrix = _placing(seen, size)
        half = 0.75 * seen.size
        low = np.floor(np.asarray(seen.centre) - half).astype(int)
        high = np.ceil(np.asarray(seen.centre) + half).astype(int)
        x1, y1 = (int(v) for v in np.clip(low, 0, canvas))
        x2, y2 = (int(v) for v in np.clip(high, 0, canvas))
        if x2 - x1 < 1 or y2 - y1 < 1:
            return None
        local = matrix.copy()
        local[:, 2] -= (x1, y1)
        flags, span = cv2.INTER_LINEAR, (x2 - x1, y2 - y1)
        image = cv2.warpAffine(
            picture.image, local, span, flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        alpha = cv2.warpAffine(picture.alpha, local, span, flags=flags)
        landmarks = transform_points(matrix, picture.landmarks).astype(np.float32)
        box, oval = _face(matrix, picture.box, (x1, y1), span)
        return LaidHead(
            np.asarray(image, np.float32), np.asarray(alpha, np.float32), oval, (x1, y1),
            landmarks, box,
        )  # fmt: skip


def _rounded(angle: float) -> float:
    return round(angle / _ANGLE_STEP) * _ANGLE_STEP


def _placing(seen: HeadView, size: int) -> NDArray[np.float64]:
    """From the head's picture to the canvas: scaled, rolled and moved."""
    scale = seen.size / size
    sine, cosine = math.sin(seen.pose.roll) * scale, math.cos(seen.pose.roll) * scale
    linear = np.asarray([[cosine, -sine], [sine, cosine]])
    shift = np.asarray(seen.centre) - linear @ (np.asarray(_CENTRE) * size)
    return np.column_stack([linear, shift])


def _face(
    matrix: NDArray[np.float64],
    box: FloatArray,
    corner: tuple[int, int],
    span: tuple[int, int],
) -> tuple[FloatArray, ByteImage]:
    """The box around the turned ellipse of the face, and that ellipse drawn."""
    x1, y1, x2, y2 = (float(v) for v in box)
    angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    half = np.asarray([(x2 - x1) / 2, (y2 - y1) / 2])
    round_about = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rim = half * round_about + ((x1 + x2) / 2, (y1 + y2) / 2)
    placed = transform_points(matrix, rim)
    oval = np.zeros((span[1], span[0]), np.uint8)
    cv2.fillConvexPoly(oval, np.round(placed - corner).astype(np.int32), 255)
    around = np.concatenate([placed.min(axis=0), placed.max(axis=0)])
    return around.astype(np.float32), oval
