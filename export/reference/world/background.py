"""Places: a camera's view of a lobby, corridor, street, yard or car park without anybody in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from edge.types import ByteImage, FloatArray
from export.reference.world import props, textures
from export.reference.world.furniture import Area, color_of, furnish
from export.reference.world.identity import Color
from export.reference.world.settings import Place
from export.reference.world.view import View

_FENCE: Color = (88, 92, 90)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backdrop:
    """An empty place. image: uint8 ``[H, W, 3]`` by the light of the hour. depth: float32
    ``[H, W]`` of what hides people, infinite elsewhere. light: float32 ``[H, W]``, brightness of
    somebody whose feet are there. door: ``[4, 2]`` pixels of a door in the far wall. fence: z and
    height of what can be climbed. sun: direction of the light in the world; None indoors and at
    night.
    """

    place: Place
    view: View
    area: Area
    image: ByteImage
    depth: FloatArray
    light: FloatArray
    night: bool
    indoors: bool
    door: FloatArray
    fence: tuple[float, float] | None
    sun: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """The large planes of a place. wall: z of the far one; high: its height. half: x of side
    walls, None outdoors.
    """

    wall: float
    high: float
    half: float | None
    floor: textures.Surface
    back: textures.Surface
    side: textures.Surface


@lru_cache(maxsize=24)
def backdrop(
    place: Place,
    seed: int,
    *,
    close: bool,
    size: tuple[int, int],
    night: bool,
    mount: tuple[View, Area] | None = None,
) -> Backdrop:
    """The place of a seed; the same seed by day and by night is the same place.

    mount: a camera of one's own, of the same ``size``, and where people go; None for the seed's.
    """
    random = np.random.default_rng([seed, 0xBAC])
    view, area = _camera(place, random, close, size)
    if mount is not None:
        view, area = mount
    noise = textures.Noise(random)
    room = _ROOMS[place](random, noise, area, night)
    fine = 2 if size[0] <= 720 else 1
    large = View(
        height=view.height, pitch=view.pitch, focal=view.focal * fine,
        size=(size[0] * fine, size[1] * fine),
    )  # fmt: skip
    painted, ground = _planes(large, room, noise, night)
    stage = props.Stage(painted, view, fine)
    door_x, door = _door(stage, room, random)
    furnish(
        stage, place, area, random, wall=room.wall, half=room.half, high=room.high, door=door_x,
        nearest=3.5 if close else 0.0,
    )  # fmt: skip
    fence = None
    if place == "yard":
        fence = (area.near + 0.55 * (area.far - area.near), float(random.uniform(1.5, 1.9)))
        props.fence(stage, fence[0], area.half * 2 + 2, fence[1], _FENCE)
    image = np.asarray(cv2.resize(stage.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    indoors = room.half is not None
    light = _light(view, ground[::fine, ::fine], area, random, indoors=indoors, night=night)
    lit = _graded(image, light, indoors=indoors, night=night)
    side = float(random.uniform(-0.9, 0.9))
    sun = None if indoors or night else (side, -1.0, float(random.uniform(-0.2, 0.5)))
    return Backdrop(
        place=place, view=view, area=area, image=lit, depth=stage.depth, light=light, night=night,
        indoors=indoors, door=door, fence=fence, sun=sun,
    )  # fmt: skip


def _camera(
    place: Place, random: np.random.Generator, close: bool, size: tuple[int, int]
) -> tuple[View, Area]:
    """Height, pitch in degrees, focal length in widths, and where people go."""
    table: dict[Place, tuple[float, float, float, float, float, float]] = {
        "lobby": (2.6, 15, 0.86, 3.6, 9.0, 3.6),
        "corridor": (2.5, 14, 0.9, 3.4, 12.0, 1.35),
        "street": (3.6, 13, 1.0, 6.5, 13.0, 6.0),
        "yard": (3.2, 12, 0.98, 5.5, 13.0, 6.0),
        "car_park": (4.4, 18, 0.98, 6.5, 14.0, 6.5),
    }
    height, pitch, focal, near, far, half = table[place]
    if close:
        height, pitch, focal, near, far = 1.75, 3.0, 1.35, 1.9, 6.5
    view = View(
        height=height * float(random.uniform(0.93, 1.08)),
        pitch=math.radians(pitch + float(random.uniform(-1.5, 1.5))),
        focal=focal * size[0] * float(random.uniform(0.95, 1.08)),
        size=size,
    )
    return view, Area(near=near, far=far, half=half)


def _floor(random: np.random.Generator, noise: textures.Noise) -> textures.Surface:
    color = color_of(random, 95, 185, 12)
    dark = (color[0] * 0.75, color[1] * 0.75, color[2] * 0.75)
    kind = int(random.integers(3))
    if kind == 0:
        side = float(random.uniform(0.45, 0.9))
        return textures.tiles(color, dark, noise, size=(side, side))
    if kind == 1:
        wood = (color[0] * 0.5, color[1] * 0.75, color[2] * 0.98)
        return textures.tiles(wood, (40, 60, 84), noise, size=(1.6, 0.16), checks=0.12)
    return textures.plain(color, noise, rough=0.09, fine=6)


def _indoors(random: np.random.Generator, noise: textures.Noise, area: Area, night: bool) -> _Room:
    wall = color_of(random, 140, 215)
    back = color_of(random, 110, 205)
    narrow = area.half < 2
    return _Room(
        wall=area.far + (2.2 if not narrow else 1.5),
        high=3.0,
        half=area.half + (1.8 if not narrow else 0.35),
        floor=_floor(random, noise),
        back=textures.plain(back, noise, rough=0.025, fine=1.2),
        side=textures.plain(wall, noise, rough=0.025, fine=1.2),
    )


def _street(random: np.random.Generator, noise: textures.Noise, area: Area, night: bool) -> _Room:
    brick = textures.tiles(
        color_of(random, 70, 150, 24), (150, 158, 160), noise, size=(0.42, 0.16), checks=0.1
    )
    wall = brick if random.random() < 0.6 else textures.plain(color_of(random, 120, 210, 22), noise)
    glass = (122.0, 104.0, 84.0)
    paving = textures.tiles(
        color_of(random, 130, 170, 8), (98, 100, 102), noise, size=(0.7, 0.7), checks=0.04
    )
    road = textures.plain(color_of(random, 78, 100, 4), noise, rough=0.07, fine=9)
    kerb = area.near + 1.0

    def floor(u: FloatArray, v: FloatArray) -> FloatArray:
        painted = paving(u, v)
        on_road = v < kerb
        painted[on_road] = road(u[on_road], v[on_road])
        painted[(v > kerb) & (v < kerb + 0.14)] = (172, 174, 176)
        dash = (np.abs(v - kerb + 2.4) < 0.09) & (np.mod(u, 3.0) < 1.8)
        painted[dash] = (205, 208, 210)
        return painted

    facade = textures.facade(
        wall, glass, storey=3.0, bay=float(random.uniform(1.7, 2.6)), lit=0.45 if night else 0.0
    )
    return _Room(wall=area.far + 3.0, high=9.0, half=None, floor=floor, back=facade, side=facade)


def _yard(random: np.random.Generator, noise: textures.Noise, area: Area, night: bool) -> _Room:
    grass = textures.plain((62, 118, 98), noise, rough=0.16, fine=7)
    slabs = textures.tiles(
        color_of(random, 128, 160, 8), (100, 104, 104), noise, size=(1.1, 1.1), checks=0.05
    )
    path = float(random.uniform(-1.5, 1.5))

    def floor(u: FloatArray, v: FloatArray) -> FloatArray:
        painted = grass(u, v)
        ways = (np.abs(v - area.near - 2.2) < 1.0) | (np.abs(u - path) < 0.8)
        painted[ways] = slabs(u[ways], v[ways])
        return painted

    wall = textures.tiles(
        color_of(random, 90, 150, 20), (150, 156, 158), noise, size=(0.42, 0.16), checks=0.1
    )
    return _Room(wall=area.far + 5.0, high=2.6, half=None, floor=floor, back=wall, side=wall)


def _car_park(random: np.random.Generator, noise: textures.Noise, area: Area, night: bool) -> _Room:
    asphalt = textures.plain(color_of(random, 88, 122, 4), noise, rough=0.08, fine=8)
    bays = []
    for index in range(-3, 4):
        x = index * 5.2
        bays.append((x - 0.06, area.far - 2.2, x + 0.06, area.far + 2.6))
    bays.append((-30.0, area.near + 2.6, 30.0, area.near + 2.75))
    floor = textures.striped(asphalt, (215, 220, 222), lines=tuple(bays))
    wall = textures.plain(color_of(random, 120, 190, 10), noise, rough=0.05, fine=1.5)
    return _Room(wall=area.far + 6.5, high=4.0, half=None, floor=floor, back=wall, side=wall)


_ROOMS: dict[Place, Callable[[np.random.Generator, textures.Noise, Area, bool], _Room]] = {
    "lobby": _indoors,
    "corridor": _indoors,
    "street": _street,
    "yard": _yard,
    "car_park": _car_park,
}


def _planes(
    view: View, room: _Room, noise: textures.Noise, night: bool
) -> tuple[ByteImage, FloatArray]:
    """The planes as the camera sees them, and for each pixel the ground point (x, z) it is over."""
    width, height = view.size
    rays = view.rays().astype(np.float32).reshape(-1, 3)
    with np.errstate(divide="ignore"):
        down = np.where(rays[:, 1] < 0, view.height / -rays[:, 1], np.inf)
        back = np.float32(room.wall) / rays[:, 2]
        half = room.half if room.half is not None else np.inf
        side = half / np.abs(rays[:, 0])
        up = np.where(rays[:, 1] > 0, (room.high - view.height) / rays[:, 1], np.inf)
    reach = np.minimum(np.minimum(down, back), np.minimum(side, up if room.half else np.inf))
    hit = rays * reach[:, None]
    hit[:, 1] += view.height
    painted = np.zeros((len(rays), 3), np.float32)
    floor, wall = down <= reach, back <= reach
    painted[floor] = room.floor(hit[floor, 0], hit[floor, 2])
    above = wall & (hit[:, 1] > room.high)
    wall &= ~floor & ~above
    painted[wall] = room.back(hit[wall, 0], hit[wall, 1])
    if room.half is not None:
        flank = ~floor & ~wall & (side <= reach)
        shade = np.where(hit[flank, 0] > 0, 0.92, 0.82)[:, None]
        painted[flank] = room.side(hit[flank, 2], hit[flank, 1]) * shade
        low = (flank | wall) & (hit[:, 1] < 0.1)
        painted[low] *= 0.6
        ceiling = ~floor & ~wall & ~flank
        painted[ceiling] = (222, 226, 226)
        panels = np.mod(hit[:, 2], 2.4) < 1.2
        lamps = ceiling & panels & (np.abs(np.mod(hit[:, 0], 2.4) - 1.2) < 0.3)
        painted[lamps] = (252, 254, 254)
        # Corners are darker, where light reaches from fewer sides.
        gap = np.minimum(np.abs(half - np.abs(hit[:, 0])), np.abs(room.wall - hit[:, 2]))
        painted *= (0.8 + 0.2 * np.clip(gap / 0.8, 0, 1))[:, None]
    else:
        painted[above] = _sky(rays[above], noise, night)
    ground = np.where(floor[:, None], hit[:, [0, 2]], np.asarray([0, room.wall], np.float32))
    ground[wall, 0] = hit[wall, 0]
    image = np.clip(painted, 0, 255).astype(np.uint8).reshape(height, width, 3)
    return image, ground.astype(np.float32).reshape(height, width, 2)


def _sky(rays: FloatArray, noise: textures.Noise, night: bool) -> FloatArray:
    if night:
        return np.full((len(rays), 3), (60, 40, 34), np.float32)
    rise = np.clip(rays[:, 1] / rays[:, 2], 0, 1)
    blue = np.stack([235 - 20 * rise, 205 - 60 * rise, 185 - 90 * rise], axis=1)
    clouds = np.clip(0.35 + 0.5 * noise(rays[:, 0] * 3, rise * 9, 1.0), 0, 1)[:, None]
    return np.asarray(blue * (1 - clouds) + 236 * clouds, np.float32)


def _door(stage: props.Stage, room: _Room, random: np.random.Generator) -> tuple[float, FloatArray]:
    """A closed door in the far wall; its x, and its corners in pixels."""
    z = room.wall - 0.02
    reach = 0.6 * min(stage.view.half_width(z), room.half or math.inf)
    x = float(random.uniform(-reach, reach))
    color = color_of(random, 60, 140, 26)

    def panel(x1: float, x2: float, y1: float, y2: float, tone: Color) -> FloatArray:
        corners = np.asarray([[x1, y2, z], [x2, y2, z], [x2, y1, z], [x1, y1, z]])
        stage.polygon(corners, tone, hides=False)
        return stage.view.project(corners)[0].astype(np.float32)

    panel(x - 0.58, x + 0.58, 0, 2.18, (190, 194, 196))
    whole = panel(x - 0.5, x + 0.5, 0, 2.1, color)
    lighter = (color[0] * 1.2, color[1] * 1.2, color[2] * 1.2)
    panel(x - 0.36, x + 0.36, 1.2, 1.9, lighter)
    panel(x - 0.36, x + 0.36, 0.2, 1.0, lighter)
    panel(x + 0.38, x + 0.45, 1.02, 1.1, (40, 180, 200))
    return x, whole


def _light(
    view: View,
    ground: FloatArray,
    area: Area,
    random: np.random.Generator,
    *,
    indoors: bool,
    night: bool,
) -> FloatArray:
    """Brightness over the picture: even by day, pools of light by night."""
    shape = ground.shape[:2]
    if not night:
        drift = float(random.uniform(-0.12, 0.12))
        across = np.linspace(1 - drift, 1 + drift, shape[1], dtype=np.float32)
        return np.repeat(across[None], shape[0], axis=0)
    light = np.full(shape, 0.46 if indoors else 0.36, np.float32)
    for _ in range(3):
        z = float(random.uniform(area.near, area.far + 2))
        x = float(random.uniform(-1, 1) * area.half)
        spread = float(random.uniform(1.6, 3.2))
        away = (ground[..., 0] - x) ** 2 + (ground[..., 1] - z) ** 2
        light += 0.5 * np.exp(-away / (2 * spread**2)).astype(np.float32)
    return np.minimum(light, 0.95)


def _graded(image: ByteImage, light: FloatArray, *, indoors: bool, night: bool) -> ByteImage:
    tint = (1.08, 0.96, 0.9) if night and not indoors else (1.0, 1.0, 1.0)
    graded = image * light[..., None] * np.asarray(tint, np.float32)
    return np.asarray(np.clip(graded, 0, 255), np.uint8)
