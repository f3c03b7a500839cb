"""A bounded hand-over of values from one thread to another, in order and without loss."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """One thread puts, another iterates. At most ``depth`` values wait in between.

    The giver calls end after its last value; the taker calls stop when it wants no more.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._waiting: deque[T] = deque()
        self._changed = Condition()
        self._ended = False
        self._stopped = False

    def put(self, value: T) -> bool:
        """Hand a value over, waiting for room. False when the taker wants no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._waiting) < self._depth)
            if not self._stopped:
                self._waiting.append(value)
                self._changed.notify_all()
            return not self._stopped

    def end(self) -> None:
        """Nothing more will be put: the taker's loop ends after what waits."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Nothing more is wanted: what waits is dropped, and a put that waits returns."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._waiting)
                if not self._waiting:
                    return
                value = self._waiting.popleft()
                self._changed.notify_all()
            yield value
