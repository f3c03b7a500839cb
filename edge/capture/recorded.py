"""A recording in place of a camera: nothing is dropped, and nobody waits for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from edge.capture.decode_ahead import decode_ahead
from edge.capture.feed import CameraFeed, Liveness
from edge.capture.file import FileSource
from edge.types import Frame

_AHEAD = 4


class RecordedCamera(CameraFeed):
    """Every frame of a file, each when it is asked for; ``newest`` may wait for the decoder.

    start: when the first frame was taken, seconds since the epoch; the others follow at the file's
    pace, however fast they are asked for. on_end: called once, where ``newest`` is asked for a
    frame after the last. beat: called with every frame. begun: when each frame was handed out, by
    its index, monotonic seconds.

    Starting raises MediaError where the file cannot be opened; ``newest`` raises StreamBrokenError
    where it breaks off.
    """

    def __init__(
        self,
        camera: str,
        path: Path,
        *,
        start: float,
        on_end: Callable[[], None],
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(camera)
        self._path = path
        self._first_at = start
        self._on_end = on_end
        self._beat = beat
        self._clock = clock
        self._frames: Iterator[Frame] = iter(())
        self._opened = ExitStack()
        self._rate = 0.0
        self.begun: dict[int, float] = {}
        self.ended = False

    def _start(self) -> None:
        source = FileSource(self._path, camera=self._camera, start=self._first_at)
        decoded = self._opened.enter_context(decode_ahead(source, depth=_AHEAD))
        self._frames = iter(decoded)
        self._rate = decoded.fps or 0.0
        self.begun.clear()
        self.ended = False
        self._become(Liveness.LIVE, None)

    def _ask_to_stop(self) -> None:
        pass

    def _stop(self) -> None:
        self._frames = iter(())
        self._opened.close()

    def _take(self) -> Frame | None:
        frame = next(self._frames, None)
        if frame is None:
            if not self.ended:
                self.ended = True
                self._on_end()
            return None
        self.begun[frame.index] = self._clock()
        self._beat()
        with self._lock:
            self._ring_bell()  # there is another one, or the end
        return frame

    def _fps(self) -> float:
        return self._rate

    def _reconnects(self) -> int:
        return 0

    def _dropped(self) -> int:
        return 0
