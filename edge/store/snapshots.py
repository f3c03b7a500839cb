"""Pictures that go with events: ``<folder>/<yyyy-mm-dd>/<event id>.jpg``, within a budget.

A picture appears under its name only when it is whole and on the disk; what a killed process left
half-written is swept away at the next opening. The date is the picture's, in UTC, and so is the
file's time of modification, by which its age is told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edge.durable import write_new_file
from edge.errors import OutputError, StoreFullError
from edge.events.cloudevents import UUID7_RULE
from edge.store.base import Store
from edge.store.disk import os_errors

_DAY_S = 86_400.0
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ID = re.compile(UUID7_RULE)
_SUFFIX, _PART = ".jpg", ".part"


@dataclass(frozen=True, slots=True)
class SnapshotCounts:
    """kept, bytes: what is there now. made_room, expired: deleted since it was opened, because
    the budget was used up and because of their age."""

    kept: int
    bytes: int
    made_room: int
    expired: int


@dataclass(frozen=True, slots=True)
class _Kept:
    path: Path
    time: float
    size: int


class SnapshotStore(Store):
    """The pictures of one device, never more than ``budget`` bytes of them.

    Whoever opens it must be the only one to write there; readers are welcome at any time. Files
    that do not have the name of a picture are left alone.

    keep_days: how long a picture is kept at most, from when it was taken.
    """

    def __init__(self, folder: Path, *, budget: int, keep_days: float) -> None:
        super().__init__()
        self._folder = folder
        self._budget = budget
        self._keep_s = keep_days * _DAY_S
        self._kept: list[_Kept] = []  # in the order in which they make room
        self._bytes = 0
        self._made_room = 0
        self._expired = 0

    def put(self, event_id: str, time: float, jpeg: bytes) -> Path:
        """Keep the picture of an event; older ones are deleted first where the budget asks for it.

        time: when it was taken, seconds since the epoch. When this returns, the file survives a
        power cut. Raises StoreFullError where the disk is full or the picture alone is over the
        budget, OutputError where it cannot be written or the event has one already; nothing is
        left of it then.
        """
        if not _ID.fullmatch(event_id):
            raise ValueError(f"expected the id of an event, found {event_id!r}")
        with self._in_use():
            if len(jpeg) > self._budget:
                raise StoreFullError(
                    f"the picture of event {event_id} is larger than all pictures may be",
                    expected=f"up to {self._budget:,} bytes",
                    found=f"{len(jpeg):,}",
                    remedy="Raise budget_mb under [snapshots], or lower quality.",
                )
            self._make_room(self._budget - len(jpeg))
            path = self._path(event_id, time)
            self._write(path, time, jpeg)
            self._kept.append(_Kept(path, time, len(jpeg)))
            self._bytes += len(jpeg)
            return path

    def sweep(self, now: float) -> int:
        """Delete the pictures that are too old at ``now``; returns how many those were.

        Raises OutputError where one cannot be deleted; the rest is deleted by the next call.
        """
        with self._in_use():
            old = [kept for kept in self._kept if kept.time < now - self._keep_s]
            for kept in old:
                self._delete(kept)
                self._expired += 1
            self._drop_empty_days()
            return len(old)

    def counts(self) -> SnapshotCounts:
        """What is there, and what was deleted since it was opened."""
        with self._in_use():
            return SnapshotCounts(len(self._kept), self._bytes, self._made_room, self._expired)

    def _open(self) -> None:
        with os_errors(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = [kept for day in self._days() for kept in _read_day(day)]
        self._kept = sorted(found, key=lambda kept: (kept.time, kept.path.name))
        self._bytes = sum(kept.size for kept in found)
        self._made_room = self._expired = 0
        self._make_room(self._budget)
        self._drop_empty_days()

    def _close(self) -> None:
        self._kept = []

    def _days(self) -> list[Path]:
        with os.scandir(self._folder) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if _DAY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]

    def _path(self, event_id: str, time: float) -> Path:
        day = datetime.fromtimestamp(time, timezone.utc).date().isoformat()
        return self._folder / day / (event_id + _SUFFIX)

    def _make_room(self, most: int) -> None:
        """Delete the oldest until no more than ``most`` bytes are left."""
        while self._bytes > most:
            self._delete(self._kept[0])
            self._made_room += 1

    def _write(self, path: Path, time: float, jpeg: bytes) -> None:
        part = path.with_suffix(_PART)
        with os_errors(path):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if path.exists():
                raise OutputError(f"{path} is there already", expected="one picture an event")
        write_new_file(part, jpeg, mode=0o600)
        with os_errors(path):
            try:
                os.utime(part, (time, time))
                part.rename(path)
            finally:
                part.unlink(missing_ok=True)

    def _delete(self, kept: _Kept) -> None:
        with os_errors(kept.path):
            kept.path.unlink(missing_ok=True)
        self._kept.remove(kept)
        self._bytes -= kept.size

    def _drop_empty_days(self) -> None:
        with os_errors(self._folder):
            for day in self._days():
                if next(day.iterdir(), None) is None:
                    day.rmdir()


def _read_day(day: Path) -> Iterator[_Kept]:
    """The pictures of one day; what a killed process left unfinished is removed."""
    with os.scandir(day) as entries:
        files = [Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False)]
    for path in files:
        if not _ID.fullmatch(path.stem):
            continue
        if path.suffix == _PART:
            path.unlink()
        elif path.suffix == _SUFFIX:
            status = path.stat()
            yield _Kept(path, status.st_mtime, status.st_size)
