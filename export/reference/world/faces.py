"""Aligned crops of faces as a camera would give them: any pose, light and wear, and spoilt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage, FloatArray
from edge.vision.crop import align_face
from export.reference.world.face import Light, Pose, render_head
from export.reference.world.front import Expression
from export.reference.world.identity import Color, Person, person

Worn = Literal["nothing", "sunglasses", "mask", "scarf", "hand"]

WORN: tuple[Worn, ...] = ("nothing", "sunglasses", "mask", "scarf", "hand")
_SHARES = (0.88, 0.04, 0.03, 0.02, 0.03)
_YAW, _PITCH, _ROLL = math.radians(50), math.radians(25), math.radians(20)
# A few faces that people make; each person's are painted once and used again.
_EXPRESSIONS = (
    Expression(),
    Expression(smile=0.5),
    Expression(smile=1.0),
    Expression(smile=-0.5),
    Expression(open=0.5),
    Expression(open=1.0, brows=1.0),
    Expression(blink=1.0),
)
_SIZES = (44, 56, 72, 92, 112)  # of the head's picture, pixels; a face is about 0.6 of it
# Five points of ArcFace's aligned crop of 112 pixels.
_ARCFACE = (
    (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655),
    (70.7299, 92.2041),
)  # fmt: skip


def template(size: int) -> FloatArray:
    """Where the five landmarks lie in an aligned crop of ``size`` pixels: float32 ``[5, 2]``."""
    return np.asarray(_ARCFACE, np.float32) * np.float32(size / 112)


@dataclass(frozen=True, slots=True, eq=False)
class FaceSample:
    """One aligned crop. image: uint8 ``[S, S, 3]`` BGR. identity: seed of the person.

    yaw, pitch: radians. face_px: width of the face before alignment, pixels.
    """

    image: ByteImage
    identity: int
    yaw: float
    pitch: float
    worn: Worn
    face_px: float


def face_sample(
    who: Person, random: np.random.Generator, *, size: int = 64, nuisance: float = 1.0
) -> FaceSample:
    """A crop of somebody's face, aligned by five landmarks as recognisers are given them.

    nuisance: 0 is straight ahead, evenly lit and sharp; at 1 yaw reaches 50°, pitch 25°, with
    every light, blur, noise and now and then something before the face.
    """
    span = nuisance * min(float(abs(random.normal(0, 0.5))), 1.0)
    turn = float(random.uniform(0, 2 * math.pi))
    pose = Pose(
        yaw=_YAW * span * math.cos(turn),
        pitch=_PITCH * span * math.sin(turn),
        roll=nuisance * float(np.clip(random.normal(0, 0.4), -1, 1)) * _ROLL,
    )
    chosen = _EXPRESSIONS[int(random.integers(len(_EXPRESSIONS)))]
    side = int(random.choice(_SIZES)) if nuisance > 0 else _SIZES[-1]
    head = render_head(
        who,
        size=side,
        pose=pose,
        light=_light(random, nuisance),
        expression=chosen if nuisance > 0 else None,
    )
    alpha = head.alpha[..., None]
    picture = (head.image * alpha + _surroundings(random, side) * (1 - alpha)).astype(np.uint8)
    worn: Worn = "nothing"
    if nuisance > 0:
        worn = WORN[int(random.choice(len(WORN), p=_SHARES))]
        _wear(picture, worn, head.landmarks, head.box, random)
    # A detector misses the landmarks by a part of the face.
    missed = nuisance * random.normal(0, 0.011 * side, (5, 2))
    aligned = align_face(picture, head.landmarks + missed, template(size), (size, size))
    return FaceSample(
        image=_spoilt(aligned, random, nuisance),
        identity=who.seed,
        yaw=pose.yaw,
        pitch=pose.pitch,
        worn=worn,
        face_px=float(head.box[2] - head.box[0]),
    )


def face_samples(
    identities: Sequence[int], *, each: int, seed: int, size: int = 64, nuisance: float = 1.0
) -> Iterator[FaceSample]:
    """``each`` crops of every identity, one person after the other; the same for the same seed."""
    for identity in identities:
        who = person(identity)
        for index in range(each):
            random = np.random.default_rng([seed, identity, index])
            yield face_sample(who, random, size=size, nuisance=nuisance)


def _light(random: np.random.Generator, nuisance: float) -> Light:
    side, down = random.uniform(-1.0, 1.0), random.uniform(-0.9, 0.3)
    return Light(
        direction=(nuisance * float(side), nuisance * float(down) - 0.2, 0.7),
        ambient=0.7 - 0.35 * nuisance * float(random.random()),
        gain=1 + nuisance * float(random.uniform(-0.5, 0.2)),
        warmth=nuisance * float(random.uniform(-0.8, 0.8)),
    )


def _surroundings(random: np.random.Generator, side: int) -> FloatArray:
    """A few large patches of colour, out of focus."""
    coarse = random.uniform(20, 230, (3, 3, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def _wear(
    picture: ByteImage,
    worn: Worn,
    landmarks: FloatArray,
    box: FloatArray,
    random: np.random.Generator,
) -> None:
    """Something over part of the face, placed by its landmarks."""
    if worn == "nothing":
        return
    left, right, nose, corner, other = (np.asarray(p, np.float64) for p in landmarks)
    across = right - left
    down = np.asarray([-across[1], across[0]])
    span = max(float(np.linalg.norm(across)), 1.0)
    wide = float(box[2] - box[0])
    blue, green, red = random.uniform(20, 235, 3)
    color: Color = (float(blue), float(green), float(red))
    if worn == "sunglasses":
        dark = (color[0] * 0.25, color[1] * 0.25, color[2] * 0.25)
        for eye in (left, right):
            cv2.ellipse(
                picture, (_pixel(eye), (0.74 * span, 0.58 * span), 0.0), dark, -1, cv2.LINE_AA
            )
        cv2.line(
            picture, _pixel(left), _pixel(right), dark, max(1, round(0.08 * span)), cv2.LINE_AA
        )
    elif worn in ("mask", "scarf"):
        middle = (corner + other) / 2
        top = (nose - 0.1 * down) if worn == "mask" else (corner + other) / 2 - 0.22 * down
        half = across / span * wide * (0.5 if worn == "mask" else 0.62)
        low = middle + down * (0.85 if worn == "mask" else 1.6)
        shape = [top - half * 0.95 - 0.1 * down, top, top + half * 0.95 - 0.1 * down,
                 low + half * 0.55, low - half * 0.55]  # fmt: skip
        _fill(picture, np.asarray(shape), color)
        fold = (color[0] * 0.8, color[1] * 0.8, color[2] * 0.8)
        for share in (0.35, 0.65):
            line = middle + down * share
            cv2.line(
                picture, _pixel(line - half * 0.6), _pixel(line + half * 0.6), fold, 1, cv2.LINE_AA
            )
    else:
        skin = float(random.uniform(0.35, 1.0))
        tone = (150 * skin, 180 * skin, 225 * skin)
        palm = nose + random.normal(0, 0.5, 2) * span
        away = palm - (left + right) / 2
        way = math.atan2(float(away[1]), float(away[0])) + math.pi
        for finger in (-0.45, -0.15, 0.15, 0.45):
            tip = palm + 0.85 * span * np.asarray([math.cos(way + finger), math.sin(way + finger)])
            cv2.line(
                picture, _pixel(palm), _pixel(tip), tone, max(2, round(0.2 * span)), cv2.LINE_AA
            )
        cv2.circle(picture, _pixel(palm), max(2, round(0.42 * span)), tone, -1, cv2.LINE_AA)


def _pixel(place: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))


def _fill(picture: ByteImage, shape: NDArray[np.float64], color: Color) -> None:
    hull = cv2.convexHull(shape.astype(np.float32))
    cv2.fillConvexPoly(picture, np.round(hull).astype(np.int32), color, cv2.LINE_AA)


def _spoilt(picture: ByteImage, random: np.random.Generator, nuisance: float) -> ByteImage:
    """As a sensor and a coder leave it."""
    if nuisance <= 0:
        return picture
    values = picture
    if random.random() < 0.45:
        values = np.asarray(
            cv2.GaussianBlur(values, (0, 0), 0.4 + nuisance * float(random.uniform(0, 1.0))),
            np.uint8,
        )
    contrast = 1 + nuisance * float(random.uniform(-0.3, 0.25))
    bright = nuisance * float(random.uniform(-22, 22))
    grain = random.normal(0, nuisance * float(random.uniform(0.5, 9)), values.shape)
    levels = (values.astype(np.float32) - 118) * contrast + 118 + bright + grain
    values = np.clip(levels, 0, 255).astype(np.uint8)
    if random.random() < 0.4:
        quality = int(random.integers(35, 90))
        _, packed = cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, quality])
        values = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return values
