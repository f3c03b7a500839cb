"""Events that the broker refused: kept, tried again, and never in the way of the others for long.

A refusal means that the broker's access rules, its quota or its idea of a payload are against the
event, and that may last a second or for good. At first its source waits for it, so that the order
within the source holds. After PATIENCE_S the source goes on without it: one event that can never
be delivered must not silence a camera. It stays in the outbox and is tried again for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

PATIENCE_S = 30.0
FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0

_MOST_DOUBLINGS = 16


@dataclass(slots=True)
class _Topic:
    """waiting: refused events in the order in which they are tried; hold_until: so long the source
    waits for them."""

    source: str
    hold_until: float
    waiting: deque[int] = field(default_factory=deque)
    trying: int | None = None
    attempts: int = 0
    retry_at: float = 0.0

    def holds(self, now: float) -> bool:
        return now < self.hold_until and (bool(self.waiting) or self.trying is not None)


class Refusals:
    """Which events wait, which sources wait for them, and what to try next. Times are seconds."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._numbers: set[int] = set()

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, number: int) -> bool:
        return number in self._numbers

    def knows(self, topic: str) -> bool:
        """Whether events of this topic wait."""
        return topic in self._topics

    def holds(self, source: str, now: float) -> bool:
        """Whether events of this source have to wait for a refused one."""
        return any(t.source == source and t.holds(now) for t in self._topics.values())

    def refused(
        self, number: int, *, source: str, topic: str, now: float, hold: bool = True
    ) -> bool:
        """Note a refusal; whether it is the first that the topic has waiting.

        hold: False lets the source go on at once.
        """
        known = self._topics.get(topic)
        first = known is None
        if known is None:
            known = _Topic(source, now + PATIENCE_S if hold else now)
            self._topics[topic] = known
        if first or known.trying == number:
            known.trying = None
            known.retry_at = now + min(FIRST_RETRY_S * 2.0**known.attempts, LAST_RETRY_S)
            known.attempts = min(known.attempts + 1, _MOST_DOUBLINGS)
        # Once the source has gone on they take turns, so that one bad event does not stand for its
        # whole topic.
        known.waiting.append(number)
        if now < known.hold_until:
            known.waiting = deque(sorted(known.waiting))
        self._numbers.add(number)
        return first

    def accepted(self, number: int, topic: str, now: float) -> bool:
        """Note that the topic is taken again; whether nothing of it waits any longer."""
        known = self._topics.get(topic)
        if known is None:
            return False
        if number in self._numbers:
            # The others may well pass now. An event that is refused for what it says, while its
            # topic is taken, keeps to its own slow pace.
            known.attempts = 0
            known.retry_at = now
        return self.forget(number, topic)

    def forget(self, number: int, topic: str) -> bool:
        """The event waits no longer; whether nothing of the topic does."""
        known = self._topics[topic]
        self._numbers.discard(number)
        if known.trying == number:
            known.trying = None
        if not known.waiting and known.trying is None:
            del self._topics[topic]
            return True
        return False

    def lost(self) -> None:
        """The connection is over: what was on its way waits again, until its time comes."""
        for known in self._topics.values():
            if known.trying is not None:
                known.waiting.appendleft(known.trying)
                known.trying = None

    def due(self, now: float) -> Iterator[tuple[int, str]]:
        """What to try now: number and topic, at most one of a topic.

        Of a source that waits, only its earliest.
        """
        for topic, known in self._topics.items():
            if not known.waiting or known.trying is not None or now < known.retry_at:
                continue
            number = known.waiting[0]
            if not known.holds(now) or number == self._earliest(known.source, now):
                yield number, topic

    def trying(self, number: int, topic: str) -> None:
        """The event that was due is on its way."""
        known = self._topics[topic]
        known.waiting.popleft()
        known.trying = number

    def _earliest(self, source: str, now: float) -> int:
        numbers: list[int] = []
        for known in self._topics.values():
            if known.source == source and known.holds(now):
                numbers += known.waiting if known.trying is None else (known.trying, *known.waiting)
        return min(numbers)
