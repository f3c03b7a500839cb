"""Ctrl-C and SIGTERM where they can be borne."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_held_back() -> Iterator[Callable[[], None]]:
    """Hold SIGINT and SIGTERM back; what this yields lets them through.

    They raise their exception there and not between two lines, of which the first starts a thread
    and the second remembers it: nobody would end that one. To be used on the main thread.
    """
    caught: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    held = {number: handler for number, handler in before.items() if callable(handler)}

    def let_through() -> None:
        if caught:
            number = caught[0]
            caught.clear()
            held[signal.Signals(number)](number, None)

    for number in held:
        signal.signal(number, lambda number, frame: caught.append(number))
    try:
        yield let_through
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
    let_through()
