"""A scene: a place, people who do things there, a camera, and the truth of every frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.geometry import clip_boxes
from edge.types import ByteImage, FloatArray
from export.reference.world.actions import Fall, State
from export.reference.world.actor import Actor
from export.reference.world.anomalies import disturbance, free_spot
from export.reference.world.background import Backdrop, backdrop
from export.reference.world.body import Sprite, draw_body
from export.reference.world.camera import Camera
from export.reference.world.casting import cast
from export.reference.world.face import Light
from export.reference.world.heads import HeadCache
from export.reference.world.identity import person
from export.reference.world.motion import Figure
from export.reference.world.paint import cast_shadow, draw_bag, lay
from export.reference.world.settings import PLACES, Place, SceneSettings
from export.reference.world.truth import (
    AnomalyTruth,
    Behaviour,
    FaceTruth,
    FrameTruth,
    PersonTruth,
)

_SEEN_AT_LEAST = 8  # pixels of a person, for there to be a truth about it


@dataclass(frozen=True, slots=True, eq=False)
class _Present:
    """Somebody in a frame, drawn but not yet laid in."""

    actor: Actor
    state: State
    figure: Figure
    depth: float
    sprite: Sprite | None


class Scene:
    """Frames of one camera with their truth, the same for the same seed and settings.

    Iterating yields ``(image, truth)``: uint8 ``[H, W, 3]`` BGR and a FrameTruth, from the first
    frame on each time. where, who: a place and people with plans of their own; None for those of
    the settings. place, night: what the seed or the settings chose. line: float32 ``[2, 2]``,
    pixels of a line on the ground that people cross.
    """

    def __init__(
        self,
        *,
        seed: int,
        settings: SceneSettings | None = None,
        where: Backdrop | None = None,
        who: Sequence[Actor] | None = None,
    ) -> None:
        self.seed, self.settings = seed, settings or SceneSettings()
        random = np.random.default_rng([seed, 0x5CE])
        self.place = _place(self.settings, random)
        drawn = bool(random.random() < 0.35)
        self.night = self.settings.night if self.settings.night is not None else drawn
        view = self.settings.view if self.settings.view is not None else seed
        self.backdrop: Backdrop = where or backdrop(
            self.place, view, close=self.settings.close, size=self.settings.size, night=self.night
        )
        self._actors = cast(self.backdrop, self.settings, random) if who is None else list(who)
        self._disturbance = None
        if self.settings.anomaly is not None:
            self._disturbance = disturbance(self.settings.anomaly, self.backdrop, random)
            if self._disturbance is None:
                self._actors.append(_lying(self.backdrop, self.settings, random, self._actors))
        self._light = _head_light(self.backdrop, random)
        self._line = _line(self.backdrop, random)
        self.line: FloatArray = self.backdrop.view.project(self._line)[0].astype(np.float32)
        self._random_seed = int(random.integers(1 << 62))

    def __len__(self) -> int:
        return self.settings.frames

    def __iter__(self) -> Iterator[tuple[ByteImage, FrameTruth]]:
        return self.frames(0, len(self))

    def frames(self, start: int, stop: int) -> Iterator[tuple[ByteImage, FrameTruth]]:
        """The frames from ``start`` to before ``stop``; the sensor's noise is not that of a whole
        pass.
        """
        camera = Camera(
            np.random.default_rng(self._random_seed),
            size=self.settings.size,
            nuisance=self.settings.nuisance,
            night=self.night,
            indoors=self.backdrop.indoors,
        )
        heads = HeadCache(self._light)
        before: dict[int, float] = {}
        for index in range(start, stop):
            time = index / self.settings.fps
            picture, truth = self._frame(index, time, heads, before)
            taken, shift = camera.take(picture, time)
            yield taken, _shifted(truth, shift, self.settings.size)

    def doing(self, track: int) -> list[Behaviour | None]:
        """What somebody does in each frame, whether seen or not; None while away."""
        states = [
            self._actors[track - 1].state(index / self.settings.fps) for index in range(len(self))
        ]
        return [None if state is None else state.behaviour for state in states]

    def _frame(
        self, index: int, time: float, heads: HeadCache, before: dict[int, float]
    ) -> tuple[ByteImage, FrameTruth]:
        frame = self.backdrop.image.copy()
        anomaly = self._anomaly(frame, time, behind=True)
        present = self._present(time, heads)
        self._bags(frame, time)
        for someone in present:
            cast_shadow(frame, someone.figure, self.backdrop.view, self.backdrop.sun)
        owner = np.zeros(frame.shape[:2], np.uint8)
        for someone in present:
            if someone.sprite is not None:
                lay(
                    frame, owner, someone.sprite, track=someone.actor.track,
                    depth=someone.depth, before=self.backdrop.depth,
                    gain=self._gain(someone.state),
                )  # fmt: skip
        people = [self._truth(someone, owner) for someone in reversed(present)]
        found = tuple(truth for truth in people if truth is not None)
        anomaly = anomaly or self._anomaly(frame, time, behind=False)
        if self.settings.anomaly == "lying" and time >= self.settings.anomaly_from:
            anomaly = next(
                (AnomalyTruth("lying", truth.box) for truth in found
                 if truth.track == self._actors[-1].track), None,
            )  # fmt: skip
        crossed = self._crossed(present, before)
        return frame, FrameTruth(index, time, found, crossed, anomaly)

    def _anomaly(self, frame: ByteImage, time: float, *, behind: bool) -> AnomalyTruth | None:
        kind, painted = self.settings.anomaly, self._disturbance
        if kind is None or painted is None or painted.behind != behind:
            return None
        if time < self.settings.anomaly_from:
            return None
        box = clip_boxes(painted.paint(frame, time)[None], self.settings.size)[0]
        return AnomalyTruth(kind, box)

    def _present(self, time: float, heads: HeadCache) -> list[_Present]:
        """Who is there, farthest first."""
        there = []
        for actor in self._actors:
            state = actor.state(time)
            if state is None:
                continue
            body = actor.figure(state)
            depth = float(self.backdrop.view.project(state.at * (1, 0, 1))[1][0])
            bag = actor.bag.color if actor.bag is not None and actor.carries(time) else None
            sprite = draw_body(
                actor.who, body, self.backdrop.view, heads=heads,
                expression=actor.expression, held=bag,
            )  # fmt: skip
            there.append(_Present(actor, state, body, depth, sprite))
        return sorted(there, key=lambda someone: -someone.depth)

    def _bags(self, frame: ByteImage, time: float) -> None:
        for actor in self._actors:
            bag = actor.bag
            if bag is not None and bag.lies is not None and not actor.carries(time):
                gain = self._brightness(np.asarray([bag.lies[0], 0.0, bag.lies[2]]))
                draw_bag(
                    frame, self.backdrop.view, bag.lies, bag.color, gain,
                    before=self.backdrop.depth,
                )  # fmt: skip

    def _gain(self, state: State) -> float:
        return self._brightness(state.at * (1, 0, 1))

    def _brightness(self, place: NDArray[np.float64]) -> float:
        pixel = self.backdrop.view.project(place)[0][0]
        height, width = self.backdrop.light.shape
        x, y = min(max(int(pixel[0]), 0), width - 1), min(max(int(pixel[1]), 0), height - 1)
        return float(self.backdrop.light[y, x])

    def _truth(self, someone: _Present, owner: NDArray[np.uint8]) -> PersonTruth | None:
        sprite = someone.sprite
        if sprite is None:
            return None
        (x, y), (height, width) = sprite.corner, sprite.alpha.shape
        own = owner[y : y + height, x : x + width] == someone.actor.track
        seen = int(np.count_nonzero(own))
        if seen < _SEEN_AT_LEAST:
            return None
        flat, _ = self.backdrop.view.project(someone.figure.joints[:17])
        box = clip_boxes(sprite.box[None], self.settings.size)[0]
        return PersonTruth(
            track=someone.actor.track,
            identity=someone.actor.who.seed,
            box=box,
            visible=min(1.0, seen / max(sprite.area, 1.0)),
            skeleton=flat.astype(np.float32),
            seen=self._joints_seen(flat, owner, someone.actor.track),
            behaviour=someone.state.behaviour,
            face=_face(sprite, own, self.settings.size),
        )

    def _joints_seen(
        self, flat: NDArray[np.float64], owner: NDArray[np.uint8], track: int
    ) -> NDArray[np.bool_]:
        width, height = self.settings.size
        inside = (flat >= 0).all(axis=1) & (flat < (width, height)).all(axis=1)
        pixels = np.clip(flat, 0, (width - 1, height - 1)).astype(int)
        return np.asarray(inside & (owner[pixels[:, 1], pixels[:, 0]] == track), np.bool_)

    def _crossed(self, present: list[_Present], before: dict[int, float]) -> tuple[int, ...]:
        """Tracks that are on the line's other side than in the frame before, within its ends."""
        (x1, _, z1), (x2, _, z2) = self._line
        crossed = []
        for someone in present:
            x, _, z = someone.state.at
            side = (x2 - x1) * (z - z1) - (z2 - z1) * (x - x1)
            along = ((x2 - x1) * (x - x1) + (z2 - z1) * (z - z1)) / (
                (x2 - x1) ** 2 + (z2 - z1) ** 2
            )
            last = before.get(someone.actor.track)
            if last is not None and last * side < 0 and 0 <= along <= 1:
                crossed.append(someone.actor.track)
            before[someone.actor.track] = float(side)
        return tuple(crossed)


def _place(settings: SceneSettings, random: np.random.Generator) -> Place:
    drawn = int(random.integers(len(PLACES)))
    if settings.place is not None:
        return settings.place
    if settings.close:
        return PLACES[drawn % 2]
    if settings.behaviours is not None and "climb" in settings.behaviours:
        return "yard"
    return PLACES[drawn]


def _head_light(place: Backdrop, random: np.random.Generator) -> Light:
    side = float(random.uniform(-0.8, 0.8))
    warm = float(random.uniform(-0.3, 0.7)) if place.indoors else float(random.uniform(-0.5, 0.3))
    if place.sun is not None:
        return Light(direction=(-place.sun[0], -0.7, 0.7), ambient=0.5, gain=1.0, warmth=0.2)
    return Light(direction=(side, -0.6, 0.8), ambient=0.6, gain=0.97, warmth=warm)


def _line(place: Backdrop, random: np.random.Generator) -> NDArray[np.float64]:
    """Across the way that people go: from near to far, in a corridor from wall to wall."""
    area = place.area
    if place.place == "corridor" or place.view.height < 2.2:
        z = float(random.uniform(area.near + 1.0, area.far - 2.0))
        return np.asarray([[-area.half - 1, 0.0, z], [area.half + 1, 0.0, z]])
    x = float(random.uniform(-0.3, 0.3)) * place.view.half_width(area.near)
    return np.asarray([[x, 0.0, area.near - 1.0], [x, 0.0, area.far + 1.5]])


def _lying(
    place: Backdrop, settings: SceneSettings, random: np.random.Generator, others: list[Actor]
) -> Actor:
    """Somebody who lies there from the beginning of the anomaly on."""
    x, z = free_spot(place, random)
    fall = Fall(
        place=(x, z), heading=float(random.uniform(0, 2 * math.pi)), seconds=1e6, drop=1e-6,
        way=float(random.choice([0.0, math.pi, 1.5])),
    )  # fmt: skip
    who = person(int(random.integers(1_000_000)))
    return Actor(
        track=len(others) + 1, who=who, enters=settings.anomaly_from - 1e-3, actions=(fall,)
    )


def _face(sprite: Sprite, own: NDArray[np.bool_], size: tuple[int, int]) -> FaceTruth | None:
    if sprite.landmarks is None or sprite.face_box is None:
        return None
    box = clip_boxes(sprite.face_box[None], size)[0]
    if not ((box[2:] - box[:2]) >= 3).all():
        return None
    seen = int(np.count_nonzero(own & (sprite.face > 127)))
    return FaceTruth(
        box=box,
        landmarks=sprite.landmarks,
        visible=min(1.0, seen / max(sprite.face_area, 1)),
        yaw=sprite.head.pose.yaw,
        pitch=sprite.head.pose.pitch,
    )


def _shifted(truth: FrameTruth, shift: tuple[float, float], size: tuple[int, int]) -> FrameTruth:
    """The truth of a frame that the camera has moved."""
    if shift == (0.0, 0.0):
        return truth
    move = np.asarray(shift, np.float32)

    def moved(box: FloatArray) -> FloatArray:
        return np.asarray(clip_boxes((box + np.tile(move, 2))[None], size)[0], np.float32)

    people = []
    for someone in truth.people:
        face = someone.face
        if face is not None:
            face = replace(face, box=moved(face.box), landmarks=face.landmarks + move)
        people.append(
            replace(someone, box=moved(someone.box), skeleton=someone.skeleton + move, face=face)
        )
    anomaly = truth.anomaly
    if anomaly is not None:
        anomaly = replace(anomaly, box=moved(anomaly.box))
    return replace(truth, people=tuple(people), anomaly=anomaly)
