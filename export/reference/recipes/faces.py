"""Faces to learn from: portraits for generators, aligned crops for recognisers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from edge.types import ByteImage, FloatArray
from edge.vision.crop import align_face
from export.reference.world.face import Light, Pose, render_head
from export.reference.world.front import Expression
from export.reference.world.identity import Person, person

SIDE = 64  # of every picture
# Seeds below are people to learn from; those from here on are kept to measure with.
HELD_OUT = 1_000_000
# ArcFace's five points, of a crop of 112 pixels, for one of SIDE.
TEMPLATE: FloatArray = (
    np.asarray(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
         [70.7299, 92.2041]],
        np.float32,
    )
    * np.float32(SIDE / 112)
)  # fmt: skip
_PORTRAIT, _VIEW = 1, 2


def portraits(seeds: Sequence[int]) -> Iterator[ByteImage]:
    """Each person once, nearly from ahead, on a plain wall: uint8 ``[64, 64, 3]`` BGR."""
    for seed in seeds:
        random = np.random.default_rng([seed, _PORTRAIT])
        head = render_head(
            person(seed),
            size=SIDE,
            pose=Pose(yaw=random.normal(0, 0.16), pitch=random.normal(0, 0.07)),
            light=_light(random, spread=0.5),
            expression=Expression(
                open=float(random.random() < 0.2), smile=float(random.uniform(-0.4, 1))
            ),
        )
        yield _over(head.image, head.alpha, _wall(random, SIDE))


def views(seeds: Sequence[int], each: int) -> Iterator[ByteImage]:
    """Crops aligned as a recogniser's are, ``each`` of every person, one after the other.

    They differ in pose, light, expression, size, sharpness, noise, what hides part of them and how
    well the landmarks were found.
    """
    for seed in seeds:
        who = person(seed)
        for view in range(each):
            yield _aligned(who, np.random.default_rng([seed, _VIEW, view]))


def _aligned(who: Person, random: np.random.Generator) -> ByteImage:
    size = int(random.choice((48, 64, 80, 104)))
    head = render_head(
        who,
        size=size,
        pose=Pose(
            yaw=float(np.clip(random.normal(0, 0.3), -0.75, 0.75)),
            pitch=float(np.clip(random.normal(0, 0.15), -0.4, 0.4)),
            roll=random.normal(0, 0.12),
        ),
        light=_light(random, spread=1.0),
        expression=Expression(
            open=float(random.random() < 0.25),
            smile=float(random.choice((-0.5, 0.0, 0.5, 1.0))),
            blink=float(random.random() < 0.08),
        ),
    )
    picture = _over(head.image, head.alpha, _wall(random, size))
    # Detectors miss the middle of an eye by some part of the face.
    points = head.landmarks + random.normal(0, 0.008 * size, (5, 2)).astype(np.float32)
    return _spoilt(align_face(picture, points, TEMPLATE, (SIDE, SIDE)), random)


def _light(random: np.random.Generator, *, spread: float) -> Light:
    angle = random.uniform(0, 2 * math.pi)
    return Light(
        direction=(spread * math.cos(angle), spread * math.sin(angle) - 0.2, 0.8),
        ambient=float(random.uniform(0.75 - 0.35 * spread, 0.8)),
        gain=float(random.uniform(1 - 0.45 * spread, 1 + 0.2 * spread)),
        warmth=float(random.uniform(-spread, spread)),
    )


def _wall(random: np.random.Generator, size: int) -> FloatArray:
    """A wall whose colour changes from one side to the other."""
    first, second = random.uniform(40, 210, (2, 3))
    second = 0.7 * first + 0.3 * second
    turn = random.uniform(0, 2 * math.pi)
    rows, columns = np.mgrid[0:size, 0:size] / (size - 1) - 0.5
    share = (rows * math.sin(turn) + columns * math.cos(turn))[..., None] + 0.5
    return np.asarray(first * (1 - share) + second * share, np.float32)


def _over(image: ByteImage, alpha: FloatArray, wall: FloatArray) -> ByteImage:
    mixed = image * alpha[..., None] + wall * (1 - alpha[..., None])
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _spoilt(picture: ByteImage, random: np.random.Generator) -> ByteImage:
    """Blurred, hidden in part, and with the noise of a camera."""
    values = picture.astype(np.float32)
    if random.random() < 0.4:
        values = cv2.GaussianBlur(values, (0, 0), random.uniform(0.4, 1.3)).astype(np.float32)
    if random.random() < 0.15:
        width, height = random.integers(SIDE // 6, SIDE // 3, 2)
        x, y = random.integers(0, SIDE - width), random.integers(SIDE // 2, SIDE - height)
        values[y : y + height, x : x + width] = random.uniform(0, 255, 3)
    values += random.normal(0, random.uniform(0, 9), values.shape)
    return np.clip(values, 0, 255).astype(np.uint8)
