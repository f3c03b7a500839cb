"""Enrolling somebody from pictures: find their face, make sure of it, keep one template a source.

Nothing is written before everything has been checked, and then in one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.assembly import LoadedModels
from edge.capture.file import FileSource
from edge.errors import EnrolmentError, GalleryError, UsageError
from edge.gallery.enrolment import (
    Candidate,
    choose,
    join_same_person,
    require_agreement,
    require_new,
)
from edge.gallery.identity import fault_of
from edge.gallery.matcher import Gallery
from edge.gallery.shots import ShotSettings
from edge.gallery.subject import RecognitionSettings
from edge.media import is_image, read_image
from edge.pipeline import Followed, Models, Pipeline, PipelineSettings, Scene
from edge.store.base import Consent, Enrolled, GalleryStore, Person
from edge.types import ByteImage, FaceQuality, FloatArray, Frame, OperatingPoint
from edge.vision.quality import face_quality
from edge.vision.recogniser import Recogniser

# Stricter than on the camera: a bad template does harm for as long as it is kept.
_SHOTS = ShotSettings(keep=12, first_every=3, then_every=5, min_quality=0.4, min_face_px=40.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What was enrolled. faces: one a source, with its quality."""

    person: str
    added: bool
    faces: tuple[Enrolled, ...]


@dataclass(slots=True)
class _Seen:
    """Where one face was seen so far, by its track."""

    boxes: list[FloatArray] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Finds:
    """The faces of one image or video that are good enough. best: the quality of the best face of
    an image, or of the best view of a video, that is not. size: width and height, pixels."""

    candidates: list[Candidate]
    best: FaceQuality | None
    size: tuple[int, int]


class Enroller:
    """Turns pictures into templates with the site's own models.

    Raises UsageError where the site has no recogniser.
    """

    def __init__(self, loaded: LoadedModels) -> None:
        if loaded.models.recogniser is None or loaded.point is None:
            raise UsageError(
                "enrolling needs a recogniser",
                expected="models.recogniser in the site file",
                found="none",
            )
        self._models = loaded.models
        self._space = loaded.models.recogniser.space
        self._point: OperatingPoint = loaded.point

    @property
    def space(self) -> str:
        """The embedding space of the templates."""
        return self._space

    def face_in(
        self,
        path: Path,
        *,
        at: tuple[float, float] | None = None,
        watch: Callable[[Frame], None] | None = None,
    ) -> Candidate:
        """The one face that an image or a video is about.

        at: a point on it, in fractions of the frame, or in pixels where either is above 1. watch:
        is shown every frame of a video. Raises EnrolmentError where there is none, it is poor or
        there are several; MediaError where the file cannot be opened; StreamBrokenError where it
        breaks off.
        """
        found = (
            faces_in_image(self._models, path, shots=_SHOTS)
            if is_image(path)
            else faces_in_video(self._models, path, shots=_SHOTS, point=self._point, watch=watch)
        )
        if not found.candidates:
            raise _nothing_usable(path, found.best)
        if at is not None and max(at) > 1:
            at = (at[0] / found.size[0], at[1] / found.size[1])
        whole = join_same_person(found.candidates, self._point.threshold)
        return choose(whole, source=str(path), at=at)

    def enrol(
        self,
        person: Person,
        faces: Sequence[tuple[str, Candidate]],
        store: GalleryStore,
    ) -> Enrolment:
        """Keep the faces, each with its source's name, as templates of a person, new or known.

        Raises EnrolmentError where the faces disagree or belong to somebody else, and the store's
        errors; nothing is kept then.
        """
        embeddings = [(source, face.embedding) for source, face in faces]
        require_agreement(embeddings, self._point.threshold)
        gallery = Gallery(store.templates(self.space), self.space)
        require_new(person.id, [e for _, e in embeddings], gallery, self._point)
        templates = tuple(
            Enrolled(
                embedding=face.embedding,
                quality=face.quality,
                source=_readable(source),
                created=person.created,
            )
            for source, face in faces
        )
        known = any(one.id == person.id for one in store.people())
        if known:
            store.add_templates(person.id, person.consents[-1], templates)
        else:
            store.add_person(person, templates)
        return Enrolment(person=person.id, added=not known, faces=templates)


def faces_in_image(models: Models, path: Path, *, shots: ShotSettings) -> Finds:
    """The faces of an image that reach the limits of ``shots``. models: with a recogniser.

    Raises MediaError where it cannot be opened, EnrolmentError where the recogniser makes nothing
    of a face.
    """
    return faces_in_picture(models, read_image(path), shots=shots, name=str(path))


def faces_in_picture(
    models: Models, picture: ByteImage, *, shots: ShotSettings, name: str
) -> Finds:
    """The faces of a picture, uint8 ``[H, W, 3]`` BGR, that reach the limits of ``shots``.

    models: with a recogniser. name: of the picture, for the error. Raises EnrolmentError where the
    recogniser makes nothing of a face.
    """
    recogniser = require_recogniser(models)
    size = (picture.shape[1], picture.shape[0])
    faces = models.detector.detect([picture])[0]
    faces = faces[faces.scores >= models.detector.score]
    if faces.landmarks is None and models.landmarks is not None:
        faces = models.landmarks.add(picture, faces)
    found: list[Candidate] = []
    best: FaceQuality | None = None
    if faces.landmarks is None:
        return Finds(found, best, size)
    for box, landmarks, score in zip(faces.boxes, faces.landmarks, faces.scores, strict=True):
        try:
            crop = recogniser.align(picture, landmarks)
        except ValueError:  # landmarks in one place: nothing to align
            continue
        quality = face_quality(crop, box, landmarks, float(score))
        if quality.score < shots.min_quality or quality.face_px < shots.min_face_px:
            best = quality if best is None or quality.score > best.score else best
            continue
        (embedding,) = recogniser.embed_usable([crop])
        if embedding is None:
            raise _nothing_made_of(name)
        found.append(Candidate(embedding, quality.score, _fractions(box, size)[None], (0,)))
    return Finds(found, best, size)


def faces_in_video(
    models: Models,
    path: Path,
    *,
    shots: ShotSettings,
    point: OperatingPoint | None = None,
    watch: Callable[[Frame], None] | None = None,
) -> Finds:
    """The faces of a video, each followed through it and fused. models: with a recogniser.

    point: from which similarity on two views of a track count as one face; None fuses all that are
    not opposites. watch: is shown every frame. Raises MediaError where the video cannot be opened,
    StreamBrokenError where it breaks off.
    """
    settings = PipelineSettings(look_every=1, recognition=RecognitionSettings(shots=shots))
    gallery = None if point is None else Gallery((), require_recogniser(models).space)
    pipeline = Pipeline(models, gallery=gallery, point=point, settings=settings)
    seen: dict[int, _Seen] = defaultdict(_Seen)
    ended: list[Followed] = []
    last: Frame | None = None
    with FileSource(path, camera="enrol", start=0.0) as source:
        for frame in source:
            last = frame
            for scene in pipeline.step([frame]):
                _note(scene, seen)
                ended += scene.ended
            if watch is not None:
                watch(frame)
    assert last is not None  # a source without frames does not open
    ended += pipeline.end(last).ended
    candidates = [_candidate(followed, seen[followed.track.id]) for followed in ended]
    poor = [f.subject.best_rejected for f in ended if f.subject is not None]
    best = max((q for q in poor if q is not None), key=lambda q: q.score, default=None)
    return Finds([c for c in candidates if c is not None], best, last.size)


def require_recogniser(models: Models) -> Recogniser:
    """The recogniser among these models. Raises UsageError where there is none."""
    if models.recogniser is None:
        raise UsageError(
            "comparing faces needs a recogniser",
            expected="models.recogniser in the site file",
            found="none",
        )
    return models.recogniser


def _note(scene: Scene, seen: dict[int, _Seen]) -> None:
    for followed in scene.active:
        if followed.track.detection is not None and followed.subject is not None:
            entry = seen[followed.track.id]
            entry.boxes.append(_fractions(followed.track.box, scene.frame.size))
            entry.frames.append(scene.frame.index)


def _candidate(followed: Followed, seen: _Seen) -> Candidate | None:
    subject = followed.subject
    fused = subject.fused() if subject is not None else None
    if subject is None or fused is None or not seen.frames:
        return None
    frames, mixed = tuple(seen.frames), subject.has_changed_hands
    return Candidate(fused[0], fused[1], np.stack(seen.boxes), frames, mixed)


def _fractions(box: FloatArray, size: tuple[int, int]) -> FloatArray:
    scaled: FloatArray = np.asarray(box / np.asarray([*size, *size], np.float32), np.float32)
    return scaled


def _nothing_usable(path: Path, best: FaceQuality | None) -> EnrolmentError:
    if best is None:
        return EnrolmentError(
            f"there is no face in {path}",
            expected=f"a face of at least {_SHOTS.min_face_px:.0f} pixels, seen from the front",
            remedy="Take a closer or better lit picture.",
        )
    fault = fault_of(best, min_face_px=_SHOTS.min_face_px)
    return EnrolmentError(
        f"no face in {path} is good enough to enrol",
        expected=f"quality {_SHOTS.min_quality:g} and {_SHOTS.min_face_px:.0f} pixels or more",
        found=f"quality {best.score:.2f}, {best.face_px:.0f} pixels: {fault}",
        remedy="Take a closer, sharper or better lit picture, from the front.",
    )


def _nothing_made_of(name: str) -> EnrolmentError:
    return EnrolmentError(
        f"the recogniser makes nothing of a face in {name}",
        expected="a vector of finite numbers that are not all zero",
        remedy="Take another picture, or check the model with: edgewarden bundle verify",
    )


def _readable(text: str) -> str:
    """File names may hold bytes that are no text; a note of one can be kept all the same."""
    return text.encode("utf-8", "replace").decode("utf-8")


def require_name(person: Person, store: GalleryStore) -> None:
    """Raise GalleryError where the gallery knows this person under another name."""
    known = next((one for one in store.people() if one.id == person.id), None)
    if known is not None and known.name != person.name:
        raise GalleryError(
            f"{person.id!r} is enrolled under another name",
            expected=f"the name {known.name!r}, or none",
            found=repr(person.name),
            remedy="Leave out --name; to change it, erase and enrol the person again.",
        )


def new_person(person: str, name: str, consent: str, now: float) -> Person:
    """Somebody to enrol at ``now``, seconds since the epoch.

    Raises UsageError where the id breaks the rule, the consent is empty, or a text is no UTF-8.
    """
    for what, text in (("the name", name), ("the consent", consent)):
        if _readable(text) != text:
            raise UsageError(f"{what} is no text", expected="UTF-8", found=f"{text!r:.80}")
    if not consent.strip():
        raise UsageError(
            "a person is enrolled only with their consent",
            expected='what they agreed to, such as --consent "signed form 17, 2026-11-02"',
            found="nothing",
        )
    return Person(id=person, name=name, created=now, consents=(Consent(consent, now),))
