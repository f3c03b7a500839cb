"""Frames a second: at most so many, and how many there are."""

from __future__ import annotations

from collections import deque


class RateLimit:
    """Lets at most ``fps`` frames a second through, evenly; None lets all of them through.

    One clock decides, so that frames in a burst count as they come. After a pause nothing is caught
    up with.
    """

    def __init__(self, fps: float | None) -> None:
        self._period = 1.0 / fps if fps else 0.0
        self._due: float | None = None

    def admits(self, now: float) -> bool:
        """Whether the frame that comes at ``now``, in seconds, is let through."""
        if self._due is None or now - self._due > self._period:
            self._due = now
        # A camera's own rate is not exact: a frame that is a hair early is the one that is due.
        if now < self._due - 0.1 * self._period:
            return False
        self._due += self._period
        return True


class FrameMeter:
    """Frames a second over the last ``window_s`` seconds, from a count that only grows."""

    def __init__(self, window_s: float) -> None:
        self._window = window_s
        self._samples: deque[tuple[float, int]] = deque()

    def start_over(self, now: float, count: int) -> None:
        """Forget what was before ``now``."""
        self._samples.clear()
        self._samples.append((now, count))

    def note(self, now: float, count: int) -> None:
        """So many frames there were at ``now``."""
        self._samples.append((now, count))
        while now - self._samples[0][0] > self._window:
            self._samples.popleft()

    def rate(self, now: float, count: int) -> float:
        """Frames a second, where there are ``count`` frames now; 0.0 before anything was noted."""
        samples = [s for s in tuple(self._samples) if now - s[0] <= self._window]
        if not samples or now <= samples[0][0]:
            return 0.0
        return (count - samples[0][1]) / (now - samples[0][0])
