"""What a counting subscriber finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def missing_and_repeats(
    events: Sequence[dict[str, Any]], last: int, *, window: int
) -> tuple[set[int], int, list[int]]:
    """Numbers up to ``last`` that never came, how many came again, and which of these came again
    although more than ``window`` others had come since. Fails where new ones come out of order."""
    seen: dict[int, str] = {}
    repeats, too_old, newest = 0, [], 0
    for event in events:
        number = event["data"]["node_sequence"]
        if number in seen:
            assert seen[number] == event["id"]
            repeats += 1
            if number <= newest - window:
                too_old.append(number)
        else:
            assert number > newest, f"{number} came after {newest}"
            seen[number] = event["id"]
            newest = number
    return set(range(1, last + 1)) - seen.keys(), repeats, too_old
