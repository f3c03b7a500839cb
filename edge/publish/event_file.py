"""Events as lines of a file that grows, and outlives whoever writes it."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from edge.closing import Closing
from edge.errors import OutputError
from edge.events.cloudevents import to_json
from edge.store.disk import os_errors, sync_folder
from edge.types import Event

_BLOCK = 1 << 16
# Who was where is nothing for everybody.
_MODE = 0o640
# What every line begins with, and so every piece of one that was not written to its end.
_HEAD = b'{"specversion":"1.0","id":"'


class EventFile(Closing):
    """Appends one CloudEvent a line, whole lines only, between ``open`` and ``close``.

    batch: most events of one ``append``; these alone can come twice, when they could not be deleted
    afterwards, and then they are not written again. A last line that a crash cut off is removed.
    Where the file was moved away or removed, a new one is begun, so that it can be rotated.

    open raises OutputError where there can be no such file, where it holds something else than
    events, or where another process writes to it. append raises OutputError, or StoreFullError
    without room; nothing of it is in the file then, and it may be tried again.
    """

    def __init__(self, path: Path, *, batch: int) -> None:
        self._path = path
        self._batch = batch
        self._handle = -1
        self._recent: set[str] = set()
        self._torn = False
        self._end = 0

    def open(self) -> None:
        """Make it ready. A second call does nothing."""
        if self._handle >= 0:
            return
        with os_errors(self._path), ExitStack() as undo:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            handle = os.open(self._path, flags, _MODE)
            undo.callback(os.close, handle)
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise self._refused("a file", "something else")
            self._claim(handle)
            self._end, self._recent = self._repair(handle)
            sync_folder(self._path.absolute().parent)
            self._handle = handle
            undo.pop_all()

    def append(self, events: Sequence[Event]) -> None:
        """Write events, down to the disk."""
        if self._handle >= 0 and self._moved():
            self._reopen()
        self.open()
        fresh = [event for event in events if event.id not in self._recent]
        data = b"".join(to_json(event) + b"\n" for event in fresh)
        with os_errors(self._path):
            if self._torn:
                os.ftruncate(self._handle, self._end)
            self._end, self._torn = os.fstat(self._handle).st_size, True
            left = memoryview(data)
            while left:
                left = left[os.write(self._handle, left) :]
            os.fsync(self._handle)
            self._torn = False
        self._recent = {event.id for event in events}

    def close(self) -> None:
        """Release it. Safe to call twice."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with os_errors(self._path), ExitStack() as closing:
                closing.callback(os.close, handle)
                if self._torn:
                    os.ftruncate(handle, self._end)

    def _prepare(self) -> None:
        self.open()

    def _moved(self) -> bool:
        """Whether the file of this name is another one by now, or none."""
        with os_errors(self._path):
            ours = os.fstat(self._handle)
            try:
                there = self._path.stat()
            except FileNotFoundError:
                return True
        return (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino)

    def _reopen(self) -> None:
        before = self._recent
        self.close()
        self._torn = False
        self.open()
        self._recent |= before

    def _claim(self, handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise self._refused("a file of its own", "another process that writes to it") from exc

    def _repair(self, handle: int) -> tuple[int, set[str]]:
        """Cut off what a crash left behind; the size, and the ids of the last lines."""
        size = os.fstat(handle).st_size
        tail = _tail(handle, size, self._batch)
        lines = tail.splitlines(keepends=True)
        ids: set[str] = set()
        rest: list[bytes] = []
        for line in lines:
            id = _id_of(line)
            if id is None:
                rest.append(line)
            else:
                ids.add(id)
                rest = []
        if rest:
            # A power cut may leave zeros where blocks were not written.
            if not all(_is_piece(line) for line in rest):
                raise self._refused("lines of events", repr(rest[0][:40].decode(errors="replace")))
            size -= sum(map(len, rest))
            os.ftruncate(handle, size)
        elif lines and not lines[-1].endswith(b"\n"):
            size += os.write(handle, b"\n")
        os.fsync(handle)
        return size, ids

    def _refused(self, expected: str, found: str) -> OutputError:
        return OutputError(
            f"{self._path} cannot take events",
            expected=expected,
            found=found,
            remedy="Name another file.",
        )


def _tail(handle: int, size: int, lines: int) -> bytes:
    """The end of a file, from the begin of a line on: at least so many lines, if it has them."""
    start, tail = size, b""
    while start > 0 and tail.count(b"\n") <= lines + 1:
        begin = max(0, start - _BLOCK)
        tail = os.pread(handle, start - begin, begin) + tail
        start = begin
    return tail if start == 0 else tail.partition(b"\n")[2]


def _id_of(line: bytes) -> str | None:
    """The id of an event; None for what is none."""
    if not line.startswith(_HEAD):
        return None
    try:
        id = json.loads(line)["id"]
    except (ValueError, KeyError):
        return None
    return id if isinstance(id, str) else None


def _is_piece(line: bytes) -> bool:
    """Whether this can be what a crash left of an event."""
    text = line.strip(b"\0\n")
    return _HEAD.startswith(text) or text.startswith(_HEAD) or b"\0" in line
