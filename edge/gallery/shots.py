"""The best views of one track, and the one embedding they are fused to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.types import ByteImage, Embedding, FaceQuality, FloatArray


@dataclass(frozen=True, slots=True)
class View:
    """One look at a face that may become a shot. crop: the aligned face, uint8 ``[H, W, 3]``."""

    frame_index: int
    quality: FaceQuality
    crop: ByteImage


@dataclass(frozen=True, slots=True)
class Shot:
    """A view that was embedded. quality: above 0."""

    frame_index: int
    quality: float
    embedding: Embedding


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotSettings:
    """Which views of a track are worth an embedding. Spans are counted in frame indices.

    keep: shots that are kept. enough: shots that agree with each other before anything is said.
    first_every, then_every: a window this long gives at most one view, its best; the short one
    holds until there are ``enough``. recheck: a view is embedded after so long even where it is no
    better than those kept, because the track may have changed hands. expire: a shot older than this
    goes as soon as ``enough`` newer ones agree; nobody loses a name for looking away.
    min_quality, min_face_px: a view below either is never embedded.

    Raises ValueError where nothing could ever be enough, or a view could weigh nothing.
    """

    keep: int = 8
    enough: int = 3
    first_every: int = 3
    then_every: int = 10
    recheck: int = 30
    expire: int = 300
    min_quality: float = 0.3
    min_face_px: float = 32.0

    def __post_init__(self) -> None:
        if not 1 <= self.enough <= self.keep:
            raise ValueError(f"expected 1 <= enough <= keep, found {self.enough} and {self.keep}")
        if min(self.first_every, self.then_every, self.recheck, self.expire) < 1:
            raise ValueError("expected windows, recheck and expire of 1 or more")
        if not 0 < self.min_quality <= 1:
            raise ValueError(f"expected min_quality in 0..1 and above 0, found {self.min_quality}")


class ShotBook:
    """Chooses the views of one track that get embedded, and keeps the best.

    level: two views whose cosine is this or more are held to show one face.
    rejected: the quality of the best view that was not good enough. has_changed_hands: whether the
    track has passed from one face to another.
    """

    def __init__(self, settings: ShotSettings, *, level: float) -> None:
        self._settings = settings
        self._level = level
        self._shots: list[Shot] = []
        self._agreeing: list[Shot] = []
        self._latest: list[Shot] = []
        self._waiting: View | None = None
        self._window_start: int | None = None
        self.rejected: FaceQuality | None = None
        self.has_changed_hands = False

    def __len__(self) -> int:
        return len(self._shots)

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Every shot that is kept, oldest first."""
        return tuple(sorted(self._shots, key=lambda shot: shot.frame_index))

    @property
    def is_enough(self) -> bool:
        """Whether enough shots agree with each other to say who this is."""
        return len(self._agreeing) >= self._settings.enough

    def offer(self, view: View) -> View | None:
        """Show the book a view of this frame; a view that should be embedded now comes back.

        Where frames are skipped it may be the best view of the window before this frame's.
        """
        chosen = None
        if self._window_start is not None and self._ends_before(view.frame_index):
            chosen = self._close_window()
        if self._window_start is None:
            self._window_start = view.frame_index
        self._consider(view)
        if chosen is None and self._ends_before(view.frame_index + 1):
            chosen = self._close_window()
        return chosen

    def last_view(self) -> View | None:
        """The view still waiting when its track ends, where there is not enough without it."""
        waiting, self._waiting = self._waiting, None
        return None if self.is_enough else waiting

    def add(self, shot: Shot) -> None:
        """Keep an embedded view, and drop the worst or those that are of the past."""
        self._latest = [*self._latest, shot][-self._settings.enough :]
        kept = [*self._shots, shot]
        if self._shows_another():
            self.has_changed_hands, kept = True, self._latest
        oldest = shot.frame_index - self._settings.expire
        ranked = sorted(kept, key=lambda one: (one.frame_index < oldest, -one.quality))
        fresh = [one for one in ranked if one.frame_index >= oldest]
        settled = len(agreeing(fresh, self._level)) >= self._settings.enough
        self._shots = (fresh if settled else ranked)[: self._settings.keep]
        self._agreeing = agreeing(self._shots, self._level)

    def fused(self) -> tuple[Embedding, float] | None:
        """The shots that agree as one embedding, and their mean quality; None without shots."""
        return fuse(self._agreeing) if self._agreeing else None

    def _consider(self, view: View) -> None:
        quality = view.quality
        if (
            quality.score >= self._settings.min_quality
            and quality.face_px >= self._settings.min_face_px
        ):
            if self._waiting is None or quality.score > self._waiting.quality.score:
                self._waiting = view
        elif self.rejected is None or quality.score > self.rejected.score:
            self.rejected = quality

    def _ends_before(self, frame_index: int) -> bool:
        """Whether the open window is over before the frame of this index."""
        assert self._window_start is not None
        settings = self._settings
        length = settings.then_every if self.is_enough else settings.first_every
        return frame_index - self._window_start >= length

    def _close_window(self) -> View | None:
        self._window_start = None
        chosen, self._waiting = self._waiting, None
        return chosen if chosen is not None and self._is_wanted(chosen) else None

    def _is_wanted(self, view: View) -> bool:
        """Whether a window's best view adds to what is kept, or has to be held against it."""
        if len(self._shots) < self._settings.keep:
            return True
        oldest = view.frame_index - self._settings.expire
        stale = any(shot.frame_index < oldest for shot in self._shots)
        latest = self._latest[-1]
        due = view.frame_index - latest.frame_index >= self._settings.recheck
        doubtful = not are_alike([latest], self._agreeing, self._level)
        return stale or due or doubtful or view.quality.score > self._shots[-1].quality

    def _shows_another(self) -> bool:
        """Whether the latest shots agree with each other, and with none of enough before them."""
        first, enough = self._latest[0].frame_index, self._settings.enough
        before = [shot for shot in self._agreeing if shot.frame_index < first]
        if min(len(before), len(agreeing(self._latest, self._level))) < enough:
            return False
        return not are_alike(self._latest, before, self._level)


def are_alike(some: Sequence[Shot], others: Sequence[Shot], level: float) -> bool:
    """Whether any of these shots has a cosine of ``level`` or more to any of the others."""
    return bool((_vectors(some) @ _vectors(others).T >= level).any())


def agreeing(shots: Sequence[Shot], level: float) -> list[Shot]:
    """The largest group of shots with a cosine of ``level`` or more to one of them, its centre.

    Without it a hand before the face, or the second owner of a track, would be mixed into the
    fused vector, and the mean of two faces is more like everybody than either of them. Of groups
    of one size the one of higher quality counts, then the one whose centre comes first.
    """
    if not shots:
        return []
    vectors = _vectors(shots)
    near = vectors @ vectors.T >= level
    np.fill_diagonal(near, True)
    sizes = near.sum(axis=1).tolist()
    weights = (near @ np.asarray([shot.quality for shot in shots])).tolist()
    centre = max(range(len(shots)), key=lambda row: (sizes[row], weights[row]))
    return [shot for shot, is_near in zip(shots, near[centre], strict=True) if is_near]


def fuse(shots: Sequence[Shot]) -> tuple[Embedding, float]:
    """Mean of the embeddings weighted by quality, at unit length, and the mean quality.

    shots: one or more that agree, so that they cannot cancel out.
    """
    weights = np.asarray([shot.quality for shot in shots], np.float64)
    mean = weights @ _vectors(shots)
    unit = (mean / np.linalg.norm(mean)).astype(np.float32)
    return Embedding(unit, shots[0].embedding.space), float(weights.mean())


def _vectors(shots: Sequence[Shot]) -> FloatArray:
    """Float32 ``[N, D]``, N of one or more."""
    return np.stack([shot.embedding.vector for shot in shots])
