"""A small world of faces whose similarities are known, and a loop that shows them to a subject."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest

from edge.gallery.shots import Shot, View
from edge.gallery.subject import FaceSubject
from edge.types import Embedding, FaceQuality, FloatArray, Identity, Template

SPACE = "0" * 64
_PEOPLE, _DIMENSIONS = 16, 64


@dataclass(frozen=True)
class Look:
    """One sighting: a view of ``face`` with this quality; no view where ``score`` is None."""

    frame: int
    face: Embedding | None
    score: float | None = 0.8


@dataclass(frozen=True)
class Told:
    """What is held after a frame, and whether it was new then."""

    frame: int
    changed: bool
    identity: Identity | None


class World:
    """Faces in 64 dimensions. Person n is the nth axis; the rest is left to pose and light."""

    space = SPACE

    def vector(self, *parts: float) -> FloatArray:
        """The unit vector along ``parts``, the similarities to persons 0, 1 … before scaling."""
        whole = np.zeros(_DIMENSIONS)
        whole[: len(parts)] = parts
        return np.asarray(whole / np.linalg.norm(whole), np.float32)

    def embedding(self, *parts: float) -> Embedding:
        return Embedding(self.vector(*parts), SPACE)

    def view(self, person: int, likeness: float, seed: int) -> Embedding:
        """A view with exactly this cosine to ``person`` and 0 to everybody else."""
        noise = np.zeros(_DIMENSIONS)
        noise[_PEOPLE:] = np.random.default_rng(seed).normal(size=_DIMENSIONS - _PEOPLE)
        noise *= np.sqrt(1 - likeness**2) / np.linalg.norm(noise)
        noise[person] = likeness
        return Embedding(np.asarray(noise / np.linalg.norm(noise), np.float32), SPACE)

    def random(self, seed: int) -> Embedding:
        """Any unit vector."""
        vector = np.random.default_rng(seed).normal(size=_DIMENSIONS)
        return Embedding(np.asarray(vector / np.linalg.norm(vector), np.float32), SPACE)

    def template(self, name: str, person: int) -> Template:
        one = np.zeros(_DIMENSIONS, np.float32)
        one[person] = 1
        return Template(name, Embedding(one, SPACE))

    def quality(self, score: float, *, face_px: float = 80.0, **parts: float) -> FaceQuality:
        whole = {"size": score, "sharpness": score, "frontality": score, "detector": score} | parts
        return FaceQuality(score=score, face_px=face_px, **whole)

    def look(self, frame: int, score: float, *, face_px: float = 80.0) -> View:
        return View(frame, self.quality(score, face_px=face_px), np.zeros((2, 2, 3), np.uint8))

    def shot(self, frame: int, score: float, embedding: Embedding) -> Shot:
        return Shot(frame, score, embedding)

    def show(self, subject: FaceSubject, looks: Iterable[Look]) -> list[Told]:
        """Put sightings through a subject as the loop does; what is held after each."""
        faces: dict[int, Embedding] = {}
        told = []
        for look in looks:
            view = None
            if look.score is not None and look.face is not None:
                view = self.look(look.frame, look.score)
                faces[look.frame] = look.face
            chosen = subject.look(view)
            if chosen is not None:
                subject.learn(chosen, faces[chosen.frame_index])
            asked = chosen is not None or subject.identity is None
            told.append(Told(look.frame, asked and subject.decide(), subject.identity))
        return told

    def finish(self, subject: FaceSubject, face: Embedding) -> Identity:
        """End the track; a view that still waits is of ``face``."""
        waiting = subject.last_view()
        if waiting is not None:
            subject.learn(waiting, face)
        subject.conclude()
        assert subject.identity is not None
        return subject.identity

    def looks(
        self, person: int, frames: Iterable[int], *, likeness: float = 0.9, score: float = 0.8
    ) -> list[Look]:
        """Sightings of one person, each a little different."""
        return [Look(f, self.view(person, likeness, seed=f), score) for f in frames]

    def odd(self, frame: int, face: Embedding, score: float | None = 0.8) -> Look:
        return Look(frame, face, score)


@pytest.fixture(scope="session")
def world() -> World:
    return World()
