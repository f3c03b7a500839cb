"""The outbox to a file: one thread, nothing lost between the two."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag

from edge.closing import Running
from edge.errors import OutputError, TransientError
from edge.ops.worker import Worker
from edge.publish.event_file import EventFile
from edge.store.base import Outbox
from edge.types import Event

_log = logging.getLogger(__name__)

_BATCH = 100
_TICK_S = 1.0
_RETRY_S = 0.5


class FileDrain(Running):
    """Moves what stands in the outbox to a file of JSON lines, from ``start`` to ``stop``.

    An event leaves the outbox only when its line is on the disk. outbox: open, and stays so until
    after ``stop``. on_written: is given every event that was written, on the drain's thread; it
    must be quick and must not raise. beat: called at least every few seconds while it goes on.
    clock: seconds, monotonic. written: how many so far. trouble: why none can be written just now.
    """

    def __init__(
        self,
        path: Path,
        *,
        outbox: Outbox,
        on_written: Callable[[Event], None] = lambda event: None,
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._file = EventFile(path, batch=_BATCH)
        self._outbox = outbox
        self._on_written = on_written
        self._beat = beat
        self._clock = clock
        self._wake = Flag()
        self._stopping = Flag()
        self._stop_by = 0.0
        self._worker: Worker | None = None
        self._fault: BaseException | None = None
        self.written = 0
        self.trouble = ""

    @property
    def fault(self) -> BaseException | None:
        """What ended the thread, where it ended by itself: a damaged outbox, or a defect."""
        worker = self._worker
        return self._fault if worker is None else worker.fault

    def start(self) -> None:
        """Open the file and begin. A second call does nothing.

        Raises OutputError or StoreFullError where there can be no such file.
        """
        if self._worker is not None:
            return
        self._file.open()
        self._stopping.clear()
        self._fault = None
        self._worker = Worker("events", self._run)
        self._worker.start()

    def stop(self, drain_s: float = 1.0) -> None:
        """Write what is left for at most ``drain_s``, and end the thread.

        Raises what ended the thread before, if it ended by itself. A second call does nothing.
        """
        if self._worker is None:
            return
        self._stop_by = self._clock() + drain_s
        self._stopping.set()
        self.wake()
        try:
            self._worker.join()
        finally:
            self._fault, self._worker = self._worker.fault, None
            self._file.close()

    def wake(self) -> None:
        """Something was committed to the outbox; from any thread, at any time."""
        self._wake.set()

    def _run(self) -> None:
        while True:
            stopping = self._stopping.is_set()  # before the look: what came before it is written
            self._wake.clear()
            self._beat()
            more = self._move()
            if more and not (stopping and self._clock() >= self._stop_by):
                continue
            if stopping:
                return
            if self.trouble:
                self._stopping.wait(_RETRY_S)
            else:
                self._wake.wait(_TICK_S)

    def _move(self) -> bool:
        """Write one batch and delete it; whether there may be more."""
        try:
            events = self._outbox.pending(limit=_BATCH)
            if events:
                self._file.append(events)
                self._outbox.delete([event.node_sequence for event in events])
        except (TransientError, OutputError) as error:
            if str(error) != self.trouble:
                _log.warning("events wait in the outbox: %s", error)
            self.trouble = str(error)
            return False
        if self.trouble:
            _log.info("events go to %s again", self._path)
        self.trouble = ""
        self.written += len(events)
        for event in events:
            self._on_written(event)
        return len(events) == _BATCH
