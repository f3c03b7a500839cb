"""Changes to dictionaries that can be taken back until they are kept."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class UndoLog:
    """Remembers what every change replaced, until ``keep`` or ``undo``. Values are never None."""

    def __init__(self) -> None:
        self._replaced: list[tuple[dict[Any, Any], object, object]] = []

    def put(self, table: dict[K, V], key: K, value: V | None) -> None:
        """Set a key of ``table``; None removes it."""
        self._replaced.append((table, key, table.get(key)))
        _set(table, key, value)

    def keep(self) -> None:
        """The changes so far stand."""
        self._replaced.clear()

    def undo(self) -> None:
        """Take the changes since the last ``keep`` back."""
        while self._replaced:
            table, key, value = self._replaced.pop()
            _set(table, key, value)


def _set(table: dict[Any, Any], key: object, value: object) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
