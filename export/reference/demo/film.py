"""Take the demo's clip, and note what is true of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge.durable import replace_file
from edge.media import VideoWriter
from edge.pack.demo_truth import (
    Act,
    Conduct,
    DemoPerson,
    DemoTruth,
    FaceAt,
    Span,
    Watched,
    load_truth,
)
from edge.pack.demo_truth import Shot as ShotTruth
from edge.polygon import contains
from edge.types import ByteImage
from export.reference.demo.place import FPS, LINE, SIZE, ZONES, in_fractions, lobby
from export.reference.demo.plot import ENROLLED, Shot, name_of, shots
from export.reference.world.actions import Ground
from export.reference.world.scene import Scene
from export.reference.world.settings import SceneSettings
from export.reference.world.truth import PersonTruth

CLIP, TRUTH = "clip.mp4", "truth.json"
LOITERING_S = 6.0
LOITERING_ZONE, INTRUSION_ZONE, LINE_NAME = "waiting", "staff-only", "gate"
_NUISANCE = 0.35  # more of a sensor's noise would be most of the file
_SEEN = 0.4  # share of a body or a face that nothing hides
_LEAST_FACE = 20.0  # pixels wide
_LEAST_S = {"act": 1.0, "conduct": 0.25}  # shorter ones are no more than a touch
_GAP_S = 0.5
_ORDINARY = ("walk", "loiter")  # is not told; who loiters where, the zones tell


def write_film(folder: Path, *, seed: int, step: Callable[[], None] = lambda: None) -> DemoTruth:
    """clip.mp4 and truth.json in a folder; step is called for each frame.

    Raises OutputError where they cannot be written.
    """
    notes = Notes()
    with VideoWriter(folder / CLIP, size=SIZE, fps=FPS, small=True) as writer:
        for image in frames(seed, notes):
            writer.write(image)
            step()
    truth = notes.truth(seed)
    replace_file(folder / TRUTH, (truth.model_dump_json() + "\n").encode())
    return load_truth(folder / TRUTH)


def frame_count() -> int:
    """How many frames the clip has."""
    return sum(round(shot.seconds * FPS) for shot in shots())


def frames(seed: int, notes: Notes) -> Iterator[ByteImage]:
    """Every frame of the clip, uint8 ``[H, W, 3]`` BGR; notes take in what is true of it."""
    first = 0
    for shot in shots():
        settings = SceneSettings(
            place="lobby", size=SIZE, fps=FPS, seconds=shot.seconds, night=shot.night,
            nuisance=_NUISANCE,
        )  # fmt: skip
        place = lobby(night=shot.night)
        scene = Scene(seed=seed + shot.take, settings=settings, where=place, who=shot.actors)
        for image, truth in scene:
            notes.add(first + truth.index, truth.people, shot, truth.time)
            yield image
        notes.end_shot(first, len(scene), night=shot.night)
        first += len(scene)


@dataclass(slots=True)
class Notes:
    """What was seen so far: the frames in which each thing was so."""

    frames: dict[str, list[int]] = field(default_factory=dict)
    face_px: dict[str, float] = field(default_factory=dict)
    faces: dict[str, list[FaceAt]] = field(default_factory=dict)
    acts: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    inside: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    crossings: list[tuple[str, int]] = field(default_factory=list)
    shots: list[ShotTruth] = field(default_factory=list)
    sides: dict[str, float] = field(default_factory=dict)

    def add(self, index: int, people: tuple[PersonTruth, ...], shot: Shot, time: float) -> None:
        """Take in one frame."""
        for someone in people:
            name = name_of(someone.identity)
            self.frames.setdefault(name, []).append(index)
            if someone.face is not None and someone.face.visible >= _SEEN:
                wide = float(someone.face.box[2] - someone.face.box[0])
                self.face_px[name] = max(self.face_px.get(name, 0.0), wide)
                if wide >= _LEAST_FACE:
                    left, top, right, bottom = (round(float(side), 1) for side in someone.face.box)
                    self.faces.setdefault(name, []).append((index, left, top, right, bottom))
            x1, _, x2, y2 = someone.box
            whole = 0 < x1 < x2 < SIZE[0] and y2 < SIZE[1] - 1 and someone.visible >= _SEEN
            if whole and someone.behaviour not in _ORDINARY:
                self.acts.setdefault((someone.behaviour, name), []).append(index)
            state = shot.actors[someone.track - 1].state(time)
            if state is not None:
                self._stand(name, index, (float(state.at[0]), float(state.at[2])))

    def _stand(self, name: str, index: int, at: Ground) -> None:
        for zone, ground in ZONES.items():
            if contains(ground, *at):
                self.inside.setdefault((zone, name), []).append(index)
        (x1, z1), (x2, z2) = LINE
        side = (x2 - x1) * (at[1] - z1) - (z2 - z1) * (at[0] - x1)
        along = ((x2 - x1) * (at[0] - x1) + (z2 - z1) * (at[1] - z1)) / (
            (x2 - x1) ** 2 + (z2 - z1) ** 2
        )
        if self.sides.get(name, side) * side < 0 and 0 <= along <= 1:
            self.crossings.append((name, index))
        self.sides[name] = side

    def end_shot(self, first: int, frames: int, *, night: bool) -> None:
        """Everybody is somewhere else in the next one."""
        self.sides.clear()
        begins, ends = _second(first), _second(first + frames - 1)
        self.shots.append(
            ShotTruth(begins=begins, ends=ends, first=first, frames=frames, night=night)
        )

    def truth(self, seed: int) -> DemoTruth:
        """All of it."""
        view = lobby(night=False).view
        (x1, y1), (x2, y2) = in_fractions(view, LINE)
        zones = {
            name: tuple((x, y) for x, y in in_fractions(view, ground))
            for name, ground in ZONES.items()
        }
        people = [
            DemoPerson(
                id=name,
                enrolled=name in ENROLLED,
                face_px=round(self.face_px.get(name, 0.0), 1),
                seen=tuple(self._spans(indices, "conduct")),
                faces=tuple(self.faces.get(name, ())),
            )
            for name, indices in self.frames.items()
        ]
        return DemoTruth(
            format="1.0",
            seed=seed,
            size=SIZE,
            fps=FPS,
            frames=sum(shot.frames for shot in self.shots),
            zones=zones,
            line=((x1, y1), (x2, y2)),
            line_name=LINE_NAME,
            loitering_s=LOITERING_S,
            shots=tuple(self.shots),
            people=tuple(people),
            conducts=tuple(sorted(self._conducts(), key=lambda found: found.begins)),
            acts=tuple(sorted(self._acts(), key=lambda found: found.begins)),
        )

    def _conducts(self) -> Iterator[Conduct]:
        for name, index in self.crossings:
            yield _conduct("line_crossing", LINE_NAME, name, (index, index))
        for (zone, name), indices in self.inside.items():
            for span in self._spans(indices, "conduct"):
                if zone == INTRUSION_ZONE:
                    yield Conduct(kind="intrusion", place=zone, person=name, **span.model_dump())
                elif span.ends - span.begins >= LOITERING_S:
                    yield Conduct(kind="loitering", place=zone, person=name, **span.model_dump())

    def _acts(self) -> Iterator[Act]:
        for (behaviour, name), indices in self.acts.items():
            for span in self._spans(indices, "act"):
                yield Act(behaviour=behaviour, person=name, **span.model_dump())

    def _spans(self, indices: list[int], kind: str) -> Iterator[Span]:
        """Runs of frames without a longer gap, within one shot, that last long enough."""
        starts = {shot.first for shot in self.shots}
        begin = last = indices[0]
        for index in [*indices[1:], None]:
            cut = index is None or any(last < start <= index for start in starts)
            if index is not None and not cut and index - last <= _GAP_S * FPS:
                last = index
                continue
            if (last - begin) / FPS >= _LEAST_S[kind]:
                yield Span(begins=_second(begin), ends=_second(last))
            if index is not None:
                begin = last = index


def _conduct(kind: Watched, place: str, person: str, at: tuple[int, int]) -> Conduct:
    return Conduct(
        kind=kind, place=place, person=person, begins=_second(at[0]), ends=_second(at[1])
    )


def _second(index: int) -> float:
    return round(index / FPS, 3)
