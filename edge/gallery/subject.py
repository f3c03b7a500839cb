"""One followed face: its views, its fused embedding and the identity they lead to."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.gallery.identity import IdentityKeeper, fault_of, judge
from edge.gallery.matcher import Gallery
from edge.gallery.shots import Shot, ShotBook, ShotSettings, View
from edge.types import Embedding, FaceQuality, Identity, OperatingPoint, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionSettings:
    """How a track comes to an identity.

    confirm: judgements in a row that it takes to change one. patience: sightings without enough
    good views after which a track is published as low_quality.

    A track that passes from one person to another, whose every window then has a good view, is
    published as the second one at most ``shots.recheck + (shots.enough + confirm) · window`` frames
    later; with ``shots.expire`` in place of ``shots.recheck`` where some view of the second could
    be of the first. window is ``shots.then_every`` and, where frames are skipped, one step more.
    """

    shots: ShotSettings = field(default_factory=ShotSettings)
    confirm: int = 3
    patience: int = 15


class FaceSubject:
    """The recognition of one track from its first view to its end.

    gallery and point: None where faces are only followed, not recognised.
    """

    def __init__(
        self,
        settings: RecognitionSettings,
        point: OperatingPoint | None,
        gallery: Gallery | None,
    ) -> None:
        self._settings = settings
        self._point = point
        self._gallery = gallery
        self._book = ShotBook(settings.shots, level=point.threshold if point else 0.0)
        self._keeper = IdentityKeeper(confirm=settings.confirm)
        self._sightings = 0
        self._dropped = False

    @property
    def identity(self) -> Identity | None:
        """Who this is held to be now; None until something can be said."""
        return self._keeper.current

    def look(self, view: View | None) -> View | None:
        """Show one sighting; the view that should be embedded now comes back, if any.

        view: None where the face was seen but cannot be aligned.
        """
        self._sightings += 1
        return None if view is None else self._book.offer(view)

    def learn(self, view: View, embedding: Embedding) -> None:
        """Add the embedding of a view that ``look`` or ``last_view`` gave back."""
        self._book.add(Shot(view.frame_index, view.quality.score, embedding))

    def drop(self) -> None:
        """A view that ``look`` or ``last_view`` gave back came to no usable embedding."""
        self._dropped = True

    def last_view(self) -> View | None:
        """At the end of the track: one more view worth embedding, if too few were."""
        return self._book.last_view()

    def decide(self) -> bool:
        """Judge what is known so far; True where the identity to publish has changed.

        Call it once after each ``learn``, and while there is no identity: every call is a vote.
        """
        hopeless = self.identity is None and self._sightings >= self._settings.patience
        if self._gallery is None or hopeless or self._book.is_enough:
            return self._keeper.consider(self._judge())
        return False

    def conclude(self) -> bool:
        """Judge everything seen, for good; True where the identity has changed."""
        return self._keeper.conclude(self._judge())

    @property
    def best_rejected(self) -> FaceQuality | None:
        """The best of the views that were too poor to embed; None where there was none."""
        return self._book.rejected

    @property
    def has_changed_hands(self) -> bool:
        """Whether the track has passed from one face to another; only the latter counts."""
        return self._book.has_changed_hands

    @property
    def shots(self) -> tuple[Shot, ...]:
        """The embedded views that are kept, oldest first, those that do not agree included."""
        return self._book.shots

    def fused(self) -> tuple[Embedding, float] | None:
        """The fused embedding and its mean quality; None without a usable view."""
        return self._book.fused()

    def _judge(self) -> Identity:
        if self._gallery is None or self._point is None:
            return Identity(Outcome.UNKNOWN, reason="no recogniser is configured")
        fused = self._book.fused()
        if fused is not None and self._book.is_enough:
            return judge(self._gallery.match(fused[0]), self._point, fused[1])
        rejected = self._book.rejected
        quality = fused[1] if fused else rejected.score if rejected else None
        return Identity(Outcome.LOW_QUALITY, quality=quality, reason=self._shortcoming())

    def _shortcoming(self) -> str:
        """Why the views seen so far do not say who this is."""
        rejected, shots = self._book.rejected, self._settings.shots
        fault = fault_of(rejected, min_face_px=shots.min_face_px) if rejected else ""
        good = len(self._book)
        if good >= shots.enough:
            return "the views do not agree with each other"
        if good:
            few = f"only {good} of {shots.enough} good views"
            return f"{few}; the next best: {fault}" if fault else few
        if not fault and self._dropped:
            return "the recogniser makes nothing of this face"
        return fault or "no landmarks to align the face by"
