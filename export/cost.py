"""What a command took: time, and the most memory that the process ever held."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall-clock seconds since the start, and peak resident memory of the process in bytes."""

    seconds: float
    peak_bytes: int

    def __str__(self) -> str:
        return f"took {self.seconds:.1f} s, at most {self.peak_bytes / 2**20:.0f} MiB of memory"


class Meter:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def read(self) -> Cost:
        """What it took up to now."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux
        return Cost(time.monotonic() - self._begin, peak * 1024)
