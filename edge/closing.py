"""What every owner of a file, process, thread, socket or session has in common: it is released for
sure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

Self = TypeVar("Self", bound="Closing")
SelfRunning = TypeVar("SelfRunning", bound="Running")


class Closing(ABC):
    """Something that a ``with`` block makes ready at its begin and closes at its end."""

    def __enter__(self: Self) -> Self:
        self._prepare()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Release it. Safe to call twice."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make it ready; called on entering the block."""


class Running(ABC):
    """Something that works on its own, on a thread or process, while a ``with`` block lasts."""

    def __enter__(self: SelfRunning) -> SelfRunning:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Begin."""

    @abstractmethod
    def stop(self) -> None:
        """End. Safe to call twice."""
