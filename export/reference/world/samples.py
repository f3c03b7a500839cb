"""Frames to learn a detector from, and clips of people to learn behaviours from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge.types import ByteImage, FloatArray
from edge.vision.clips import crop_track
from export.reference.world.scene import Scene
from export.reference.world.settings import Place, SceneSettings
from export.reference.world.truth import (
    ANOMALIES,
    BEHAVIOURS,
    AnomalyTruth,
    Behaviour,
    FrameTruth,
)

_LEAST_SEEN = 0.4  # share of a person or a face that has to be seen to be asked for
_LEAST_FACE = 8.0  # pixels wide
_MOST_PEOPLE = 8  # in a scene
_CLIP_FPS, _CLIP_FACTOR = 8.0, 1.25  # as template clip-classifier says
_NORMAL: tuple[Behaviour, ...] = ("walk", "walk", "walk", "run", "loiter")


@dataclass(frozen=True, slots=True, eq=False)
class DetectorSample:
    """A frame and what a detector should find. image: uint8 ``[H, W, 3]`` BGR.

    people: float32 ``[N, 4]``. faces: float32 ``[M, 4]`` with landmarks float32 ``[M, 5, 2]``.
    ignored: float32 ``[K, 4]``, people and faces too small or too hidden to ask for, and neither
    wrong to find.
    """

    image: ByteImage
    people: FloatArray
    faces: FloatArray
    landmarks: FloatArray
    ignored: FloatArray


def detector_sample(image: ByteImage, truth: FrameTruth) -> DetectorSample:
    """What of a frame's truth a detector can be asked for."""
    people: list[FloatArray] = []
    faces: list[FloatArray] = []
    landmarks: list[FloatArray] = []
    ignored: list[FloatArray] = []
    for someone in truth.people:
        (people if someone.visible >= _LEAST_SEEN else ignored).append(someone.box)
        face = someone.face
        if face is None:
            continue
        wide = float(face.box[2] - face.box[0])
        if face.visible >= _LEAST_SEEN and wide >= _LEAST_FACE and abs(face.yaw) < 1.2:
            faces.append(face.box)
            landmarks.append(face.landmarks)
        else:
            ignored.append(face.box)
    return DetectorSample(
        image,
        _boxes(people),
        _boxes(faces),
        np.asarray(landmarks, np.float32).reshape(-1, 5, 2),
        _boxes(ignored),
    )


def detector_samples(
    *,
    seed: int,
    count: int,
    size: tuple[int, int] = (320, 192),
    each: int = 6,
    people_from: int | None = None,
) -> Iterator[DetectorSample]:
    """Frames of many scenes, ``each`` of every scene and well apart; close cameras are a third.

    people_from: seed of the first of the people who come, others in each scene; None for anyone.
    """
    given = 0
    for index in range(count):
        random = np.random.default_rng([seed, index, 0xDE7])
        settings = SceneSettings(
            size=size,
            fps=1.3,
            seconds=each / 1.3,
            people=int(random.integers(0, 6)),
            close=bool(random.random() < 0.34),
            identities=newcomers(people_from, index),
        )
        for image, truth in Scene(seed=int(random.integers(1 << 62)), settings=settings):
            yield detector_sample(image, truth)
            given += 1
            if given >= count:
                return


@dataclass(frozen=True, slots=True, eq=False)
class TrackClip:
    """What one person does for two seconds. pixels: uint8 ``[T, H, W, 3]`` BGR, square pictures
    that follow the person. scene: seed of the scene; track: the person in it.
    """

    pixels: ByteImage
    behaviour: Behaviour
    scene: int
    track: int


def track_clips(
    *,
    seed: int,
    count: int,
    frames: int = 16,
    size: int = 64,
    behaviours: Sequence[Behaviour] = BEHAVIOURS,
    scene_size: tuple[int, int] = (320, 192),
    people_from: int | None = None,
) -> Iterator[TrackClip]:
    """Clips of every behaviour in turn, each from a scene of its own, at 8 frames a second.

    Somebody else may pass. Boxes are missed by as much as a tracker misses them. people_from: as
    of ``detector_samples``.
    """
    for index in range(count):
        behaviour = behaviours[index % len(behaviours)]
        attempt = 0
        clip = None
        while clip is None:
            random = np.random.default_rng([seed, index, attempt, 0xC11])
            who = newcomers(people_from, index)
            clip = _clip(behaviour, random, frames, size, scene_size, who)
            attempt += 1
        yield clip


def _clip(
    behaviour: Behaviour,
    random: np.random.Generator,
    frames: int,
    size: int,
    scene_size: tuple[int, int],
    identities: tuple[int, ...] | None,
) -> TrackClip | None:
    """One clip of the scene's first person; None where it is never seen well for long enough."""
    others = int(random.integers(0, 2)) + (1 if behaviour == "fight" else 0)
    settings = SceneSettings(
        # A fence alone must not give a climber away.
        place="yard" if behaviour == "climb" or random.random() < 0.35 else None,
        size=scene_size,
        fps=_CLIP_FPS,
        seconds=frames / _CLIP_FPS + 3.5,
        people=1 + others,
        behaviours=(behaviour, "walk"),
        identities=identities,
    )
    scene = Scene(seed=int(random.integers(1 << 62)), settings=settings)
    done = scene.doing(1)
    starts = [
        start
        for start in range(len(done) - frames + 1)
        if _is_clip(done[start : start + frames], behaviour)
    ]
    if not starts:
        return None
    start = int(random.choice(starts))
    part = [
        (image, next((who for who in truth.people if who.track == 1), None))
        for image, truth in scene.frames(start, start + frames)
    ]
    seen = [who for _, who in part if who is not None]
    if len(seen) < frames or not _well_seen([who.visible for who in seen]):
        return None
    boxes = np.stack([who.box for who in seen])
    missed = random.normal(0, 0.02, boxes.shape) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    pixels = crop_track(
        [image for image, _ in part],
        (boxes + missed).astype(np.float32),
        size=size,
        factor=_CLIP_FACTOR,
    )
    return TrackClip(pixels, behaviour, scene.seed, 1)


def newcomers(people_from: int | None, scene: int) -> tuple[int, ...] | None:
    """Who comes into a scene: nobody who comes into another, with seeds from ``people_from`` on;
    None for anyone."""
    if people_from is None:
        return None
    first = people_from + scene * _MOST_PEOPLE
    return tuple(range(first, first + _MOST_PEOPLE))


def _is_clip(done: list[Behaviour | None], behaviour: Behaviour) -> bool:
    """Whether somebody is there all the while and does it for most of the time.

    A fall has to begin within the clip: somebody who lies there has fallen long ago.
    """
    if None in done:
        return False
    doing = [one == behaviour for one in done]
    if behaviour == "fall":
        return not doing[0] and sum(doing) >= len(done) // 2
    return sum(doing) >= (0.5 if behaviour == "take" else 0.75) * len(done)


def _well_seen(visible: list[float]) -> bool:
    return min(visible) >= 0.25 and float(np.mean(visible)) >= 0.55


def _boxes(found: list[FloatArray]) -> FloatArray:
    return np.asarray(found, np.float32).reshape(-1, 4)


@dataclass(frozen=True, slots=True, eq=False)
class AnomalySample:
    """A frame of a camera that always looks at the same place. image: uint8 ``[H, W, 3]`` BGR.

    anomaly: None in a normal one, in which people walk, run and stand about. scene: its seed.
    """

    image: ByteImage
    anomaly: AnomalyTruth | None
    scene: int


def anomaly_samples(
    *,
    place: Place,
    view: int,
    seed: int,
    count: int,
    anomalous: float = 0.0,
    size: tuple[int, int] = (160, 96),
    night: bool = False,
    nuisance: float = 0.8,
    each: int = 2,
) -> Iterator[AnomalySample]:
    """Frames of one camera, ``each`` of every scene and seconds apart; anomalies take turns.

    anomalous: share of scenes in which something is wrong.
    """
    given = injected = 0
    scenes = np.random.default_rng([seed, view, 0xA0])
    while given < count:
        wrong = bool(scenes.random() < anomalous)
        kind = ANOMALIES[injected % len(ANOMALIES)] if wrong else None
        injected += wrong
        settings = SceneSettings(
            place=place, view=view, size=size, fps=0.4, seconds=each / 0.4,
            people=int(scenes.integers(0, 3)), night=night, anomaly=kind, nuisance=nuisance,
            behaviours=tuple(_NORMAL[int(i)] for i in scenes.integers(len(_NORMAL), size=4)),
        )  # fmt: skip
        scene = Scene(seed=int(scenes.integers(1 << 62)), settings=settings)
        for image, truth in scene:
            if given < count and (kind is None) == (truth.anomaly is None):
                yield AnomalySample(image, truth.anomaly, scene.seed)
                given += 1
