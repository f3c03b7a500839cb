"""The loop's middle: frames in, followed and recognised faces out.

``Pipeline.step`` takes the newest frame of every camera that has one, so that a model which takes
batches gets one. It knows no clock, thread or file; ``edge.reporter`` turns what it sees into
events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from edge.gallery.identity import OperatingPoint
from edge.gallery.matcher import Gallery
from edge.gallery.shots import View
from edge.gallery.subject import FaceSubject, RecognitionSettings
from edge.track.bytetrack import ByteTracker, TrackSettings
from edge.types import Detections, FloatArray, Frame, Identity, Outcome, Track
from edge.vision.detector import Detector
from edge.vision.landmarks import LandmarkFinder
from edge.vision.quality import face_quality
from edge.vision.recogniser import Recogniser


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The loaded models. Only the detector is needed; without a recogniser faces are followed."""

    detector: Detector
    landmarks: LandmarkFinder | None = None
    recogniser: Recogniser | None = None
    person: Detector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings:
    """person_every: analysed frames from one look for people to the next. faceless: sightings of a
    person without a face, one after another, before that is reported."""

    recognition: RecognitionSettings = field(default_factory=RecognitionSettings)
    person_every: int = 5
    faceless: int = 5


@dataclass(slots=True)
class Followed:
    """One face or person while it is followed, with all that has been learned of it.

    subject is None for a person without a face. face_px: the largest shorter side of its box so
    far, pixels. landmarks: float32 ``[5, 2]`` as last seen.
    """

    track: Track
    subject: FaceSubject | None
    face_px: float = 0.0
    landmarks: FloatArray | None = None
    faceless: int = 0

    @property
    def identity(self) -> Identity | None:
        """Who or what this is held to be now."""
        if self.subject is not None:
            return self.subject.identity
        return Identity(Outcome.PERSON_WITHOUT_FACE)


@dataclass(frozen=True, slots=True)
class Scene:
    """What one step saw in one frame.

    active: followed and confirmed. changed: track ids whose identity is new or different. ended:
    followed no more, identity final.
    """

    frame: Frame
    active: tuple[Followed, ...]
    changed: frozenset[int]
    ended: tuple[Followed, ...]


@dataclass(slots=True)
class _Camera:
    """What is remembered of one camera from frame to frame."""

    faces: ByteTracker
    people: ByteTracker | None
    followed: dict[int, Followed] = field(default_factory=dict)
    persons: dict[int, Followed] = field(default_factory=dict)
    analysed: int = 0


class Pipeline:
    """Detects, follows and recognises the faces of any number of cameras.

    gallery and point are None together with ``models.recogniser``.
    """

    def __init__(
        self,
        models: Models,
        *,
        gallery: Gallery | None = None,
        point: OperatingPoint | None = None,
        settings: PipelineSettings | None = None,
    ) -> None:
        self._models = models
        self._gallery = gallery
        self._point = point
        self._settings = settings or PipelineSettings()
        self._cameras: dict[str, _Camera] = {}

    def step(self, frames: Sequence[Frame]) -> list[Scene]:
        """Analyse one frame each of different cameras; scenes come in the order of the frames."""
        if not frames:
            return []
        found = self._models.detector.detect([frame.image for frame in frames])
        due: list[tuple[Followed, View]] = []
        seen: list[tuple[_Camera, list[Followed], list[Followed]]] = []
        for frame, detections in zip(frames, found, strict=True):
            camera = self._cameras.setdefault(frame.camera, self._new_camera())
            active, ended = self._follow(camera, frame, detections, due)
            seen.append((camera, active, ended))
        self._learn(due)
        fresh = {id(followed) for followed, _ in due}
        return [
            self._scene(frame, camera, active, ended, fresh)
            for frame, (camera, active, ended) in zip(frames, seen, strict=True)
        ]

    def end(self, last: Frame) -> Scene:
        """Close the camera of its last frame: every track ends, every identity is final."""
        camera = self._cameras.pop(last.camera, None) or self._new_camera()
        ended = _retire(camera.followed, camera.faces.flush())
        if camera.people is not None:
            ended += _retire(camera.persons, camera.people.flush())
        return Scene(last, (), frozenset(), tuple(self._conclude(ended)))

    def _new_camera(self) -> _Camera:
        ids = count(1)
        person = self._models.person
        return _Camera(
            ByteTracker(settings=TrackSettings(high_score=self._models.detector.score), ids=ids),
            ByteTracker(settings=TrackSettings(high_score=person.score), ids=ids)
            if person
            else None,
        )

    def _follow(
        self,
        camera: _Camera,
        frame: Frame,
        detections: Detections,
        due: list[tuple[Followed, View]],
    ) -> tuple[list[Followed], list[Followed]]:
        active, gone = camera.faces.update(detections, frame.index)
        for track in active:
            followed = _follow_track(camera.followed, track, self._new_subject)
            if track.detection is not None:
                followed.face_px = max(followed.face_px, _shorter_side(track.box))
        self._take_views(camera, frame, detections, active, due)
        return [camera.followed[t.id] for t in active], _retire(camera.followed, gone)

    def _new_subject(self) -> FaceSubject:
        return FaceSubject(self._settings.recognition, self._point, self._gallery)

    def _take_views(
        self,
        camera: _Camera,
        frame: Frame,
        detections: Detections,
        active: Sequence[Track],
        due: list[tuple[Followed, View]],
    ) -> None:
        """Show every face of this frame to its subject; those to embed are added to ``due``."""
        rows = [(t.id, t.detection) for t in active if t.detection is not None]
        if self._models.recogniser is None or not rows:
            return
        faces = detections[np.asarray([row for _, row in rows])]
        if faces.landmarks is None:
            if self._models.landmarks is None:
                return
            faces = self._models.landmarks.add(frame.image, faces)
        assert faces.landmarks is not None
        for row, (track_id, _) in enumerate(rows):
            followed = camera.followed[track_id]
            followed.landmarks = faces.landmarks[row]
            view = self._view(frame, faces, row)
            chosen = followed.subject.look(view) if followed.subject and view else None
            if chosen is not None:
                due.append((followed, chosen))

    def _view(self, frame: Frame, faces: Detections, row: int) -> View | None:
        recogniser, points = self._models.recogniser, faces.landmarks
        if recogniser is None or points is None:
            return None
        landmarks = points[row]
        try:
            crop = recogniser.align(frame.image, landmarks)
        except ValueError:  # landmarks in one place: nothing to align
            return None
        quality = face_quality(crop, faces.boxes[row], landmarks, float(faces.scores[row]))
        return View(frame.index, quality, crop)

    def _learn(self, due: Sequence[tuple[Followed, View]]) -> None:
        """Embed the views that are due, of all cameras together, and tell their subjects."""
        if not due or self._models.recogniser is None:
            return
        embeddings = self._models.recogniser.embed([view.crop for _, view in due])
        for (followed, view), embedding in zip(due, embeddings, strict=True):
            if followed.subject is not None:
                followed.subject.learn(view, embedding)

    def _scene(
        self,
        frame: Frame,
        camera: _Camera,
        active: list[Followed],
        ended: list[Followed],
        fresh: set[int],
    ) -> Scene:
        changed = {
            followed.track.id
            for followed in active
            if followed.subject is not None
            and (id(followed) in fresh or followed.identity is None)
            and followed.subject.decide()
        }
        people, faceless, left = self._watch_people(camera, frame, active)
        camera.analysed += 1
        return Scene(
            frame,
            (*active, *people),
            frozenset(changed | faceless),
            (*self._conclude(ended), *left),
        )

    def _watch_people(
        self, camera: _Camera, frame: Frame, faces: Sequence[Followed]
    ) -> tuple[list[Followed], set[int], list[Followed]]:
        """People who show no face: those now so, ids of those newly so, and those no longer so."""
        if camera.people is None or self._models.person is None:
            return [], set(), []
        if camera.analysed % self._settings.person_every:
            return self._faceless(camera), set(), []
        found = self._models.person.detect([frame.image])[0]
        active, gone = camera.people.update(found, frame.index)
        left = [f for f in _retire(camera.persons, gone) if self._is_faceless(f)]
        new: set[int] = set()
        for track in active:
            person = _follow_track(camera.persons, track, lambda: None)
            was = self._is_faceless(person)
            if any(_holds(track.box, face.track.box) for face in faces):
                person.faceless = 0
                if was:
                    left.append(person)
            elif track.detection is not None:
                person.faceless += 1
                if not was and self._is_faceless(person):
                    new.add(track.id)
        return self._faceless(camera), new, left

    def _is_faceless(self, person: Followed) -> bool:
        return person.faceless >= self._settings.faceless

    def _faceless(self, camera: _Camera) -> list[Followed]:
        return [person for person in camera.persons.values() if self._is_faceless(person)]

    def _conclude(self, ended: Sequence[Followed]) -> list[Followed]:
        """Give everyone who has gone a final identity, with one more embedding where it helps."""
        last = [(f, f.subject.last_view()) for f in ended if f.subject is not None]
        self._learn([(followed, view) for followed, view in last if view is not None])
        for followed in ended:
            if followed.subject is not None:
                followed.subject.conclude()
        return [f for f in ended if f.subject is not None or self._is_faceless(f)]


def _follow_track(
    followed: dict[int, Followed], track: Track, subject: Callable[[], FaceSubject | None]
) -> Followed:
    known = followed.get(track.id)
    if known is None:
        known = followed[track.id] = Followed(track, subject())
    known.track = track
    return known


def _retire(followed: dict[int, Followed], gone: Sequence[Track]) -> list[Followed]:
    """Take those who have gone out of ``followed``, in the order of their tracks."""
    retired = []
    for track in gone:
        known = followed.pop(track.id, None)
        if known is not None:
            known.track = track
            retired.append(known)
    return retired


def _holds(person: FloatArray, face: FloatArray) -> bool:
    """Whether the centre of a face lies in a person's box."""
    x, y = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
    return bool(person[0] <= x <= person[2] and person[1] <= y <= person[3])


def _shorter_side(box: FloatArray) -> float:
    return float(min(box[2] - box[0], box[3] - box[1]))
