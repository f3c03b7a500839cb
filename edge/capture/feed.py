"""The seam to a live camera: its newest frame, and how it is doing.

Unlike a ``Source`` it never raises for what a camera does: it says so, and goes on trying.
"""

from __future__ import annotations

import os
import threading
import time
from abc import abstractmethod
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import Enum

from edge.closing import Running
from edge.errors import ClosedError, StreamBrokenError
from edge.types import Frame

_MOST_CHANGES = 256


class Liveness(str, Enum):
    """live: frames come. stale: the connection is (re)made. lost: no frames, and not the first try.

    The values are those of the retained camera status.
    """

    LIVE = "live"
    STALE = "stale"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraState:
    """How a camera is doing.

    fps: frames a second that arrived over the last seconds, 0.0 while lost. since: when ``state``
    began, seconds since the epoch. reason: why it is not live. reconnects: attempts after the
    first. dropped: frames that a newer one replaced before anybody took them. ended: a file is at
    its end; nothing more will come.
    """

    state: Liveness
    fps: float
    since: float
    reason: str | None
    reconnects: int
    dropped: int
    ended: bool = False


class CameraFeed(Running):
    """One live camera. Use as a context manager, or call start and stop; both may be called twice.

    While started it has a ``fileno`` that is readable when there may be a new frame or the state
    has changed, until ``newest`` is called. It stays the same until stop, over every reconnect.
    Wait for many cameras with a selector, or with ``multiprocessing.connection.wait``.

    ``newest`` and ``changes`` belong to one thread; ``status`` may be asked by any.
    """

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._bell: int | None = None
        self._lock = threading.Lock()
        self._changes: deque[CameraState] = deque(maxlen=_MOST_CHANGES)
        self._liveness = Liveness.STALE
        self._since = time.time()
        self._reason: str | None = "not started"
        self._ended = False

    @property
    def camera(self) -> str:
        """The id that every frame carries."""
        return self._camera

    def start(self) -> None:
        """Begin to capture, in the background. A second call does nothing.

        Raises StreamBrokenError where this process may open no more; nothing has begun then.
        """
        if self._bell is not None:
            return
        try:
            with ExitStack() as undo:
                self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
                undo.callback(self._close_bell)
                self._begin_anew()
                self._start()
                undo.pop_all()
        except OSError as exc:
            raise StreamBrokenError(
                f"camera {self._camera} cannot be watched", found=exc.strerror or str(exc)
            ) from exc

    def ask_to_stop(self) -> None:
        """Have the end begin without waiting for it, so that several cameras end at one time."""
        if self._bell is not None:
            self._ask_to_stop()

    def stop(self) -> None:
        """End, and release everything. Safe to call twice.

        Raises what went wrong in the background that nobody had foreseen.
        """
        if self._bell is not None:
            try:
                self._stop()
            finally:
                self._close_bell()

    def fileno(self) -> int:
        """What to wait for. Raises ClosedError before start and after stop."""
        if self._bell is None:
            raise ClosedError(f"camera {self._camera} is not started", remedy="Call start() first.")
        return self._bell

    def newest(self) -> Frame | None:
        """The newest frame, each at most once; None where there is no new one. Never waits.

        Raises ClosedError before start and after stop.
        """
        bell = self.fileno()
        with suppress(BlockingIOError):  # Nobody rang; a look costs nothing.
            os.eventfd_read(bell)
        return self._take()

    @property
    def status(self) -> CameraState:
        """How the camera is doing now."""
        with self._lock:
            return self._state()

    def changes(self) -> tuple[CameraState, ...]:
        """Every change of ``status.state`` since the last call, oldest first."""
        with self._lock:
            changes = tuple(self._changes)
            self._changes.clear()
            return changes

    @property
    def pid(self) -> int | None:
        """The process that captures now; None where there is none."""
        return None

    @property
    def fault(self) -> BaseException | None:
        """What went wrong in the background that nobody had foreseen; stop raises it."""
        return None

    def _become(self, liveness: Liveness, reason: str | None, *, ended: bool = False) -> None:
        """Note a state; where it is another one than before, it is a change, and the bell rings."""
        with self._lock:
            changed = liveness is not self._liveness or ended is not self._ended
            self._reason, self._ended = reason, ended
            if changed:
                self._liveness, self._since = liveness, time.time()
                self._changes.append(self._state())
                self._ring_bell()

    def _close_bell(self) -> None:
        with self._lock:
            bell, self._bell = self._bell, None
            if bell is not None:
                os.close(bell)

    def _ring_bell(self) -> None:
        if self._bell is not None:
            os.eventfd_write(self._bell, 1)

    def _begin_anew(self) -> None:
        with self._lock:
            self._liveness, self._since = Liveness.STALE, time.time()
            self._reason, self._ended = "connecting", False
            self._changes.clear()

    def _state(self) -> CameraState:
        return CameraState(
            state=self._liveness,
            fps=0.0 if self._liveness is Liveness.LOST else self._fps(),
            since=self._since,
            reason=self._reason,
            reconnects=self._reconnects(),
            dropped=self._dropped(),
            ended=self._ended,
        )

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def _ask_to_stop(self) -> None: ...

    @abstractmethod
    def _stop(self) -> None: ...

    @abstractmethod
    def _take(self) -> Frame | None: ...

    @abstractmethod
    def _fps(self) -> float: ...

    @abstractmethod
    def _reconnects(self) -> int: ...

    @abstractmethod
    def _dropped(self) -> int: ...
