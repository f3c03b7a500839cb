"""The best views of one track, and the one embedding they are fused to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from edge.types import ByteImage, Embedding, FaceQuality


@dataclass(frozen=True, slots=True)
class View:
    """One look at a face that may become a shot. crop: the aligned face, uint8 ``[H, W, 3]``."""

    frame_index: int
    quality: FaceQuality
    crop: ByteImage


@dataclass(frozen=True, slots=True)
class Shot:
    """A view that was embedded."""

    frame_index: int
    quality: float
    embedding: Embedding


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotSettings:
    """Which views of a track are worth an embedding. Spans are counted in frame indices.

    keep: shots that are fused. first_every, then_every: a window this long gives at most one view,
    its best; the short one holds until ``enough`` shots are there. expire: a shot older than this
    no longer counts, so that an identity can follow a track that has changed hands.
    min_quality, min_face_px: a view below either is never embedded.
    """

    keep: int = 8
    enough: int = 3
    first_every: int = 3
    then_every: int = 10
    expire: int = 300
    min_quality: float = 0.3
    min_face_px: float = 32.0


class ShotBook:
    """Chooses the views of one track that get embedded, and keeps the best."""

    def __init__(self, settings: ShotSettings) -> None:
        self._settings = settings
        self._shots: list[Shot] = []
        self._waiting: View | None = None
        self._window_start: int | None = None
        self.rejected: FaceQuality | None = None

    def __len__(self) -> int:
        return len(self._shots)

    def offer(self, view: View) -> View | None:
        """Show the book a view of this frame; a view that should be embedded now comes back."""
        if self._window_start is None:
            self._window_start = view.frame_index
        if self._usable(view.quality):
            if self._waiting is None or view.quality.score > self._waiting.quality.score:
                self._waiting = view
        elif self.rejected is None or view.quality.score > self.rejected.score:
            self.rejected = view.quality
        return self._close_window(view.frame_index)

    def last_view(self) -> View | None:
        """The view still waiting when its track ends, where the book has too few without it."""
        waiting, self._waiting = self._waiting, None
        return waiting if len(self._shots) < self._settings.enough else None

    def add(self, shot: Shot) -> None:
        """Keep an embedded view, dropping the worst or those that are too old."""
        oldest = shot.frame_index - self._settings.expire
        self._shots = [kept for kept in self._shots if kept.frame_index >= oldest]
        self._shots.append(shot)
        self._shots.sort(key=lambda kept: -kept.quality)
        del self._shots[self._settings.keep :]

    def fused(self) -> tuple[Embedding, float] | None:
        """The shots as one embedding, weighted by quality, and their mean quality; None of none."""
        return fuse(self._shots)

    def _usable(self, quality: FaceQuality) -> bool:
        return (
            quality.score >= self._settings.min_quality
            and quality.face_px >= self._settings.min_face_px
        )

    def _close_window(self, frame_index: int) -> View | None:
        assert self._window_start is not None
        few = len(self._shots) < self._settings.enough
        length = self._settings.first_every if few else self._settings.then_every
        if frame_index - self._window_start + 1 < length:
            return None
        self._window_start = None
        chosen, self._waiting = self._waiting, None
        return chosen if chosen is not None and self._improves(chosen) else None

    def _improves(self, view: View) -> bool:
        if len(self._shots) < self._settings.keep:
            return True
        oldest = view.frame_index - self._settings.expire
        stale = any(shot.frame_index < oldest for shot in self._shots)
        return stale or view.quality.score > self._shots[-1].quality


def fuse(shots: Sequence[Shot]) -> tuple[Embedding, float] | None:
    """Mean of the embeddings weighted by quality, at unit length, and the mean quality.

    None without shots, or where they cancel out.
    """
    if not shots:
        return None
    weights = np.asarray([shot.quality for shot in shots], np.float32)
    mean = weights @ np.stack([shot.embedding.vector for shot in shots])
    norm = float(np.linalg.norm(mean))
    if norm < 1e-6:
        return None
    return Embedding(_unit(mean, norm), shots[0].embedding.space), float(weights.mean())


def _unit(vector: ArrayLike, norm: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    unit: np.ndarray[tuple[int], np.dtype[np.float32]] = np.asarray(vector, np.float32) / norm
    return unit
