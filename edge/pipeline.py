"""The loop's middle: frames in, followed and recognised faces out.

``Pipeline.step`` takes the newest frame of every camera that has one, so that a model which takes
batches gets one. It knows no clock, thread or file; ``edge.reporter`` turns what it sees into
events.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from edge.clip_stage import ClipStage
from edge.gallery.matcher import Gallery
from edge.gallery.shots import View
from edge.gallery.subject import FaceSubject, RecognitionSettings
from edge.scene import Followed, Scene
from edge.track.bytetrack import ByteTracker, TrackSettings
from edge.track.faceless import Faceless, FacelessWatch
from edge.types import Detections, FloatArray, Frame, Identity, OperatingPoint, Outcome, Track
from edge.vision.behaviour import ClipClassifier
from edge.vision.detector import Detector
from edge.vision.landmarks import LandmarkFinder
from edge.vision.quality import face_quality
from edge.vision.recogniser import Recogniser

__all__ = ["Followed", "Models", "Pipeline", "PipelineSettings", "Scene", "Timed"]

_log = logging.getLogger(__name__)

Timed = Callable[[str], AbstractContextManager[None]]


def _untimed(stage: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The loaded models. Only the detector is needed; without a recogniser faces are followed.

    behaviour: needs person.
    """

    detector: Detector
    landmarks: LandmarkFinder | None = None
    recogniser: Recogniser | None = None
    person: Detector | None = None
    behaviour: ClipClassifier | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings:
    """look_every: frames from one look of the detector to the next while everything is settled; 1
    looks at all of them. person_every: looks from one look for people to the next, but at watched
    cameras, where every look is for people too. faceless:
    sightings of a person without a face, one after another and ``person_every`` looks apart, before
    that is reported."""

    look_every: int = 2
    recognition: RecognitionSettings = field(default_factory=RecognitionSettings)
    person_every: int = 5
    faceless: int = 5


@dataclass(slots=True)
class _Face:
    """One face while it is followed; ``Followed`` without the identity, which the subject has."""

    track: Track
    subject: FaceSubject
    face_px: float = 0.0
    landmarks: FloatArray | None = None
    held: int = 0

    def now(self) -> Followed:
        """What there is to say of it after this frame."""
        return Followed(
            self.track,
            self.subject.identity,
            self.subject,
            self.face_px,
            self.landmarks,
            self.held,
        )


@dataclass(slots=True)
class _Camera:
    """What is remembered of one camera from frame to frame.

    ids: of its tracks, shared so that a face and a person never have one id. faces: by track id.
    scene: of the last look. last: the newest frame, looked at or not. person_every: looks from one
    look for people to the next.
    """

    ids: Iterator[int]
    tracker: ByteTracker
    people: FacelessWatch | None
    person_every: int
    faces: dict[int, _Face] = field(default_factory=dict)
    analysed: int = 0
    scene: Scene | None = None
    last: Frame | None = None


@dataclass(frozen=True, slots=True)
class _Faces:
    """The faces of one frame. due: views to embed, and whose they are."""

    active: list[_Face]
    ended: list[_Face]
    due: list[tuple[_Face, View]]
    detections: Detections


class Pipeline:
    """Detects, follows and recognises the faces of any number of cameras.

    gallery and point are None together with ``models.recogniser``. watched: ids of the cameras at
    which it matters how everybody moves; with ``models.behaviour`` it does at all. timed: what is
    entered around the stages ``detect``, ``track``, ``recognise`` and ``classify``, for whoever
    measures them.
    """

    def __init__(
        self,
        models: Models,
        *,
        gallery: Gallery | None = None,
        point: OperatingPoint | None = None,
        settings: PipelineSettings | None = None,
        watched: Collection[str] = (),
        timed: Timed = _untimed,
    ) -> None:
        self._models = models
        self._timed = timed
        self._gallery = gallery
        self._point = point
        self._settings = settings or PipelineSettings()
        self._watched = frozenset(watched)
        self._stage = ClipStage(models.behaviour) if models.behaviour else None
        self._cameras: dict[str, _Camera] = {}
        self._warned = False

    def step(self, frames: Sequence[Frame]) -> list[Scene]:
        """Analyse one frame each of different cameras; scenes come in the order of the frames.

        Boxes of one size mean nothing in another: a frame of another size than the one before it
        begins its camera anew, and its scene comes after the one that ends the tracks so far.
        A camera whose faces are settled is looked at every ``look_every`` frames; in between, its
        scene is the last one, in the new frame.
        """
        closing = {frame.camera: self._begin_anew(frame) for frame in frames}
        due = [frame for frame in frames if self._is_due(frame)]
        looked = dict(zip(map(id, due), self._look(due), strict=True))
        scenes = []
        for frame in frames:
            closed = closing[frame.camera]
            scenes += [closed] if closed is not None else []
            scenes.append(looked.get(id(frame)) or self._held(frame))
            self._camera(frame.camera).last = frame
        return self._judged(scenes)

    def _begin_anew(self, frame: Frame) -> Scene | None:
        """Where the last frame of this camera had another size: the scene that closes it."""
        camera = self._camera(frame.camera)
        if camera.last is None or camera.last.size == frame.size:
            return None
        closed = self.end(camera.last)
        self._cameras[frame.camera] = self._new_camera(frame.camera, camera.ids)
        return closed

    def _is_due(self, frame: Frame) -> bool:
        camera, rest = self._camera(frame.camera), self._settings.look_every - 1
        if camera.scene is None or not camera.tracker.is_settled(rest):
            return True
        if self._is_watched(frame.camera) and camera.people and not camera.people.is_settled(rest):
            return True
        return not 0 < frame.index - camera.scene.frame.index <= rest

    def _is_watched(self, camera: str) -> bool:
        return self._stage is not None or camera in self._watched

    def _judged(self, scenes: list[Scene]) -> list[Scene]:
        """The scenes, each with what the clips that end with its frame show."""
        if self._stage is None:
            return scenes
        for scene in scenes:
            camera = self._camera(scene.frame.camera)
            if scene.frame is camera.last and camera.scene is not None:
                self._stage.look(scene, camera.scene.frame.index)
        if not self._stage.is_due:
            return scenes
        with self._timed("classify"):
            return self._stage.judge(scenes)

    def _held(self, frame: Frame) -> Scene:
        camera = self._camera(frame.camera)
        assert camera.scene is not None  # without one the frame is due
        for followed in camera.scene.active:
            if followed.track.id in camera.faces:
                camera.faces[followed.track.id].held += 1
        return Scene(frame, camera.scene.active, frozenset(), (), people=camera.scene.people)

    def _look(self, frames: Sequence[Frame]) -> list[Scene]:
        if not frames:
            return []
        with self._timed("detect"):
            found = self._models.detector.detect([frame.image for frame in frames])
        with self._timed("track"):
            seen = [
                self._follow(self._camera(frame.camera), frame, detections)
                for frame, detections in zip(frames, found, strict=True)
            ]
        with self._timed("recognise"):
            learned = self._learn([due for faces in seen for due in faces.due])
        scenes = [
            self._scene(frame, faces, learned) for frame, faces in zip(frames, seen, strict=True)
        ]
        for scene in scenes:
            self._camera(scene.frame.camera).scene = scene
        return scenes

    def end(self, last: Frame) -> Scene:
        """Close the camera of its last frame: every track ends, every identity is final.

        Where ``last`` has another size than what was analysed, the last frame of that size stands
        in for it.
        """
        camera = self._cameras.pop(last.camera, None)
        if camera is None:
            return Scene(last, (), frozenset(), ())
        if self._stage is not None:
            self._stage.forget(last.camera)
        if camera.last is not None and camera.last.size != last.size:
            last = camera.last
        ended = self._conclude(_retire(camera.faces, camera.tracker.flush()))
        left = camera.people.flush() if camera.people else []
        return Scene(
            last, (), frozenset(), (*ended, *_faceless(left)), people=() if camera.people else None
        )

    def _camera(self, name: str) -> _Camera:
        known = self._cameras.get(name)
        if known is None:
            known = self._cameras[name] = self._new_camera(name, count(1))
        return known

    def _new_camera(self, name: str, ids: Iterator[int]) -> _Camera:
        def tracker(detector: Detector) -> ByteTracker:
            return ByteTracker(settings=TrackSettings(high_score=detector.score), ids=ids)

        settings, person = self._settings, self._models.person
        every = 1 if self._is_watched(name) else settings.person_every
        sightings = settings.faceless * settings.person_every // every
        people = FacelessWatch(tracker(person), sightings) if person else None
        return _Camera(ids, tracker(self._models.detector), people, every)

    def _follow(self, camera: _Camera, frame: Frame, detections: Detections) -> _Faces:
        tracks, gone = camera.tracker.update(detections, frame.index)
        active = []
        for track in tracks:
            face = camera.faces.get(track.id)
            if face is None:
                subject = FaceSubject(self._settings.recognition, self._point, self._gallery)
                face = camera.faces[track.id] = _Face(track, subject)
            face.track = track
            if track.detection is not None:
                face.face_px = max(face.face_px, _shorter_side(track.box))
            active.append(face)
        due = self._take_views(frame, detections, active)
        return _Faces(active, _retire(camera.faces, gone), due, detections)

    def _take_views(
        self, frame: Frame, detections: Detections, active: Sequence[_Face]
    ) -> list[tuple[_Face, View]]:
        """Show every face seen in this frame to its subject; those to embed come back."""
        recogniser = self._models.recogniser
        seen = [face for face in active if face.track.detection is not None]
        if recogniser is None or not seen:
            return []
        rows = np.asarray([face.track.detection for face in seen])
        found = self._with_landmarks(frame, detections[rows])
        due = []
        for row, face in enumerate(seen):
            view = None
            if found.landmarks is not None:
                face.landmarks = found.landmarks[row]
                view = _view(recogniser, frame, found, row)
            chosen = face.subject.look(view)
            if chosen is not None:
                due.append((face, chosen))
        return due

    def _with_landmarks(self, frame: Frame, faces: Detections) -> Detections:
        """The faces with landmarks, where the detector or a landmark model gives any."""
        if faces.landmarks is None and self._models.landmarks is not None:
            return self._models.landmarks.add(frame.image, faces)
        return faces

    def _learn(self, due: Sequence[tuple[_Face, View]]) -> set[int]:
        """Embed the views that are due, of all cameras together, and tell their subjects.

        A view without a usable embedding is dropped. The ``id()`` of those who learned come back.
        """
        if not due or self._models.recogniser is None:
            return set()
        embeddings = self._models.recogniser.embed_usable([view.crop for _, view in due])
        learned = set()
        for (face, view), embedding in zip(due, embeddings, strict=True):
            if embedding is not None:
                face.subject.learn(view, embedding)
                learned.add(id(face))
            else:
                face.subject.drop()
                self._warn_of_drop()
        return learned

    def _warn_of_drop(self) -> None:
        """Say once that views are dropped: a model that does this does it often."""
        if not self._warned:
            _log.warning(
                "the recogniser gave zeros or no number for a face: such views are dropped; "
                "check the model with: edgewarden bundle verify"
            )
            self._warned = True

    def _scene(self, frame: Frame, faces: _Faces, learned: set[int]) -> Scene:
        changed = {
            face.track.id
            for face in faces.active
            if (id(face) in learned or face.subject.identity is None) and face.subject.decide()
        }
        camera = self._cameras[frame.camera]
        people = self._watch_people(camera, frame, faces.active)
        present = camera.people.present if camera.people else []
        return Scene(
            frame,
            (*(face.now() for face in faces.active), *_faceless(present)),
            frozenset(changed | {track.id for track in people.started}),
            (*self._conclude(faces.ended), *_faceless(people.ended)),
            faces.detections,
            None if camera.people is None else tuple(camera.people.everybody),
        )

    def _watch_people(self, camera: _Camera, frame: Frame, faces: Sequence[_Face]) -> Faceless:
        """Look for people who show no face, where a look is due."""
        due = camera.analysed % camera.person_every == 0
        camera.analysed += 1
        if camera.people is None or self._models.person is None or not due:
            return Faceless([], [])
        found = self._models.person.detect([frame.image])[0]
        boxes = np.asarray([face.track.box for face in faces], np.float32).reshape(-1, 4)
        return camera.people.look(found, frame.index, boxes)

    def _conclude(self, ended: Sequence[_Face]) -> list[Followed]:
        """Give faces that have gone their final identity, with one more view where it helps."""
        last = [(face, face.subject.last_view()) for face in ended]
        self._learn([(face, view) for face, view in last if view is not None])
        for face in ended:
            face.subject.conclude()
        return [face.now() for face in ended]


def _retire(faces: dict[int, _Face], gone: Sequence[Track]) -> list[_Face]:
    """Take those who have gone out of ``faces``, in the order of their tracks."""
    retired = []
    for track in gone:
        known = faces.pop(track.id, None)
        if known is not None:
            known.track = track
            retired.append(known)
    return retired


def _view(recogniser: Recogniser, frame: Frame, faces: Detections, row: int) -> View | None:
    """One face as the recogniser wants it; None where its landmarks lie in one place."""
    assert faces.landmarks is not None
    landmarks = faces.landmarks[row]
    try:
        crop = recogniser.align(frame.image, landmarks)
    except ValueError:
        return None
    quality = face_quality(crop, faces.boxes[row], landmarks, float(faces.scores[row]))
    return View(frame.index, quality, crop)


def _faceless(people: Sequence[Track]) -> list[Followed]:
    return [Followed(track, Identity(Outcome.PERSON_WITHOUT_FACE)) for track in people]


def _shorter_side(box: FloatArray) -> float:
    return float(min(box[2] - box[0], box[3] - box[1]))
