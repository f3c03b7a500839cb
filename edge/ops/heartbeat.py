"""The thread that looks at the daemon's health and feeds systemd's watchdog with what it sees."""

from __future__ import annotations

import time
from threading import Event

from edge.closing import Running
from edge.ops.health import Clock, HealthMonitor
from edge.ops.notify import Notifier
from edge.ops.worker import Worker

_LOOK_S = 1.0


class Heartbeat(Running):
    """Checks the monitor every second, or more often where the watchdog is that short.

    A ping is sent at half the watchdog's period, and only while every stage goes on; one that is
    held back goes out with the first look that finds them all well again. systemd's status line
    follows the verdict. watchdog_s: None without a watchdog.
    """

    def __init__(
        self,
        *,
        monitor: HealthMonitor,
        notifier: Notifier,
        watchdog_s: float | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._monitor = monitor
        self._notifier = notifier
        self._period_s = None if watchdog_s is None else watchdog_s / 2
        self._look_s = _LOOK_S if watchdog_s is None else min(_LOOK_S, watchdog_s / 8)
        self._clock = clock
        self._stop = Event()
        self._worker: Worker | None = None
        self._next_ping = clock()
        self._told = ""

    @property
    def fault(self) -> BaseException | None:
        """The error that ended the thread."""
        return None if self._worker is None else self._worker.fault

    def start(self) -> None:
        """Begin. A second call does nothing."""
        if self._worker is None:
            self._stop.clear()
            self._worker = Worker("heartbeat", self._run)
            self._worker.start()

    def stop(self) -> None:
        """End, and raise what ended the thread before, if anything did. Safe to call twice."""
        worker, self._worker = self._worker, None
        if worker is not None:
            self._stop.set()
            worker.join()

    def look(self) -> None:
        """Check once, ping where one is due, and tell systemd what has changed."""
        report = self._monitor.check()
        now = self._clock()
        if self._period_s is not None and now >= self._next_ping and self._ping():
            # Looks come every so often: to the one nearest to half the period.
            self._next_ping = now + self._period_s - self._look_s / 2
        told = str(report)
        if told != self._told:
            self._notifier.status(told)
            self._told = told

    def _ping(self) -> bool:
        return self._monitor.watchdog_ok() and self._notifier.watchdog()

    def _run(self) -> None:
        self.look()
        while not self._stop.wait(self._look_s):
            self.look()
