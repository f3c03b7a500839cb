"""The live loop: the newest frame of every camera that moved, analysed together and reported.

One thread turns it. It waits for cameras, never for the broker, and a camera that is away costs the
others nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait

from edge.capture.feed import CameraFeed, CameraState, Liveness
from edge.errors import StoreBusyError, StoreFullError
from edge.events.build import SystemName
from edge.events.payloads import Scalar
from edge.ids import NODE_CAMERA
from edge.ops.health import HealthMonitor, Stage
from edge.ops.metrics import Metrics
from edge.pipeline import Pipeline, Scene
from edge.reporter import CameraView, Reporter
from edge.store.metered import MeteredOutbox
from edge.troubles import camera_lost
from edge.types import Event, Frame, Phase
from edge.vision.motion import MotionGate

_log = logging.getLogger(__name__)

_OUTBOX = "outbox"

OnScene = Callable[[Scene, Sequence[Event]], None]


@dataclass(slots=True)
class Station:
    """One camera as the loop sees it.

    last: the frame that the pipeline saw last. stage: what ``beat`` tells that somebody watches the
    camera; None while it has not begun.
    """

    feed: CameraFeed
    view: CameraView
    gate: MotionGate = field(default_factory=MotionGate)
    last: Frame | None = None
    lost: bool = False
    dropped: int = 0
    reconnects: int = 0
    stage: Stage | None = None

    def beat(self) -> None:
        """Whoever watches the camera goes on."""
        if self.stage is not None:
            self.stage.beat()

    @property
    def id(self) -> str:
        """The camera's id."""
        return self.view.id


class LiveLoop:
    """Turns frames into committed events.

    on_scene: is shown every analysed scene with its committed events. What has no room in the
    outbox is counted and said when there is room again; the loop goes on.
    """

    def __init__(
        self,
        stations: Sequence[Station],
        *,
        pipeline: Pipeline,
        reporter: Reporter,
        outbox: MeteredOutbox,
        metrics: Metrics,
        monitor: HealthMonitor,
        on_scene: OnScene,
    ) -> None:
        self._stations = list(stations)
        self._pipeline = pipeline
        self._reporter = reporter
        self._outbox = outbox
        self._metrics = metrics
        self._monitor = monitor
        self._on_scene = on_scene

    def turn(self, timeout_s: float) -> None:
        """Wait for frames for at most so long, and deal with everything that there is."""
        ready = set(wait([station.feed.fileno() for station in self._stations], timeout_s))
        if not self._stations:
            time.sleep(timeout_s)  # nothing to wait for returns at once
        fresh: list[tuple[Station, Frame]] = []
        for station in self._stations:
            self._note_changes(station)
            frame = station.feed.newest() if station.feed.fileno() in ready else None
            if frame is not None and self._is_due(station, frame):
                fresh.append((station, frame))
        self._metrics.queue_depth.set(len(ready), queue="frames")
        if not fresh:
            return
        stations = {frame.camera: station for station, frame in fresh}
        for scene in self._pipeline.step([frame for _, frame in fresh]):
            self._report(scene, stations[scene.frame.camera])
        for station, frame in fresh:
            station.last = frame
            self._metrics.frames_analysed.inc(camera=station.id)

    def end(self, camera: str | None = None) -> None:
        """End every track, or those of one camera."""
        for station in self._stations:
            if camera in (None, station.id):
                self._end_tracks(station)

    def say(
        self,
        name: SystemName,
        *,
        camera: str = NODE_CAMERA,
        reason: str | None = None,
        detail: Mapping[str, Scalar] | None = None,
        phase: Phase = Phase.ONCE,
        at: float | None = None,
    ) -> bool:
        """Commit an event about the device or a camera; False where it had no room.

        at: when it happened, seconds since the epoch; None for now.
        """
        time_ = time.time() if at is None else at
        events = self._commit(
            lambda: self._reporter.system(
                name, camera=camera, time=time_, reason=reason, detail=detail, phase=phase
            )
        )
        return events is not None

    def _is_due(self, station: Station, frame: Frame) -> bool:
        self._metrics.frames_seen.inc(camera=station.id)
        self._metrics.stage_seconds.observe(max(0.0, time.time() - frame.time), stage="capture")
        if station.last is not None and frame.index <= station.last.index:
            self._end_tracks(station)  # the source began anew, and with it the tracker has to
        return station.gate.passes(frame.image)

    def _report(self, scene: Scene, station: Station) -> None:
        events = self._commit(lambda: self._reporter.report(scene, station.view))
        if events is not None:
            self._on_scene(scene, events)

    def _end_tracks(self, station: Station) -> None:
        last, station.last = station.last, None
        if last is not None:
            self._report(self._pipeline.end(last), station)

    def _note_changes(self, station: Station) -> None:
        for change in station.feed.changes():
            self._note(station, change)
        status = station.feed.status
        self._metrics.frames_dropped.inc(
            max(0, status.dropped - station.dropped), camera=station.id
        )
        self._metrics.camera_reconnects.inc(
            max(0, status.reconnects - station.reconnects), camera=station.id
        )
        station.dropped, station.reconnects = status.dropped, status.reconnects

    def _note(self, station: Station, change: CameraState) -> None:
        problem = camera_lost(station.id)
        if change.state is Liveness.LOST:
            self._monitor.problem(problem, change.reason or "")
            if not station.lost:
                station.lost = True
                self._end_tracks(station)
                self.say("camera_lost", camera=station.id, reason=change.reason)
        elif change.state is Liveness.LIVE and station.lost:
            station.lost = False
            self.say("camera_recovered", camera=station.id)
            self._monitor.solved(problem)

    def _commit(self, commit: Callable[[], list[Event]]) -> list[Event] | None:
        """What was committed; None where it had no room, which is counted and told later."""
        try:
            events = commit()
        except (StoreFullError, StoreBusyError) as error:
            self._monitor.problem(_OUTBOX, error.message)
            return None
        self.tell_lost()
        if not self._outbox.lost:
            self._monitor.solved(_OUTBOX)
        return events

    def tell_lost(self) -> None:
        """Say how many events are missing, if any are and there is room again."""
        lost = self._outbox.lost
        if not lost:
            return
        try:
            self._reporter.system(
                "outbox_dropped",
                camera=NODE_CAMERA,
                time=time.time(),
                reason="the outbox had no room",
                detail={"events": lost},
            )
        except (StoreFullError, StoreBusyError):
            return
        self._outbox.lost -= lost
        self._monitor.solved(_OUTBOX)
        _log.warning("%d events had no room in the outbox and are lost", lost)
