"""Who a track is: decided with hysteresis, open to revision while the track lives."""

from __future__ import annotations

from edge.types import FaceQuality, Identity, Match, OperatingPoint, Outcome

# Float32 cosines that differ by less are equal: naming either person would be a toss of a coin.
_RESOLUTION = 1e-6


def judge(match: Match, point: OperatingPoint, quality: float) -> Identity:
    """What one match alone says: recognised, or unknown with the reason."""
    if match.person is None or match.similarity is None or match.margin is None:
        return Identity(Outcome.UNKNOWN, quality=quality, reason="nobody is enrolled")
    if match.similarity < point.threshold:
        reason = "similarity below the threshold"
    elif match.margin < max(point.margin, _RESOLUTION):
        reason = "two enrolled people are too close"
    else:
        return Identity(Outcome.RECOGNISED, match.person, match.similarity, match.margin, quality)
    return Identity(
        Outcome.UNKNOWN,
        similarity=match.similarity,
        margin=match.margin,
        quality=quality,
        reason=reason,
    )


def fault_of(quality: FaceQuality, *, min_face_px: float) -> str:
    """What is most wrong with a view, in a few words."""
    if quality.face_px < min_face_px:
        return f"face of {int(quality.face_px)} px is smaller than {min_face_px:g} px"
    faults = {
        "face too small": quality.size,
        "face blurred": quality.sharpness,
        "face turned away": quality.frontality,
        "detector unsure": quality.detector,
    }
    return min(faults, key=lambda fault: faults[fault])


class IdentityKeeper:
    """Holds the published identity of one track and changes it only on repeated evidence.

    The first judgement stands at once, and so does the first one after ``low_quality``, which is no
    judgement of who it is. Another one takes its place only after ``confirm`` judgements in a row
    that agree with each other, so that one odd view changes nothing.
    """

    def __init__(self, *, confirm: int = 3) -> None:
        self._confirm = confirm
        self._rival: tuple[Outcome, str | None] | None = None
        self._votes = 0
        self.current: Identity | None = None

    def consider(self, judged: Identity) -> bool:
        """Take in one judgement; True where the published outcome or person has changed."""
        held = self.current
        if held is None or held.outcome is Outcome.LOW_QUALITY or _key(judged) == _key(held):
            return self.conclude(judged)  # where it is the same identity, with fresher numbers
        self._votes = self._votes + 1 if _key(judged) == self._rival else 1
        self._rival = _key(judged)
        return self._votes >= self._confirm and self.conclude(judged)

    def conclude(self, judged: Identity) -> bool:
        """Take the judgement as it is; True where the published outcome or person has changed."""
        changed = self.current is None or _key(judged) != _key(self.current)
        self.current = judged
        self._rival = None
        return changed


def _key(identity: Identity) -> tuple[Outcome, str | None]:
    return identity.outcome, identity.person
