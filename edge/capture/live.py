"""A camera that is always tried again: the daemon's side of its capture processes.

One thread a camera starts a process, watches it, ends it where it goes wrong or silent, and starts
another one. Nothing of a failed attempt is used again: process, decoder and memory are new.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import connection

from edge.capture.attempt import AttemptEnd, CaptureAttempt
from edge.capture.backoff import LONGEST_DELAY_S, backoff_delay
from edge.capture.feed import CameraFeed, Liveness
from edge.capture.rate import FrameMeter
from edge.capture.ring import FrameRing
from edge.capture.worker import refuse_csi
from edge.config import Camera
from edge.errors import StreamBrokenError
from edge.media.stream import StreamLimits
from edge.types import Frame

_log = logging.getLogger(__name__)

STALE_AFTER_S = 10.0
_FPS_WINDOW_S = 5.0
# How often the count of frames is looked at, and with it whether they still come.
_LOOK_EVERY_S = 1.0


class LiveCamera(CameraFeed):
    """The newest frame of a configured camera, through a capture process of its own.

    It is live from a first frame on; stale while it connects for the first time, or anew after the
    connection broke; lost when that fails, or when no frame has come for ``stale_after`` seconds
    (longer for a camera of less than one frame in some seconds). It is tried again for ever, with
    pauses of up to 5 s. Indices of frames go on over all of that.

    clock: a monotonic clock, in seconds. stale_after should be longer than the timeouts in
    ``limits``, or a silent stream is ended before its process can say why. retry_in: the seconds to
    wait after so many failures in a row. beat: called by the watching thread as long as it goes on,
    whatever the camera does: at least every few seconds.

    Raises MediaError at construction for a CSI camera.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        clock: Callable[[], float] = time.monotonic,
        stale_after: float = STALE_AFTER_S,
        limits: StreamLimits | None = None,
        retry_in: Callable[[int], float] = backoff_delay,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(camera.id)
        refuse_csi(camera.source)
        self._settings = camera
        self._clock = clock
        self._stale_after = max(stale_after, 3.0 / camera.fps if camera.fps else 0.0)
        self._limits = limits or StreamLimits()
        self._retry_in = retry_in
        self._beat = beat
        self._watch: Future[None] | None = None
        self._reset()

    @property
    def pid(self) -> int | None:
        """The capture process of now; None between two."""
        attempt = self._attempt
        return attempt.pid if attempt is not None else None

    @property
    def fault(self) -> BaseException | None:
        """What the watching thread failed of; nobody watches the camera any more then."""
        watch = self._watch
        return watch.exception() if watch is not None and watch.done() else None

    def _reset(self) -> None:
        self._asked_to_stop = threading.Event()
        self._ring: FrameRing | None = None
        self._attempt: CaptureAttempt | None = None
        self._attempts = self._failures = 0
        self._told = ""  # why it failed last, which is no news a second time
        # Of earlier rings: how many frames, and how many of them nobody took. Taken of this one.
        self._earlier = self._earlier_dropped = self._taken = 0
        self._seen, self._seen_at = 0, self._clock()
        self._meter = FrameMeter(_FPS_WINDOW_S)

    def _start(self) -> None:
        self._reset()
        self._stop_bell = os.eventfd(0, os.EFD_CLOEXEC)
        # An executor rather than a bare thread: it carries whatever is raised over to stop.
        executor = ThreadPoolExecutor(1, thread_name_prefix=f"capture-{self._camera}")
        self._watch = executor.submit(self._supervise)
        executor.shutdown(wait=False)

    def _ask_to_stop(self) -> None:
        self._asked_to_stop.set()
        os.eventfd_write(self._stop_bell, 1)

    def _stop(self) -> None:
        assert self._watch is not None
        self._ask_to_stop()
        try:
            self._watch.result()
        finally:
            os.close(self._stop_bell)
            self._adopt(None)

    def _take(self) -> Frame | None:
        with self._lock:
            taken = self._ring.take() if self._ring is not None else None
            if taken is None:
                return None
            self._taken += 1
        return Frame(self._camera, taken.index, taken.time, taken.image)

    def _fps(self) -> float:
        return self._meter.rate(self._clock(), self._count())

    def _reconnects(self) -> int:
        return max(0, self._attempts - 1)

    def _dropped(self) -> int:
        if self._ring is None:
            return self._earlier_dropped
        waiting = 1 if self._ring.waiting else 0
        return self._earlier_dropped + self._ring.written - self._taken - waiting

    def _count(self) -> int:
        return self._earlier + (self._ring.written if self._ring is not None else 0)

    def _supervise(self) -> None:
        try:
            self._try_for_ever()
        finally:
            if not (self._asked_to_stop.is_set() or self._ended):
                self._become(Liveness.LOST, "nobody watches the camera any more")

    def _try_for_ever(self) -> None:
        next_index = 0
        while not self._asked_to_stop.is_set():
            began = self._clock()
            before = self._count()
            end = self._attend(next_index)
            if self._asked_to_stop.is_set():
                return
            if self._ring is not None:
                next_index = max(next_index, self._ring.next_index)
            if end.final:
                self._become(Liveness.LOST, end.reason, ended=True)
                _log.info("camera %s: %s", self._camera, end.reason)
                while not self._pause(_LOOK_EVERY_S):
                    pass
                return
            self._note_failure(end, showed=self._count() > before, began=began)
            self._pause(self._retry_in(self._failures))

    def _attend(self, first_index: int) -> AttemptEnd:
        """Make one attempt and stay with it until it has ended, or has to, or all has to."""
        self._attempts += 1
        try:
            attempt = CaptureAttempt(
                self._settings, first_index=first_index, limits=self._limits, bell=self.fileno()
            )
        except StreamBrokenError as error:
            return AttemptEnd(str(error))
        self._adopt(attempt)
        began = self._clock()
        try:
            while not self._asked_to_stop.is_set():
                end = attempt.wait(self._stop_bell, _LOOK_EVERY_S)
                now = self._clock()
                self._look(now)
                if end is not None:
                    return end
                if now - max(began, self._seen_at) > self._stale_after:
                    reason = attempt.silence(self._stale_after, now)
                    self._become(Liveness.LOST, reason)
                    return AttemptEnd(reason)
            return AttemptEnd("stopped")
        finally:
            self._attempt = None
            if not attempt.end():
                _log.error("camera %s: process %d cannot be ended", self._camera, attempt.pid)

    def _pause(self, seconds: float) -> bool:
        """Wait, but no longer than until all has to end; whether it has to."""
        self._beat()
        return bool(connection.wait([self._stop_bell], seconds))

    def _look(self, now: float) -> None:
        """Whether frames come."""
        self._beat()
        count = self._count()
        if count != self._seen:
            self._seen, self._seen_at = count, now
            if self._liveness is not Liveness.LIVE:
                self._meter.start_over(now, count)
                self._become(Liveness.LIVE, None)
                _log.info("camera %s: live", self._camera)
        elif self._liveness is Liveness.STALE and now - self._seen_at > self._stale_after:
            self._become(Liveness.LOST, f"no frame for {self._stale_after:g} s")
        self._meter.note(now, count)

    def _note_failure(self, end: AttemptEnd, *, showed: bool, began: float) -> None:
        lasted = self._clock() - began
        self._failures = 1 if showed and lasted > LONGEST_DELAY_S else self._failures + 1
        if not showed:
            self._become(Liveness.LOST, end.reason)
        elif self._liveness is Liveness.LIVE:
            self._become(Liveness.STALE, end.reason)
        level = logging.DEBUG if end.reason == self._told else logging.INFO
        if self._failures == 1 and not end.told:
            level = logging.WARNING
        self._told = end.reason
        _log.log(
            level, "camera %s (%s): %s", self._camera, self._settings.source.masked, end.reason
        )

    def _adopt(self, attempt: CaptureAttempt | None) -> None:
        """Take frames from this attempt from now on, and let go of the memory of the last one."""
        with self._lock:
            old, self._attempt = self._ring, attempt
            self._ring = attempt.ring if attempt is not None else None
            if old is not None:
                self._earlier += old.written
                self._earlier_dropped += old.written - self._taken
                self._taken = 0
                old.close()
