"""UUID version 7 (RFC 9562, 5.7), strictly ascending within one generator."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

_COUNTER_BITS = 42
_TAIL_BITS = 32
_MAX_MS = (1 << 48) - 1


class Uuid7:
    """Makes UUIDs that ascend, also within a millisecond and when the clock is set back.

    Between the time and 32 random bits stands a counter of 42 bits (RFC 9562, 6.2, method 1),
    started at random with its top bit clear in each new millisecond and counted up within one. A
    clock that stands still or is set back leaves the time as it was; a counter that runs over moves
    it on.

    clock_ms: milliseconds since the Unix epoch. random: so many random bytes.
    """

    def __init__(self, clock_ms: Callable[[], int], random: Callable[[int], bytes]) -> None:
        self._clock_ms = clock_ms
        self._random = random
        self._ms = -1
        self._counter = 0

    def __call__(self) -> str:
        """The next UUID, as text."""
        now = min(max(self._clock_ms(), 0), _MAX_MS)
        if now > self._ms:
            self._begin(now)
        else:
            self._counter += 1
            if self._counter >> _COUNTER_BITS:
                self._begin(self._ms + 1)
        return self._text()

    def _begin(self, ms: int) -> None:
        self._ms = ms
        self._counter = self._bits(_COUNTER_BITS - 1)

    def _bits(self, count: int) -> int:
        size = (count + 7) // 8
        return int.from_bytes(self._random(size), "big") >> (size * 8 - count)

    def _text(self) -> str:
        high, low = self._counter >> 30, self._counter & ((1 << 30) - 1)
        value = self._ms << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low << 32
        return str(UUID(int=value | self._bits(_TAIL_BITS)))
