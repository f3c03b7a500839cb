"""Who a track is: decided with hysteresis, open to revision while the track lives."""

from __future__ import annotations

from dataclasses import dataclass

from edge.types import FaceQuality, Identity, Match, Outcome


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A match needs similarity ≥ threshold and margin ≥ margin."""

    threshold: float
    margin: float


def judge(match: Match, point: OperatingPoint, quality: float) -> Identity:
    """What one match alone says: recognised, or unknown with the reason."""
    if match.person is None or match.similarity is None or match.margin is None:
        return Identity(Outcome.UNKNOWN, quality=quality, reason="nobody is enrolled")
    if match.similarity < point.threshold:
        reason = "similarity below the threshold"
    elif match.margin < point.margin:
        reason = "two enrolled people are too close"
    else:
        return Identity(
            Outcome.RECOGNISED, match.person, match.similarity, match.margin, quality
        )
    return Identity(
        Outcome.UNKNOWN,
        similarity=match.similarity,
        margin=match.margin,
        quality=quality,
        reason=reason,
    )


def low_quality(best: FaceQuality | None, *, min_face_px: float, shots: int) -> Identity:
    """The identity of a track without enough good views, saying what was wrong with the best."""
    if best is None:
        reason = f"only {shots} good views" if shots else "no clear view of the face"
        return Identity(Outcome.LOW_QUALITY, reason=reason)
    if best.face_px < min_face_px:
        reason = f"face of {best.face_px:.0f} px is smaller than {min_face_px:.0f} px"
    else:
        faults = {
            "face too small": best.size,
            "face blurred": best.sharpness,
            "face turned away": best.frontality,
            "detector unsure": best.detector,
        }
        reason = min(faults, key=lambda fault: faults[fault])
    return Identity(Outcome.LOW_QUALITY, quality=best.score, reason=reason)


class IdentityKeeper:
    """Holds the published identity of one track and changes it only on repeated evidence.

    The first judgement stands at once. Another one takes its place only after ``confirm``
    judgements in a row that agree with each other, so that one odd view changes nothing.
    """

    def __init__(self, *, confirm: int = 3) -> None:
        self._confirm = confirm
        self._rival: tuple[Outcome, str | None] | None = None
        self._votes = 0
        self.current: Identity | None = None

    def consider(self, judged: Identity) -> bool:
        """Take in one judgement; True where the published outcome or person has changed."""
        held = self.current
        if held is None or held.outcome is Outcome.LOW_QUALITY:
            changed = held is None or judged.outcome is not Outcome.LOW_QUALITY
            self._settle(judged)
            return changed
        if _key(judged) == _key(held):
            self._settle(judged)  # same identity, fresher numbers
            return False
        self._votes = self._votes + 1 if _key(judged) == self._rival else 1
        self._rival = _key(judged)
        if self._votes < self._confirm:
            return False
        self._settle(judged)
        return True

    def conclude(self, judged: Identity) -> bool:
        """Take the judgement over everything seen as final; True where it changes the identity."""
        changed = self.current is None or _key(judged) != _key(self.current)
        self._settle(judged)
        return changed

    def _settle(self, judged: Identity) -> None:
        self.current = judged
        self._rival = None
        self._votes = 0


def _key(identity: Identity) -> tuple[Outcome, str | None]:
    return identity.outcome, identity.person
