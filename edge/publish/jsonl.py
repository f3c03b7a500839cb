"""Events as lines of a file, which is there whole or not at all."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from edge.errors import OutputError
from edge.events.cloudevents import to_json
from edge.publish.base import Publisher
from edge.store.disk import os_errors, sync_folder
from edge.types import Event


class JsonlPublisher(Publisher):
    """Writes one CloudEvent a line, ordered by node_sequence.

    The lines go to a hidden file beside the target, which takes the target's name at ``close``;
    until then, and after ``discard``, the target is as it was. An event that comes again is not
    written twice.

    open raises OutputError where there can be no such file; deliver and close raise StoreFullError
    without room, and the file is discarded then.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def _open(self) -> None:
        with os_errors(self._path):
            # A link keeps its name and the file behind it is replaced.
            self._target = Path(os.path.realpath(self._path))
            if self._target.exists() and not self._target.is_file():
                raise OutputError(
                    f"{self._path} cannot be replaced", expected="a file", found="something else"
                )
            self._part = self._target.with_name(f".{self._target.name}.{token_hex(4)}.part")
            self._file: BinaryIO = self._part.open("xb")
        self._last = 0

    def _deliver(self, event: Event) -> None:
        if event.node_sequence <= self._last:
            return
        line = to_json(event) + b"\n"
        with ExitStack() as undo:
            undo.callback(self.discard)
            with os_errors(self._path):
                self._file.write(line)
            undo.pop_all()
        self._last = event.node_sequence

    def _close(self) -> None:
        with ExitStack() as undo:
            undo.callback(self._discard)
            with os_errors(self._path):
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._part.replace(self._target)
                sync_folder(self._target.parent)
            undo.pop_all()

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)
        # Closing writes what is still buffered, which may just have failed, and nobody wants now.
        with suppress(OSError):
            self._file.close()
