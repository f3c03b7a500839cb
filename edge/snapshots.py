"""From scenes and their events to pictures: who an event is about, everybody else blurred.

A picture shows the subject in the frame of the event. Where that frame does not show it, as at the
end of a track, the picture is the one in which it was seen best before.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edge.config import Snapshots
from edge.errors import OutputError, StoreFullError
from edge.events.names import snapshot_topic, type_of
from edge.geometry import clip_boxes
from edge.media.jpeg import encode_jpeg
from edge.pipeline import Followed, Scene
from edge.store.snapshots import SnapshotStore
from edge.types import ByteImage, Event, FloatArray, Track
from edge.vision.blur import blur_faces
from edge.vision.crop import expand_box

_log = logging.getLogger(__name__)

_ALERT = type_of("alert", "raised")
# A cropped picture is so many times as wide and high as the face, or the person, that it is about.
_AROUND_FACE, _AROUND_PERSON = 3.0, 1.2
# Views that are kept of one camera for when their subjects are gone. Of a whole frame of
# 1920 × 1080 each takes 6 MB.
_MOST_VIEWS = 4


def snapshot_store(settings: Snapshots, state_dir: Path) -> SnapshotStore:
    """Where the pictures of a device go, not yet opened: ``media`` in its state folder."""
    budget = settings.budget_mb * 1_000_000
    return SnapshotStore(state_dir / "media", budget=budget, keep_days=settings.keep_days)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A picture of what an event is about. path: None where it could not be kept."""

    event_id: str
    topic: str
    jpeg: bytes = field(repr=False)
    path: Path | None


@dataclass(frozen=True, slots=True)
class TakerCounts:
    """taken: events that got a picture. unkept: of these, how many the disk did not take. skipped:
    events that got none, because too many came at once. unseen: because nothing showed who they
    are about."""

    taken: int = 0
    unkept: int = 0
    skipped: int = 0
    unseen: int = 0


@dataclass(frozen=True, slots=True)
class _View:
    """A sighting of a subject. others: boxes ``[N, 4]`` of the faces to blur, pixels of picture.
    worth: how well it shows the subject."""

    picture: ByteImage
    others: FloatArray
    worth: float


@dataclass(slots=True)
class _Camera:
    """What is remembered of one camera.

    views: the best ones by track. told: of each track, the event types that had their picture.
    recent: event times of the last second's pictures.
    """

    views: dict[int, _View] = field(default_factory=dict)
    told: dict[int, set[str]] = field(default_factory=dict)
    recent: list[float] = field(default_factory=list)

    def may_take(self, time: float, most: int) -> bool:
        """Whether one more picture at ``time`` is within the pace; it then counts."""
        # Later times are those of a clock that was set back since.
        self.recent = [taken for taken in self.recent if time - 1 < taken <= time]
        if len(self.recent) >= most:
            return False
        self.recent.append(time)
        return True


class SnapshotTaker:
    """Takes and keeps the pictures that ``settings`` ask for.

    Every alert has its own; a track has one for each type of event, however often that is stated.
    The subject of an event is shown even where nobody knows who it is: it is what the event is
    about. All other faces that the detector suspects are blurred, followed or not. A person without
    a face has none to show, so whatever looks like one there is blurred too. Of somebody who is
    followed by their body the face is shown where it is the only one in that body's box and in no
    other's. A face that the detector does not find at all cannot be blurred.

    store: open. per_second: of one camera, no more pictures are made in one second of event time;
    alerts come first, and share theirs with the event that raised them.
    """

    def __init__(self, settings: Snapshots, store: SnapshotStore, *, per_second: int = 4) -> None:
        self._settings = settings
        self._types = {type_of(*name.split(".")) for name in settings.on}
        self._store = store
        self._most = per_second
        self._cameras: dict[str, _Camera] = {}
        self._counts = TakerCounts()
        self._failing = False

    @property
    def counts(self) -> TakerCounts:
        """What became of the events that asked for a picture."""
        return self._counts

    def take(self, scene: Scene, events: Sequence[Event]) -> list[Snapshot]:
        """Show it every scene, with the events that were committed of it; pictures come back.

        A disk that is full or refuses costs the kept copy, not the picture; it is counted and
        logged once. Frames are held on to for as long as their subjects are followed.
        """
        camera = self._cameras.setdefault(scene.frame.camera, _Camera())
        self._look(scene, camera)
        jpegs: dict[int, bytes] = {}
        snapshots = []
        for event, track_id in self._wanted(camera, events):
            view = self._view_for(track_id, scene, camera)
            if view is None:
                self._count(unseen=1)
            elif track_id not in jpegs and not camera.may_take(event.time, self._most):
                self._count(skipped=1)
            else:
                if track_id not in jpegs:
                    jpegs[track_id] = self._encode(view)
                camera.told.setdefault(track_id, set()).add(event.type)
                snapshots.append(self._keep(event, jpegs[track_id]))
        self._forget(scene, camera)
        return snapshots

    def _wanted(self, camera: _Camera, events: Sequence[Event]) -> Iterator[tuple[Event, int]]:
        """The events that are to have a picture, alerts first, with their tracks."""
        for event in sorted(events, key=lambda event: event.type != _ALERT):
            track_id = event.data.get("track_id")
            if event.type not in self._types or not isinstance(track_id, int):
                continue
            if event.type == _ALERT or event.type not in camera.told.get(track_id, ()):
                yield event, track_id

    def _look(self, scene: Scene, camera: _Camera) -> None:
        """Keep the view of everybody who was never seen better."""
        for followed in scene.active:
            known = camera.views.get(followed.track.id)
            worth = _worth(followed.track)
            has_room = known is not None or len(camera.views) < _MOST_VIEWS
            if has_room and _is_seen(followed, scene) and (known is None or worth > known.worth):
                view = self._view(followed, scene)
                if view is not None:
                    camera.views[followed.track.id] = view

    def _view_for(self, track_id: int, scene: Scene, camera: _Camera) -> _View | None:
        for followed in scene.everybody():
            if followed.track.id == track_id and _is_seen(followed, scene):
                return self._view(followed, scene)
        return camera.views.get(track_id)

    def _view(self, followed: Followed, scene: Scene) -> _View | None:
        """The frame, or the part of it, that shows the subject; None where it lies outside."""
        picture, others = scene.frame.image, _others(followed, scene)
        if self._settings.what == "crop":
            factor = _AROUND_PERSON if followed.subject is None else _AROUND_FACE
            around = expand_box(followed.track.box, factor)
            x1, y1, x2, y2 = (round(float(s)) for s in clip_boxes(around, scene.frame.size)[0])
            if x1 >= x2 or y1 >= y2:
                return None
            picture = picture[y1:y2, x1:x2].copy()  # so that the rest of the frame can go
            others = others - np.asarray([x1, y1, x1, y1], np.float32)
        return _View(picture, others, _worth(followed.track))

    def _encode(self, view: _View) -> bytes:
        blurred = blur_faces(view.picture, view.others)
        return encode_jpeg(blurred, quality=self._settings.quality)

    def _keep(self, event: Event, jpeg: bytes) -> Snapshot:
        path = None
        try:
            path = self._store.put(event.id, event.time, jpeg)
        except (StoreFullError, OutputError) as error:
            self._count(unkept=1)
            if not self._failing:
                _log.warning("snapshots are not kept: %s", error)
        self._failing = path is None
        self._count(taken=1)
        return Snapshot(event.id, snapshot_topic(event.source, event.id), jpeg, path)

    def _count(self, **more: int) -> None:
        self._counts = replace(
            self._counts, **{name: getattr(self._counts, name) + n for name, n in more.items()}
        )

    def _forget(self, scene: Scene, camera: _Camera) -> None:
        """Let go of all who are not followed any more."""
        present = {followed.track.id for followed in scene.everybody()}
        camera.views = {id: view for id, view in camera.views.items() if id in present}
        camera.told = {id: types for id, types in camera.told.items() if id in present}


def _is_seen(followed: Followed, scene: Scene) -> bool:
    return followed.track.last_index == scene.frame.index


def _worth(track: Track) -> float:
    width, height = track.box[2:] - track.box[:2]
    return float(min(width, height)) * track.score


def _others(subject: Followed, scene: Scene) -> FloatArray:
    """Boxes ``[N, 4]`` of every face in the frame but the subject's own.

    What is not followed, or not seen in this frame, and has its centre in the subject's face is
    taken for a second look at that face.
    """
    faces = [followed for followed in scene.active if followed.subject is not None]
    subject = _face_of(subject, faces, scene)
    seen = {face.track.detection: face.track.id for face in faces if _is_seen(face, scene)}
    own = None if subject.subject is None else subject.track.box
    boxes = [face.track.box for face in faces if not _is_seen(face, scene)]
    boxes += [box for row, box in enumerate(scene.detections.boxes) if row not in seen]
    if own is not None:
        boxes = [box for box in boxes if not _is_centred_in(own, box)]
    rows = [row for row, track_id in seen.items() if track_id != subject.track.id]
    boxes += [scene.detections.boxes[row] for row in rows]
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def _face_of(subject: Followed, faces: Sequence[Followed], scene: Scene) -> Followed:
    """The face of a followed person; the person where it is not certain which one is theirs."""
    inside = [face for face in faces if _is_centred_in(subject.track.box, face.track.box)]
    if subject.subject is not None or len(inside) != 1:
        return subject
    (face,) = inside
    holders = [track for track in scene.people or () if _is_centred_in(track.box, face.track.box)]
    return face if len(holders) == 1 else subject


def _is_centred_in(outer: FloatArray, box: FloatArray) -> bool:
    centre = (box[:2] + box[2:]) / 2
    return bool((outer[:2] <= centre).all() and (centre <= outer[2:]).all())
