"""Topics whose last value the broker keeps: sent on every connection, the latest value only."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

RETRY_S = 30.0


@dataclass(slots=True)
class _Topic:
    payload: bytes
    sent: bytes | None = None
    confirmed: bytes | None = None
    in_flight: bool = False
    retry_at: float = 0.0


class Retained:
    """What should stand at each topic, and how far the broker knows. Any thread may ``set``."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._topics: dict[str, _Topic] = {}
        self._tokens: dict[int, str] = {}

    def __len__(self) -> int:
        """How many are on their way."""
        return len(self._tokens)

    def set(self, topic: str, payload: bytes) -> None:
        """From now on this is what should stand there; empty: nothing."""
        with self._lock:
            known = self._topics.setdefault(topic, _Topic(payload))
            known.payload = payload
            known.retry_at = 0.0

    def connected(self) -> None:
        """Whatever the broker knew of them may be gone: all have to be sent."""
        with self._lock:
            self._tokens.clear()
            self._topics = {topic: _Topic(known.payload) for topic, known in self._topics.items()}

    def take(self, now: float, room: int) -> list[tuple[str, bytes]]:
        """Up to ``room`` values to send now, in the order in which the topics were first set.

        Never two of one topic at a time: the broker would keep whichever it took last.
        """
        with self._lock:
            due = [
                (topic, known)
                for topic, known in self._topics.items()
                if known.payload != known.confirmed
                and not known.in_flight
                and now >= known.retry_at
            ][: max(room, 0)]
            for _, known in due:
                known.in_flight, known.sent = True, known.payload
            return [(topic, known.payload) for topic, known in due]

    def sent(self, topic: str, token: int) -> None:
        """The value that ``take`` gave is on its way under this token."""
        self._tokens[token] = topic

    def answered(self, token: int, now: float, *, taken: bool) -> str | None:
        """The topic that this token was for; None where it was for none of them.

        One that was refused is tried again after RETRY_S, or when it is set anew.
        """
        topic = self._tokens.pop(token, None)
        if topic is None:
            return None
        with self._lock:
            known = self._topics[topic]
            known.in_flight = False
            if taken:
                known.confirmed = known.sent
            else:
                known.retry_at = now + RETRY_S
        return topic

    def stands(self, topic: str) -> bool:
        """Whether the broker has acknowledged the latest value."""
        with self._lock:
            known = self._topics.get(topic)
            return known is not None and known.confirmed == known.payload
