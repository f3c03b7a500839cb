"""Who somebody is: a seed fixes every trait that does not change from picture to picture.

Lengths are in head units: the head is a sphere of radius 1, x to the picture's right, y down,
z towards the camera, before it is stretched to the face's own width and height.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Color = tuple[float, float, float]  # blue, green, red, 0..255
Hair = Literal["bald", "short", "side", "curly", "bob", "long", "bun"]
Glasses = Literal["none", "round", "square"]
Beard = Literal["none", "moustache", "goatee", "full"]

_HAIR: tuple[Hair, ...] = ("bald", "short", "side", "curly", "bob", "long", "bun")
_GLASSES: tuple[Glasses, ...] = ("none", "none", "none", "round", "square")
_BEARDS: tuple[Beard, ...] = ("none", "none", "none", "none", "moustache", "goatee", "full")
# From light to dark, and what grows on heads: rough values read off photographs.
_SKINS = ((206, 219, 244), (170, 192, 232), (128, 160, 214), (88, 124, 182), (58, 86, 138),
          (38, 56, 94))  # fmt: skip
_HAIRS = ((28, 26, 26), (34, 44, 62), (46, 70, 104), (70, 112, 160), (120, 180, 216),
          (40, 62, 146), (150, 152, 156))  # fmt: skip
_EYES = ((40, 56, 84), (60, 84, 110), (130, 110, 70), (90, 130, 90), (140, 140, 130))


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The traits of one person. Angles are in radians, colours BGR in 0..255.

    seed: who it is; equal seeds are the same person. width, height: of the face to the head's.
    jaw: how far the lower face narrows, 0..1. Eyes, brows, nose and mouth: where they are and how
    large. moles: x and y of each. shirt, trousers: what is worn, which is not part of the identity
    of a face but of a person in a scene.
    """

    seed: int
    skin: Color
    width: float
    height: float
    jaw: float
    chin: float
    eye_x: float
    eye_y: float
    eye_size: float
    eye_slant: float
    eye_color: Color
    brow_gap: float
    brow_thickness: float
    brow_angle: float
    brow_length: float
    nose_length: float
    nose_width: float
    nose_height: float
    mouth_y: float
    mouth_width: float
    lip: float
    lip_color: Color
    hair: Hair
    hair_color: Color
    hairline: float
    glasses: Glasses
    glasses_color: Color
    beard: Beard
    freckles: float
    moles: tuple[tuple[float, float], ...]
    ear: float
    shirt: Color
    trousers: Color
    tall: float


def person(seed: int) -> Person:
    """The person of a seed, 0 or more; different seeds are different people."""
    if seed < 0:
        raise ValueError(f"expected a seed of 0 or more, found {seed}")
    random = np.random.default_rng([seed, 0x9E3779B9])

    def between(low: float, high: float) -> float:
        return float(random.uniform(low, high))

    skin = _blend(_SKINS, between(0, len(_SKINS) - 1))
    hair_color = _jitter(random, _HAIRS[int(random.integers(len(_HAIRS)))], 10)
    moles = int(random.choice(3, p=[0.6, 0.3, 0.1]))
    return Person(
        seed=seed,
        skin=_jitter(random, skin, 7),
        width=between(0.74, 0.94),
        height=between(1.02, 1.22),
        jaw=between(0.0, 1.0),
        chin=between(0.0, 0.12),
        eye_x=between(0.28, 0.43),
        eye_y=between(-0.2, -0.02),
        eye_size=between(0.12, 0.2),
        eye_slant=between(-0.22, 0.22),
        eye_color=_jitter(random, _EYES[int(random.integers(len(_EYES)))], 8),
        brow_gap=between(0.14, 0.26),
        brow_thickness=between(0.025, 0.085),
        brow_angle=between(-0.3, 0.3),
        brow_length=between(0.16, 0.27),
        nose_length=between(0.28, 0.46),
        nose_width=between(0.11, 0.25),
        nose_height=between(0.1, 0.26),
        mouth_y=between(0.4, 0.56),
        mouth_width=between(0.22, 0.42),
        lip=between(0.035, 0.1),
        lip_color=_lips(random, skin),
        hair=_HAIR[int(random.integers(len(_HAIR)))],
        hair_color=hair_color,
        hairline=between(-0.78, -0.52),
        glasses=_GLASSES[int(random.integers(len(_GLASSES)))],
        glasses_color=_jitter(random, (40, 36, 40), 30),
        beard=_BEARDS[int(random.integers(len(_BEARDS)))],
        freckles=between(0.3, 1.0) if random.random() < 0.15 else 0.0,
        moles=tuple((between(-0.5, 0.5), between(-0.1, 0.7)) for _ in range(moles)),
        ear=between(0.13, 0.22),
        shirt=_cloth(random),
        trousers=_cloth(random, darkest=0.5),
        tall=between(0.9, 1.1),
    )


def _blend(colors: tuple[Color, ...], place: float) -> Color:
    low = min(int(place), len(colors) - 2)
    share = place - low
    first, second = np.asarray(colors[low]), np.asarray(colors[low + 1])
    return _color(first * (1 - share) + second * share)


def _jitter(random: np.random.Generator, color: Color, spread: float) -> Color:
    return _color(np.clip(np.asarray(color) + random.normal(0, spread, 3), 0, 255))


def _lips(random: np.random.Generator, skin: Color) -> Color:
    redder = np.asarray(skin) * (0.72, 0.66, 0.9) + (8, 0, 18)
    return _jitter(random, _color(np.clip(redder, 0, 255)), 8)


def _cloth(random: np.random.Generator, *, darkest: float = 1.0) -> Color:
    return _color(random.uniform(20, 235, 3) * random.uniform(0.35, darkest))


def _color(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Color:
    blue, green, red = (float(value) for value in values)
    return blue, green, red
