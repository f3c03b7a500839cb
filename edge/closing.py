"""What every owner of a file, process, socket or session has in common: it is released for sure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

Self = TypeVar("Self", bound="Closing")


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
