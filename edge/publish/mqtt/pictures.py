"""Pictures that go with events: sent if that can be done soon, on the disk in any case."""

from __future__ import annotations

from collections import deque
from threading import Lock

MOST_WAITING = 16
MOST_BYTES = 16 * 1024**2


class Pictures:
    """A short queue in memory, oldest first; what does not fit pushes out the oldest.

    Any thread may ``put``. sent: acknowledged with success. dropped: never sent, or refused.
    """

    def __init__(self) -> None:
        self.sent = self.dropped = 0
        self._lock = Lock()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._flight: tuple[str, bytes] | None = None
        self._token: int | None = None

    @property
    def in_flight(self) -> int:
        """How many are on their way: one at most, so that no event waits for many of them."""
        return 0 if self._flight is None else 1

    def put(self, topic: str, payload: bytes) -> None:
        """Send this when there is a connection and nothing more important to do."""
        with self._lock:
            self._waiting.append((topic, payload))
            self._trim()

    def take(self) -> tuple[str, bytes] | None:
        """What to send now, if anything."""
        with self._lock:
            if self._flight is None and self._waiting:
                self._flight = self._waiting.popleft()
                return self._flight
        return None

    def on_its_way(self, token: int) -> None:
        """What ``take`` gave was handed over under this token."""
        self._token = token

    def answered(self, token: int, *, taken: bool) -> bool:
        """Whether this answer was for a picture."""
        if token != self._token:
            return False
        self.done(taken=taken)
        return True

    def done(self, *, taken: bool) -> None:
        """What was on its way is dealt with, one way or the other."""
        with self._lock:
            self._flight = self._token = None
            self.sent += taken
            self.dropped += not taken

    def lost(self) -> None:
        """The connection is over: what was on its way is the next to be sent."""
        with self._lock:
            if self._flight is not None:
                self._waiting.appendleft(self._flight)
            self._flight = self._token = None
            self._trim()

    def _trim(self) -> None:
        while len(self._waiting) > MOST_WAITING or (
            sum(len(payload) for _, payload in self._waiting) > MOST_BYTES
        ):
            self._waiting.popleft()
            self.dropped += 1
