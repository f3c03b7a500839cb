"""A publisher that keeps what it is given, for tests."""

from __future__ import annotations

from edge.publish.base import Publisher
from edge.types import Event


class ListPublisher(Publisher):
    """``events`` is what was delivered, ``discarded`` whether it was discarded."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.discarded = False

    def _open(self) -> None:
        """Nothing to make ready."""

    def _deliver(self, event: Event) -> None:
        self.events.append(event)

    def _close(self) -> None:
        """Nothing to release."""

    def _discard(self) -> None:
        self.events.clear()
        self.discarded = True
