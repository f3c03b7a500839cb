"""What the daemon looks after between frames: camera states, gauges, and who is enrolled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from edge.capture.feed import CameraState
from edge.delivery import Delivery
from edge.deployment import Deployment
from edge.errors import EdgewardenError, OutputError, TransientError
from edge.events.cloudevents import format_time
from edge.events.payloads import CameraStatus
from edge.ops.health import HealthMonitor
from edge.ops.metrics import Metrics
from edge.store.base import Outbox
from edge.troubles import Troubles

_log = logging.getLogger(__name__)

_EVERY_S = 2.0
_STATUS_EVERY_S = 10.0
_SWEEP_EVERY_S = 3600.0
_GALLERY = "gallery"
_SNAPSHOTS = "snapshots"


class Upkeep:
    """Called at every turn of the loop; does something every two seconds."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        metrics: Metrics,
        monitor: HealthMonitor,
        delivery: Delivery,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._metrics = metrics
        self._monitor = monitor
        self._delivery = delivery
        self._clock = clock
        self._next = self._next_sweep = clock()
        self._told: dict[str, tuple[CameraState, float]] = {}
        self._gallery_trouble = ""
        self._troubles = Troubles(monitor, clock=clock)

    def look(self, deployment: Deployment) -> None:
        """Do what is due."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _EVERY_S
        deployment.loop.tell_lost()
        self._tell_cameras(deployment, now)
        self._measure()
        self._watch_gallery(deployment)
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_EVERY_S
            self._sweep(deployment)
        self._troubles.look(deployment.loop.say)

    def finish(self, deployment: Deployment) -> None:
        """The last of it: what has changed since the last look is told before the end."""
        self._troubles.look(deployment.loop.say)

    def _sweep(self, deployment: Deployment) -> None:
        try:
            deployment.sweep_snapshots(time.time())
        except OutputError as error:
            self._monitor.problem(_SNAPSHOTS, error.message)
        else:
            self._monitor.solved(_SNAPSHOTS)

    def _tell_cameras(self, deployment: Deployment, now: float) -> None:
        """Retained states for consumers: when one changes, and now and then for its frame rate."""
        for name in self._told.keys() - deployment.stations.keys():
            del self._told[name]
            self._delivery.set_status(name, None)
        for name, station in deployment.stations.items():
            status = station.feed.status
            told, at = self._told.get(name, (None, 0.0))
            changed = told is None or (told.state, told.since) != (status.state, status.since)
            if changed or now - at >= _STATUS_EVERY_S:
                self._told[name] = (status, now)
                since = format_time(status.since)
                self._delivery.set_status(
                    name, CameraStatus(state=status.state.value, fps=status.fps, since=since)
                )

    def _measure(self) -> None:
        try:
            self._metrics.outbox_events.set(self._outbox.depth())
            oldest = self._outbox.oldest()
        except TransientError as error:
            _log.info("outbox: %s", error)
        else:
            age = 0.0 if oldest is None else max(0.0, time.time() - oldest)
            self._metrics.outbox_oldest.set(age)
        self._metrics.set_health(self._monitor.report.health)
        self._delivery.look(self._monitor, self._metrics)

    def _watch_gallery(self, deployment: Deployment) -> None:
        """Use a changed gallery: somebody was enrolled or erased by another process."""
        if not deployment.gallery_has_changed:
            return
        try:
            deployment.refresh_gallery()
        except EdgewardenError as error:
            if error.message != self._gallery_trouble:
                _log.error("the changed gallery cannot be read: %s", error)
            self._gallery_trouble = error.message
            self._monitor.problem(_GALLERY, error.message)
            return
        self._gallery_trouble = ""
        self._monitor.solved(_GALLERY)
        _log.info("the gallery has changed and was read anew")
