"""Take the self-test's clip, with what is true of it, and pictures of the people in it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from edge.durable import replace_file
from edge.media import VideoWriter
from edge.media.jpeg import encode_jpeg
from edge.selftest.material import TRUTH_FILE, Material, read_material
from edge.types import ByteImage
from export.reference.demo.plot import LookIn
from export.reference.demo.portraits import portrait
from export.reference.world.actions import Action, Go, Ground
from export.reference.world.actor import Actor
from export.reference.world.background import backdrop
from export.reference.world.furniture import Area
from export.reference.world.identity import person
from export.reference.world.scene import Scene
from export.reference.world.settings import SceneSettings
from export.reference.world.truth import FaceTruth, FrameTruth
from export.reference.world.view import View

SIZE, FPS, SECONDS = (480, 288), 10.0, 20.0
_PLACE, _NUISANCE = 19, 0.25  # more of a sensor's noise would be most of the file
_PORTRAITS = 3
# Faces that a detector can be asked for, in a probe, and that a visit begins and ends with.
_LEAST_FACE, _LEAST_SEEN, _MOST_YAW = 26.0, 0.7, 0.8
_LEAST_BODY, _WHOLE_BODY = 0.55, 0.95
_FACES_EVERY, _QUALITY = 5, 78
# The right third, as far up and down as a box may reach.
ZONE = ((0.66, -1.0), (2.0, -1.0), (2.0, 2.0), (0.66, 2.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who comes to the camera. identity: a seed that no recipe has ever seen. by: a place
    on their way. stop: where they look into it."""

    name: str
    identity: int
    known: bool
    enters: float
    start: Ground
    by: Ground | None = None
    stop: Ground
    out: Ground

    @property
    def in_zone(self) -> bool:
        """Whether they stop there; a camera's focal length is its width."""
        return self.stop[0] / self.stop[1] + 0.5 > ZONE[0][0]


VISITORS = (
    Visitor(
        name="ada", identity=1_000_018, known=True, enters=0.2,
        start=(-2.7, 4.0), stop=(-0.35, 2.0), out=(-1.6, 1.3),
    ),
    Visitor(
        name="stranger", identity=1_000_000, known=False, enters=5.0,
        start=(-2.7, 4.2), stop=(-0.1, 2.0), out=(-1.6, 1.3),
    ),
    Visitor(
        name="ben", identity=1_000_024, known=True, enters=10.0,
        start=(-2.7, 4.0), stop=(-0.3, 2.1), out=(-1.6, 1.3),
    ),
    # From so far that all of them is seen within the zone.
    Visitor(
        name="intruder", identity=1_000_051, known=False, enters=11.5,
        start=(4.0, 7.2), by=(1.7, 5.2), stop=(0.8, 2.4), out=(1.9, 1.4),
    ),
)  # fmt: skip


@dataclass(slots=True)
class _Notes:
    """What was seen so far. seen: of each track, the frames in which it is in the picture; clear:
    those in which its face is clearly seen."""

    seen: dict[int, list[int]] = field(default_factory=dict)
    clear: dict[int, list[int]] = field(default_factory=dict)
    truths: list[FrameTruth] = field(default_factory=list)
    pictures: list[ByteImage] = field(default_factory=list)

    def add(self, image: ByteImage, truth: FrameTruth) -> None:
        self.truths.append(truth)
        self.pictures.append(image)
        for someone in truth.people:
            self.seen.setdefault(someone.track, []).append(truth.index)
            if someone.face is not None and is_clear(someone.face):
                self.clear.setdefault(someone.track, []).append(truth.index)


def is_clear(face: FaceTruth) -> bool:
    """Whether a detector can be asked for a face."""
    wide = float(face.box[2] - face.box[0])
    return wide >= _LEAST_FACE and face.visible >= _LEAST_SEEN and abs(face.yaw) <= _MOST_YAW


def write_material(folder: Path, *, seed: int, step: Callable[[], None] = lambda: None) -> Material:
    """Everything in a folder; step is called for each frame.

    Raises OutputError where it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notes = _Notes()
    with VideoWriter(folder / "clip.mp4", size=SIZE, fps=FPS, small=True) as writer:
        for image, truth in scene(seed):
            writer.write(image)
            notes.add(image, truth)
            step()
    known, strangers = _portraits(folder, seed)
    facts = {
        "clip": "clip.mp4",
        "fps": FPS,
        "zone": ZONE,
        "visits": [_visit(number, notes) for number in range(1, len(VISITORS) + 1)],
        "people": known,
        "strangers": strangers,
        "probes": _probes(folder, notes),
    }
    replace_file(folder / TRUTH_FILE, (json.dumps(facts, indent=1) + "\n").encode())
    return read_material(folder)


def scene(seed: int) -> Scene:
    """The scene, not yet rendered."""
    view = View(height=2.05, pitch=math.radians(8), focal=float(SIZE[0]), size=SIZE)
    area = Area(near=1.2, far=8.0, half=3.4)
    place = backdrop("lobby", _PLACE, close=True, size=SIZE, night=False, mount=(view, area))
    settings = SceneSettings(
        place="lobby", size=SIZE, fps=FPS, seconds=SECONDS, night=False, nuisance=_NUISANCE
    )
    actors = [_actor(number, visitor) for number, visitor in enumerate(VISITORS, 1)]
    return Scene(seed=seed, settings=settings, where=place, who=actors)


def _actor(track: int, visitor: Visitor) -> Actor:
    who = person(visitor.identity)
    way = [visitor.start, *([visitor.by] if visitor.by else []), visitor.stop]
    actions: tuple[Action, ...] = (
        *(Go(start=a, end=b, speed=1.4, tall=who.tall) for a, b in pairwise(way)),
        LookIn(place=visitor.stop, seconds=2.2),
        Go(start=visitor.stop, end=visitor.out, speed=1.1, tall=who.tall),
    )
    return Actor(track=track, who=who, enters=visitor.enters, actions=actions)


def _visit(track: int, notes: _Notes) -> dict[str, object]:
    visitor, seen = VISITORS[track - 1], notes.seen[track]
    return {
        "person": visitor.name if visitor.known else None,
        "first": seen[0],
        "last": seen[-1],
        "in_zone": visitor.in_zone,
        "faces": [
            {"frame": index, "box": _numbers(someone.face.box.tolist())}
            for index in notes.clear[track][::_FACES_EVERY]
            for someone in notes.truths[index].people
            if someone.track == track and someone.face is not None
        ],
    }


def _portraits(folder: Path, seed: int) -> tuple[dict[str, list[str]], list[str]]:
    """Pictures to enrol by, and one of each stranger."""
    known: dict[str, list[str]] = {}
    strangers: list[str] = []
    for visitor in VISITORS:
        count = _PORTRAITS if visitor.known else 1
        names = [f"{visitor.name}-{number}.jpg" for number in range(1, count + 1)]
        for number, name in enumerate(names):
            _write(folder / name, portrait(visitor.identity, seed=seed, number=number))
        if visitor.known:
            known[visitor.name] = names
        else:
            strangers += names
    return known, strangers


def _probes(folder: Path, notes: _Notes) -> list[dict[str, object]]:
    """Frames in which each visitor looks into the camera, in which some come, and one in which all
    of somebody is seen."""
    frames = [clear[len(clear) // 2] for clear in notes.clear.values()]
    frames += [clear[len(clear) // 4] for clear in notes.clear.values()][::2]
    whole = [
        truth.index
        for truth in notes.truths
        if any(one.visible >= _WHOLE_BODY for one in truth.people)
    ]
    frames += whole[len(whole) // 2 :: len(whole)]
    return [_probe(folder, notes, index) for index in sorted(set(frames))]


def _probe(folder: Path, notes: _Notes, index: int) -> dict[str, object]:
    name = f"probe-{index}.jpg"
    _write(folder / name, notes.pictures[index])
    people = notes.truths[index].people
    faces = [one.face for one in people if one.face is not None and is_clear(one.face)]
    return {
        "picture": name,
        "faces": [
            {
                "box": _numbers(face.box.tolist()),
                "landmarks": [_numbers(point) for point in face.landmarks.tolist()],
            }
            for face in faces
        ],
        "people": [_numbers(one.box.tolist()) for one in people if one.visible >= _LEAST_BODY],
    }


def _write(path: Path, picture: ByteImage) -> None:
    replace_file(path, encode_jpeg(picture, quality=_QUALITY))


def _numbers(values: list[float]) -> list[float]:
    return [round(value, 1) for value in values]
