"""The seam to whoever listens: deliver events that are committed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

from edge.errors import ClosedError
from edge.types import Event

Self = TypeVar("Self", bound="Publisher")


class Publisher(ABC):
    """Takes events in the order of their node_sequence, between ``open`` and ``close``.

    As a context manager it closes when all went well, and discards when something was raised.
    """

    def __init__(self) -> None:
        self._opened = False

    def open(self) -> None:
        """Make it ready. A second call does nothing."""
        if not self._opened:
            self._open()
            self._opened = True

    def deliver(self, event: Event) -> None:
        """Hand an event over; when this returns it has been taken, and may be deleted.

        An event may come again when it is not known to have been taken. Raises ClosedError before
        open and after close, a TransientError where a later try may succeed.
        """
        if not self._opened:
            raise ClosedError(f"{type(self).__name__} is not open", remedy="Call open() first.")
        self._deliver(event)

    def close(self) -> None:
        """End in good order. Safe to call twice."""
        if self._opened:
            self._opened = False
            self._close()

    def discard(self) -> None:
        """End at once and leave nothing half-done behind. Safe to call twice."""
        if self._opened:
            self._opened = False
            self._discard()

    def __enter__(self: Self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _deliver(self, event: Event) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...

    @abstractmethod
    def _discard(self) -> None: ...
