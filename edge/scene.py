"""What one step of the pipeline saw in one frame."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.gallery.subject import FaceSubject
from edge.types import Detections, FloatArray, Frame, Identity, Track, Verdict


@dataclass(frozen=True, slots=True)
class Followed:
    """One face or person after one frame, with all that has been learned of it.

    identity: who or what it is held to be, None until something can be said. subject: None for a
    person without a face. face_px: the largest shorter side of its box so far, pixels. landmarks:
    float32 ``[5, 2]`` as last seen. held: frames between two looks in which it was taken to be
    where it was.
    """

    track: Track
    identity: Identity | None
    subject: FaceSubject | None = None
    face_px: float = 0.0
    landmarks: FloatArray | None = None
    held: int = 0

    @property
    def frames(self) -> int:
        """In how many frames it was seen, those between two looks included."""
        return self.track.hits + self.held


@dataclass(frozen=True, slots=True)
class Scene:
    """What one step saw in one frame.

    active: followed and confirmed. changed: track ids whose identity is new or different. ended:
    followed no more, identity final. detections: every face that the detector took for one, also
    those that nothing follows; none in the scene that closes a camera. people: all who are followed
    by their bodies, with a face or without, as of the last look for people; None without
    ``models.person``. verdicts: of the clips that end with this frame.
    """

    frame: Frame
    active: tuple[Followed, ...]
    changed: frozenset[int]
    ended: tuple[Followed, ...]
    detections: Detections = field(default_factory=Detections.empty, compare=False)
    people: tuple[Track, ...] | None = None
    verdicts: tuple[Verdict, ...] = ()

    def everybody(self) -> list[Followed]:
        """All who are followed, each track once."""
        known = {followed.track.id for followed in self.active}
        others = [track for track in self.people or () if track.id not in known]
        return [*self.active, *(Followed(track, None) for track in others)]
