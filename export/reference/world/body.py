"""Bodies drawn: limbs as shaded capsules in the clothes' colours, and the head among them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import ByteImage, FloatArray
from export.reference.world.front import Expression
from export.reference.world.heads import HeadCache, HeadView, LaidHead, head_view
from export.reference.world.identity import Color, Person
from export.reference.world.motion import (
    ANKLES,
    ELBOWS,
    HANDS,
    HEAD,
    HIPS,
    KNEES,
    NECK,
    PELVIS,
    SHOULDERS,
    TOES,
    WRISTS,
    Figure,
)
from export.reference.world.view import View

Pixels = NDArray[np.float64]
Top = Literal["plain", "striped", "jacket"]

_FIXED_POINT = 4
_SMOOTH_BELOW = 110  # bodies of fewer pixels are drawn twice as large and shrunk
_ARC = np.linspace(-math.pi / 2, math.pi / 2, 7)
# Both ends of a capsule that points along x: seven points behind its start, seven before its end.
_ENDS = np.concatenate(
    [np.stack([-np.cos(_ARC), -np.sin(_ARC)], 1), np.stack([np.cos(_ARC), np.sin(_ARC)], 1)]
)
_CIRCLE = np.stack(
    [np.cos(np.linspace(0, 2 * math.pi, 12)), np.sin(np.linspace(0, 2 * math.pi, 12))], axis=1
)
# Capsules of a body, a left and a right one in turn, and their radii in metres.
_BONES = np.asarray(
    [pair for chain in ((HIPS, KNEES), (KNEES, ANKLES), (ANKLES, TOES), (SHOULDERS, ELBOWS),
                        (ELBOWS, WRISTS), (WRISTS, HANDS))
     for pair in zip(*chain, strict=True)]
)  # fmt: skip
_WIDTHS = np.repeat(
    [[0.088, 0.064], [0.06, 0.045], [0.05, 0.036], [0.062, 0.05], [0.046, 0.036], [0.037, 0.032]],
    2, axis=0,
)  # fmt: skip
_UNDER_TOP = 0.22  # metres that thighs count as farther, so that what is worn above hangs over them
# Of a limb's width and of its colour: each layer is narrower, lighter and nearer to the light.
_LAYERS = ((1.0, 0.66), (0.76, 1.0), (0.34, 1.2))
_FINE_LAYERS = (
    (1.0, 0.62), (0.9, 0.78), (0.78, 0.9), (0.64, 1.0), (0.46, 1.08), (0.26, 1.16),
)  # fmt: skip
_FINE_FROM = 130  # pixels of a body


@dataclass(frozen=True, slots=True, kw_only=True)
class Attire:
    """What a person wears, beyond the two colours of the person. sleeve, leg: 1 is a long one.

    coat: how far the top hangs below the hips, metres. build: of the body's width.
    """

    top: Top
    second: Color
    sleeve: bool
    leg: bool
    coat: float
    shoes: Color
    build: float


@lru_cache(maxsize=4096)
def attire(who: Person) -> Attire:
    """The clothes of a person, the same for the same person."""
    random = np.random.default_rng([who.seed, 0x5EED])
    tops: tuple[Top, ...] = ("plain", "plain", "striped", "jacket")
    second = random.uniform(30, 240, 3)
    dark = float(random.uniform(15, 70))
    return Attire(
        top=tops[int(random.integers(len(tops)))],
        second=(float(second[0]), float(second[1]), float(second[2])),
        sleeve=bool(random.random() < 0.65),
        leg=bool(random.random() < 0.82),
        coat=float(random.choice([0.0, 0.0, 0.06, 0.28])),
        shoes=(dark, dark, dark * 1.1),
        build=float(random.uniform(0.9, 1.18)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """A drawn body, to be laid into a frame at ``corner`` (x, y).

    image: uint8 ``[h, w, 3]``. alpha: uint8 ``[h, w]``. face: uint8, 255 where a face is seen that
    is turned to the camera. box: float32 ``[4]`` in frame pixels, not cut at the frame.
    area: pixels of the whole body, within the frame and outside. head: how the camera sees it.
    """

    image: ByteImage
    alpha: ByteImage
    face: ByteImage
    corner: tuple[int, int]
    box: FloatArray
    area: float
    head: HeadView
    landmarks: FloatArray | None
    face_box: FloatArray | None
    face_area: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limb:
    """A capsule between two points with a radius at each, or their hull if there are more."""

    points: Pixels
    radii: Pixels
    color: Color
    depth: float
    stripes: Color | None = None
    opening: Color | None = None


def draw_body(
    who: Person,
    figure: Figure,
    view: View,
    *,
    heads: HeadCache,
    sun: tuple[float, float] = (-0.5, -0.6),
    expression: Expression | None = None,
    held: Color | None = None,
) -> Sprite | None:
    """A person as the camera sees them; None where nothing is within the frame.

    sun: in the picture, where the light comes from. held: colour of a bag in the right hand.
    """
    flat, depths = view.project(figure.joints)
    if float(depths.min()) < 0.35:
        return None
    scale = view.focal / depths
    limbs = _limbs(who, figure, flat, depths, scale, held)
    seen = head_view(figure, view)
    box = _extent(limbs, seen)
    frame = np.asarray(view.size)
    low = np.floor(np.maximum(box[:2] - 2, 0)).astype(int)
    high = np.ceil(np.minimum(box[2:] + 2, frame)).astype(int)
    if (high - low < 2).any():
        return None
    fine = 2 if box[3] - box[1] < _SMOOTH_BELOW else 1
    layers = _FINE_LAYERS if box[3] - box[1] >= _FINE_FROM else _LAYERS
    canvas = _Canvas(low, high - low, fine, who.trousers, sun, layers)
    head = heads.lay(
        who,
        HeadView(
            pose=seen.pose,
            centre=((seen.centre[0] - low[0]) * fine, (seen.centre[1] - low[1]) * fine),
            size=seen.size * fine,
        ),
        expression or Expression(),
        (canvas.image.shape[1], canvas.image.shape[0]),
    )
    # A collar covers the neck that comes with the head; hair hangs over it from behind.
    towards = float(figure.facing @ (view.place - figure.joints[HEAD])) > 0
    head_depth = float(depths[NECK]) + (0.02 if towards else -0.2)
    laid = head is None
    drawn = sorted(zip(limbs, canvas.outlines(limbs), strict=True), key=lambda part: -part[0].depth)
    for limb, outlines in drawn:
        if head is not None and not laid and limb.depth < head_depth:
            canvas.head(head)
            laid = True
        canvas.limb(limb, outlines)
    if head is not None and not laid:
        canvas.head(head)
    image, alpha, face = canvas.finish()
    turned = abs(seen.pose.yaw) < 1.35 and head is not None and head.box[2] - head.box[0] >= 6
    area = _area(limbs, seen, box, view.size) or float(np.count_nonzero(alpha > 127))
    if head is None or not turned:
        nothing = np.zeros_like(face)
        return Sprite(
            image, alpha, nothing, (int(low[0]), int(low[1])), box, area, seen, None, None, 0
        )
    return Sprite(
        image,
        alpha,
        face,
        (int(low[0]), int(low[1])),
        box,
        area,
        seen,
        (head.landmarks / fine + low).astype(np.float32),
        (head.box / fine + np.tile(low, 2)).astype(np.float32),
        round(math.pi / 4 * float(np.prod(head.box[2:] - head.box[:2])) / fine**2),
    )


def _limbs(
    who: Person, figure: Figure, flat: Pixels, depths: Pixels, scale: Pixels, held: Color | None
) -> list[_Limb]:
    wear = attire(who)
    skin, sleeve, leg = who.skin, wear.sleeve, wear.leg
    colors = (
        who.trousers, who.trousers if leg else skin, wear.shoes,
        who.shirt, who.shirt if sleeve else skin, skin,
    )  # fmt: skip
    widths = _WIDTHS * scale[_BONES] * (wear.build * who.tall)
    middles = depths[_BONES].mean(axis=1)
    middles[:2] += _UNDER_TOP
    limbs = [
        _Limb(points=flat[rows], radii=width, color=colors[index // 2], depth=float(depth))
        for index, (rows, width, depth) in enumerate(zip(_BONES, widths, middles, strict=True))
    ]
    limbs.append(_torso(who, wear, figure, flat, depths, scale))
    if held is not None:
        hand = flat[HANDS[1]]
        drop = np.asarray([0.0, 0.2 * scale[HANDS[1]]])
        spread = np.asarray([0.13 * scale[HANDS[1]], 0.0])
        points = np.stack(
            [hand + drop * 0.4, hand + drop * 1.5 - spread, hand + drop * 1.5 + spread]
        )
        radii = np.asarray([0.03, 0.06, 0.06]) * scale[HANDS[1]]
        limbs.append(
            _Limb(points=points, radii=radii, color=held, depth=float(depths[HANDS[1]]) - 0.02)
        )
    return limbs


def _torso(
    who: Person, wear: Attire, figure: Figure, flat: Pixels, depths: Pixels, scale: Pixels
) -> _Limb:
    rows = [SHOULDERS[0], SHOULDERS[1], HIPS[1], HIPS[0], NECK]
    points, radii = flat[rows].copy(), np.asarray([0.062, 0.062, 0.095, 0.095, 0.06])
    down = (flat[PELVIS] - flat[NECK]) / 0.5
    points[2:4] += down * (wear.coat - 0.02)
    facing = float(figure.facing @ -figure.joints[NECK]) > 0
    opening = wear.second if wear.top == "jacket" and facing else None
    return _Limb(
        points=points,
        radii=radii * scale[rows] * wear.build * who.tall,
        color=who.shirt,
        depth=float(depths[[NECK, PELVIS]].mean()),
        stripes=wear.second if wear.top == "striped" else None,
        opening=opening,
    )


def _capsules(points: Pixels, radii: Pixels) -> tuple[Pixels, Pixels]:
    """For capsules ``[N, 2, 2]`` the ends that each point of their outlines ``[N, 14, 2]`` belongs
    to, and its way from there.
    """
    way = points[:, 1] - points[:, 0]
    way /= np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-9)[:, None]
    across = np.stack([-way[:, 1], way[:, 0]], axis=1)
    turned = _ENDS[:, :1] * way[:, None] + _ENDS[:, 1:] * across[:, None]
    return np.repeat(points, 7, axis=1), np.repeat(radii, 7, axis=1)[..., None] * turned


def _hull(points: Pixels, radii: Pixels) -> Pixels:
    """The outline around circles."""
    around = (points[:, None] + radii[:, None, None] * _CIRCLE).reshape(-1, 2)
    return np.asarray(cv2.convexHull(around.astype(np.float32))[:, 0], np.float64)


def _extent(limbs: list[_Limb], head: HeadView) -> FloatArray:
    reach = 0.4 * head.size
    points = np.concatenate([limb.points for limb in limbs])
    radii = np.concatenate([limb.radii for limb in limbs])[:, None]
    centre = np.asarray(head.centre)
    low = np.minimum((points - radii).min(axis=0), centre - reach)
    high = np.maximum((points + radii).max(axis=0), centre + reach)
    return np.concatenate([low, high]).astype(np.float32)


def _area(limbs: list[_Limb], head: HeadView, box: FloatArray, size: tuple[int, int]) -> float:
    """Pixels of a body that sticks out of the frame, from a small drawing; else 0."""
    if (box[:2] >= 0).all() and (box[2:] <= size).all():
        return 0.0
    shrink = 80 / max(float((box[2:] - box[:2]).max()), 80.0)
    width, height = (max(1, math.ceil(v)) for v in (box[2:] - box[:2]) * shrink)
    small = np.zeros((height, width), np.uint8)
    for limb in limbs:
        outline = (_hull(limb.points, limb.radii) - box[:2]) * shrink
        cv2.fillConvexPoly(small, np.round(outline).astype(np.int32), 255)
    centre = np.round((np.asarray(head.centre) - box[:2]) * shrink).astype(int)
    radius = max(1, round(0.38 * head.size * shrink))
    cv2.circle(small, (int(centre[0]), int(centre[1])), radius, 255, -1)
    return int(np.count_nonzero(small)) / shrink**2


class _Canvas:
    """Where one body is drawn, ``fine`` times as large as it will be."""

    def __init__(
        self, low: NDArray[np.int64], span: NDArray[np.int64], fine: int, rim: Color,
        sun: tuple[float, float], layers: tuple[tuple[float, float], ...],
    ) -> None:  # fmt: skip
        self._low, self._fine = low, fine
        self._sun = np.asarray(sun)
        self._layers = layers
        width, height = (int(v) * fine for v in span)
        self.image = np.empty((height, width, 3), np.uint8)
        self.image[:] = [round(v * 0.5) for v in rim]
        self._alpha = np.zeros((height, width), np.uint8)
        self._face = np.zeros((height, width), np.uint8)

    def _placed(self, points: Pixels) -> Pixels:
        return (points - self._low) * self._fine

    def outlines(self, limbs: list[_Limb]) -> list[list[NDArray[np.int32]]]:
        """Of each limb an outline for every layer, so that it looks round."""
        pairs = [index for index, limb in enumerate(limbs) if len(limb.points) == 2]
        points = self._placed(np.stack([limbs[index].points for index in pairs]))
        radii = np.stack([limbs[index].radii for index in pairs]) * self._fine
        ends, ways = _capsules(points, radii)
        shift = self._sun * radii.mean(axis=1)[:, None, None]
        layers = [_fixed(ends + ways * share + shift * (1 - share)) for share, _ in self._layers]
        found: list[list[NDArray[np.int32]]] = [[] for _ in limbs]
        for row, index in enumerate(pairs):
            found[index] = [layer[row] for layer in layers]
        for index, limb in enumerate(limbs):
            if not found[index]:
                found[index] = self._wide(limb)
        return found

    def _wide(self, limb: _Limb) -> list[NDArray[np.int32]]:
        points, radii = self._placed(limb.points), limb.radii * self._fine
        centre, shift = points.mean(axis=0), self._sun * radii.mean()
        return [
            _fixed(
                _hull(
                    centre + (points - centre) * (share**0.5, 1.0) + shift * (1 - share),
                    radii * share,
                )
            )
            for share, _ in self._layers
        ]

    def limb(self, limb: _Limb, outlines: list[NDArray[np.int32]]) -> None:
        """One limb, over what was drawn before."""
        for outline, (_, tone) in zip(outlines, self._layers, strict=True):
            color = [min(255.0, v * tone) for v in limb.color]
            cv2.fillConvexPoly(self.image, outline, color, cv2.LINE_8, _FIXED_POINT)
        cv2.fillConvexPoly(self._alpha, outlines[0], 255, cv2.LINE_8, _FIXED_POINT)
        cv2.fillConvexPoly(self._face, outlines[0], 0, cv2.LINE_8, _FIXED_POINT)
        if limb.stripes is not None or limb.opening is not None:
            self._pattern(limb, self._placed(limb.points), limb.radii * self._fine)

    def _pattern(self, limb: _Limb, points: Pixels, radii: Pixels) -> None:
        if limb.stripes is not None:
            thick = max(1, round(float(radii.mean()) * 0.35))
            for share in (0.2, 0.42, 0.64, 0.86):
                first = points[0] * (1 - share) + points[3] * share
                last = points[1] * (1 - share) + points[2] * share
                line = _fixed(np.stack([first, last]))
                cv2.polylines(
                    self.image, [line], False, limb.stripes, thick, cv2.LINE_8, _FIXED_POINT
                )
        if limb.opening is not None:
            neck, waist = points[4], points[2:4].mean(axis=0)
            across = (points[1] - points[0]) * 0.16
            wedge = np.stack(
                [
                    neck - across * 1.4,
                    neck + across * 1.4,
                    waist + across * 0.7,
                    waist - across * 0.7,
                ]
            )
            cv2.fillConvexPoly(self.image, _fixed(wedge), limb.opening, cv2.LINE_8, _FIXED_POINT)

    def head(self, head: LaidHead) -> None:
        (x, y), (height, width) = head.corner, head.alpha.shape
        part = (slice(y, y + height), slice(x, x + width))
        share = head.alpha[..., None]
        self.image[part] = (self.image[part] * (1 - share) + head.image * share).astype(np.uint8)
        solid = (head.alpha * 255).astype(np.uint8)
        self._alpha[part] = np.maximum(self._alpha[part], solid)
        self._face[part] = np.minimum(head.oval, solid)

    def finish(self) -> tuple[ByteImage, ByteImage, ByteImage]:
        image, alpha, face = self.image, self._alpha, self._face
        if self._fine > 1:
            size = (image.shape[1] // self._fine, image.shape[0] // self._fine)
            image, alpha, face = (
                np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
                for part in (image, alpha, face)
            )
        else:
            alpha = np.asarray(cv2.blur(alpha, (2, 2)), np.uint8)
        return image, alpha, face


def _fixed(points: Pixels) -> NDArray[np.int32]:
    return np.round(points * (1 << _FIXED_POINT)).astype(np.int32)
