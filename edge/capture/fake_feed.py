"""A live camera that does what a test tells it to."""

from __future__ import annotations

import time

from edge.capture.feed import CameraFeed, Liveness
from edge.types import ByteImage, Frame


class FakeCamera(CameraFeed):
    """Shows what ``show`` is given, newest wins, and is lost and live when told to.

    fps: what ``status`` says. fault_on_stop: raised by stop, as what failed in the background.
    """

    def __init__(
        self, camera: str = "fake", *, fps: float = 10.0, fault_on_stop: Exception | None = None
    ) -> None:
        super().__init__(camera)
        self._rate = fps
        self._fault_on_stop = fault_on_stop
        self._newest: Frame | None = None
        self._index = self._lost_frames = self._tries = 0
        self.started = 0
        self.stopped = 0

    @property
    def fault(self) -> BaseException | None:
        """What stop will raise."""
        return self._fault_on_stop

    def show(self, image: ByteImage, *, at: float | None = None) -> None:
        """A new frame, uint8 ``[H, W, 3]`` BGR, taken ``at`` seconds since the epoch or now."""
        frame = Frame(self._camera, self._index, time.time() if at is None else at, image)
        self._become(Liveness.LIVE, None)
        with self._lock:
            self._lost_frames += self._newest is not None
            self._newest = frame
            self._index += 1
            self._ring_bell()

    def lose(self, reason: str = "no frame for 10 s") -> None:
        """The camera is gone, and was tried once more in vain."""
        self._tries += 1
        self._become(Liveness.LOST, reason)

    def stall(self, reason: str = "the stream ended") -> None:
        """The connection broke and is made anew."""
        self._tries += 1
        self._become(Liveness.STALE, reason)

    def end(self) -> None:
        """The file is at its end."""
        self._become(Liveness.LOST, "the file is at its end", ended=True)

    def _start(self) -> None:
        self.started += 1

    def _ask_to_stop(self) -> None:
        pass

    def _stop(self) -> None:
        self.stopped += 1
        self._newest = None
        if self._fault_on_stop is not None:
            raise self._fault_on_stop

    def _take(self) -> Frame | None:
        with self._lock:
            frame, self._newest = self._newest, None
            return frame

    def _fps(self) -> float:
        return self._rate

    def _reconnects(self) -> int:
        return self._tries

    def _dropped(self) -> int:
        return self._lost_frames
