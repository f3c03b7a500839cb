"""Who is in a zone, since when, and when that becomes worth telling.

Somebody who is seen outside for no longer than a moment has not left: boxes waver at the edge of a
zone, and people lean over it. While nobody sees them, nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# Seconds for which somebody may be seen outside and still be taken to have stayed.
GAP_S = 2.0


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of one track in a zone; seconds since the epoch. last: when it was last seen in it.
    told: whether the behaviour has begun, and was told."""

    since: float
    last: float
    told: bool = False

    @property
    def seconds(self) -> float:
        """How long it was seen to last."""
        return self.last - self.since


def stay(before: Stay | None, time: float, *, inside: bool) -> Stay | None:
    """The stay after somebody was seen at ``time``, inside the zone or not; None where they have
    left it or were never there.

    Where time steps back, the stay is as long as before.
    """
    if before is None:
        return Stay(time, time) if inside else None
    if time < before.last:
        before = replace(before, since=time - before.seconds, last=time)
    if inside:
        return replace(before, last=time)
    return before if time - before.last <= GAP_S else None
