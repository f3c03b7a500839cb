"""One followed face: its views, its fused embedding and the identity they lead to."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.gallery.identity import IdentityKeeper, OperatingPoint, judge, low_quality
from edge.gallery.matcher import Gallery
from edge.gallery.shots import Shot, ShotBook, ShotSettings, View
from edge.types import Embedding, Identity, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionSettings:
    """How a track comes to an identity.

    confirm: judgements in a row that it takes to change one. patience: sightings without a single
    good view after which a track is published as low_quality.
    """

    shots: ShotSettings = field(default_factory=ShotSettings)
    confirm: int = 3
    patience: int = 15


class FaceSubject:
    """The recognition of one track from its first view to its end.

    gallery: None where faces are only followed, not recognised.
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
        self._book = ShotBook(settings.shots)
        self._keeper = IdentityKeeper(confirm=settings.confirm)
        self._views = 0

    @property
    def identity(self) -> Identity | None:
        """Who this is held to be now; None until something can be said."""
        return self._keeper.current

    def look(self, view: View) -> View | None:
        """Show one view; the view that should be embedded now comes back, if any."""
        self._views += 1
        return self._book.offer(view)

    def learn(self, view: View, embedding: Embedding) -> None:
        """Add the embedding of a view that ``look`` or ``last_view`` gave back."""
        self._book.add(Shot(view.frame_index, view.quality.score, embedding))

    def last_view(self) -> View | None:
        """At the end of the track: one more view worth embedding, if too few were."""
        return self._book.last_view()

    def decide(self) -> bool:
        """Judge what is known so far; True where the identity to publish has changed.

        Call it once after each ``learn``, and while there is no identity: every call is a vote.
        """
        hopeless = self._views >= self._settings.patience and not len(self._book)
        if self._gallery is None or hopeless or len(self._book) >= self._settings.shots.enough:
            return self._keeper.consider(self._judge())
        return False

    def conclude(self) -> bool:
        """Judge everything seen, for good; True where the identity has changed."""
        return self._keeper.conclude(self._judge())

    def fused(self) -> tuple[Embedding, float] | None:
        """The fused embedding and its mean quality; None without a usable view."""
        return self._book.fused()

    def _judge(self) -> Identity:
        if self._gallery is None or self._point is None:
            return Identity(Outcome.UNKNOWN, reason="no recogniser is configured")
        fused = self._book.fused()
        enough = len(self._book) >= self._settings.shots.enough
        if fused is None or not enough:
            return low_quality(
                self._book.rejected if not len(self._book) else None,
                min_face_px=self._settings.shots.min_face_px,
                shots=len(self._book),
            )
        return judge(self._gallery.match(fused[0]), self._point, fused[1])
