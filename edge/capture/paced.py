"""A file as if it were a camera: in real time, and round and round where that is wanted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from pathlib import Path

from edge.capture.base import Source, SourceInfo
from edge.capture.file import FileSource
from edge.capture.rate import RateLimit
from edge.errors import StreamBrokenError
from edge.types import Frame

_log = logging.getLogger(__name__)

# A decoder that is so far behind goes on from where it is, and catches nothing up.
_MOST_LAG_S = 1.0


class PacedFile(Source):
    """The frames of a file at the pace of the file, each with the time at which it is shown.

    loop: after the last frame the first one follows, one step of the file later; indices go on. A
    file that was cut off loops where it ends. first_index: where another process stopped: a file
    that loops begins anew with that index, one that does not is shown from that frame on. At most
    ``max_fps`` frames a second are handed out.

    Raises what FileSource raises.
    """

    def __init__(
        self,
        path: str,
        *,
        camera: str,
        loop: bool = False,
        first_index: int = 0,
        max_fps: float | None = None,
    ) -> None:
        super().__init__(camera)
        self._file = FileSource(Path(path), camera=camera, start=0.0)
        self._loop = loop
        self._first_index = first_index
        self._max_fps = max_fps

    @property
    def corrupt(self) -> int:
        """How many damaged pictures of this round were skipped so far."""
        return self._file.corrupt

    def _open(self) -> SourceInfo:
        self._file.open()
        total = None if self._loop else self._file.frames_total
        return SourceInfo(fps=self._file.fps, frames_total=total)

    def _frames(self) -> Generator[Frame, None, None]:
        pace = Pace(1.0 / self._file.fps)
        rate = RateLimit(self._max_fps)
        base = self._first_index if self._loop else 0
        while True:
            last = 0
            for frame in self._round():
                last = base + frame.index
                if last < self._first_index:
                    continue
                due = pace.wait_for(frame.time)
                if rate.admits(due):
                    yield Frame(self._camera, last, time.time(), frame.image)
            if not self._loop:
                return
            base = last + 1
            pace.start_over()
            self._file.close()
            self._file.open()

    def _round(self) -> Generator[Frame, None, None]:
        try:
            yield from self._file
        except StreamBrokenError as error:
            if not self._loop:
                raise
            _log.info("%s; the loop goes on", error)

    def _close(self) -> None:
        self._file.close()


class Pace:
    """Waits until the frames of a file are due. period: seconds between the last and the first."""

    def __init__(
        self,
        period: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._period = period
        self._clock = clock
        self._sleep = sleep
        self._begin: float | None = None  # when the offset 0 of this round is
        self._due = clock() - period

    def start_over(self) -> None:
        """The next frame begins a new round, one period after the last."""
        self._begin = None

    def wait_for(self, offset: float) -> float:
        """Wait for the frame at ``offset`` seconds of the file; when that is, on the clock."""
        if self._begin is None:
            self._begin = self._due + self._period - offset
        self._due = self._begin + offset
        lag = self._clock() - self._due
        if lag > _MOST_LAG_S:
            self._begin += lag
            self._due += lag
        self._sleep(max(0.0, -lag))
        return self._due
