"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 5.0


def backoff_delay(failures: int, *, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait after so many failures in a row, from 1: 0.5, 1, 2, 4, 5, 5 …

    Each is shortened by up to a half, so that cameras that failed together come back one by one.
    draw: gives a number in 0..1.
    """
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures - 1, 16))
    return longest * (1.0 - 0.5 * draw())
