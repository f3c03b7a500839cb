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
from edge.errors import EdgewardenError, StoreBusyError, StoreFullError
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

# Of the loop's time, what a guest leaves to the cameras for each part that it takes.
_GUEST_LEAVES = 3.0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What makes committed events of frames.

    on_scene: is shown every analysed scene with its committed events.
    """

    pipeline: Pipeline
    reporter: Reporter
    on_scene: OnScene


@dataclass(slots=True, kw_only=True)
class Guest:
    """One more camera for a while, on a line of its own.

    It comes after the others, and takes a quarter of the loop's time at most. Whoever brings it
    looks after its feed, whose changes are told to nobody. fault: what its feed or its line failed
    of; it is not looked at any more then. free_at: when it may be looked at again, monotonic
    seconds. shown, analysed: frames of it that came, and those that its gate let pass.
    """

    station: Station
    line: Line
    fault: EdgewardenError | None = None
    free_at: float = 0.0
    shown: int = 0
    analysed: int = 0


class LiveLoop:
    """Turns frames into committed events.

    line: of the stations. guest: a camera beside them. What has no room in the outbox is counted
    and said when there is room again; the loop goes on.
    """

    def __init__(
        self,
        stations: Sequence[Station],
        *,
        line: Line,
        outbox: MeteredOutbox,
        metrics: Metrics,
        monitor: HealthMonitor,
        guest: Guest | None = None,
    ) -> None:
        self._stations = list(stations)
        self._line = line
        self._outbox = outbox
        self._metrics = metrics
        self._monitor = monitor
        self.guest = guest

    def turn(self, timeout_s: float) -> None:
        """Wait for frames for at most so long, and deal with everything that there is."""
        ready = self._wait(timeout_s)
        fresh: list[tuple[Station, Frame]] = []
        for station in self._stations:
            self._note_changes(station)
            frame = station.feed.newest() if station.feed.fileno() in ready else None
            if frame is not None and self._is_due(station, frame):
                fresh.append((station, frame))
        self._metrics.queue_depth.set(len(ready), queue="frames")
        if fresh:
            self._analyse(fresh)
        if self.guest is not None:
            self._serve(self.guest, ready)

    def end(self, camera: str | None = None) -> None:
        """End every track, or those of one camera; a guest's go on."""
        for station in self._stations:
            if camera in (None, station.id):
                self._end_tracks(station)

    def dismiss_guest(self) -> None:
        """End the guest's tracks, and look at it no more. What fails then is its ``fault`` too."""
        guest, self.guest = self.guest, None
        if guest is None or guest.station.last is None or guest.fault is not None:
            return
        last, guest.station.last = guest.station.last, None
        try:
            scene = guest.line.pipeline.end(last)
        except EdgewardenError as error:
            _log.error("the tracks of %s could not be ended: %s", guest.station.id, error)
            guest.fault = error
            return
        self._report(scene, guest.station, guest.line)

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
        events = self.commit(
            lambda: self._line.reporter.system(
                name, camera=camera, time=time_, reason=reason, detail=detail, phase=phase
            )
        )
        return events is not None

    def commit(self, commit: Callable[[], list[Event]]) -> list[Event] | None:
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

    def _wait(self, timeout_s: float) -> set[object]:
        """Wait until there is something to look at; the descriptors of what there is."""
        feeds = [station.feed.fileno() for station in self._stations]
        guest = self.guest
        if guest is not None and guest.fault is None:
            resting = guest.free_at - time.monotonic()
            if resting > 0:
                timeout_s = min(timeout_s, resting)
            else:
                feeds.append(guest.station.feed.fileno())
        if not feeds:
            time.sleep(timeout_s)  # nothing to wait for returns at once
        return set(wait(feeds, timeout_s))

    def _analyse(self, fresh: Sequence[tuple[Station, Frame]]) -> None:
        stations = {frame.camera: station for station, frame in fresh}
        for scene in self._line.pipeline.step([frame for _, frame in fresh]):
            self._report(scene, stations[scene.frame.camera], self._line)
        for station, frame in fresh:
            station.last = frame
            self._metrics.frames_analysed.inc(camera=station.id)

    def _serve(self, guest: Guest, ready: set[object]) -> None:
        """Look at the guest; what goes wrong there is its own business."""
        station = guest.station
        if guest.fault is not None or station.feed.fileno() not in ready:
            return
        began = time.monotonic()
        try:
            frame = station.feed.newest()
            if frame is not None:
                self._look_at(guest, frame)
        except EdgewardenError as error:
            guest.fault = error
            return
        now = time.monotonic()
        guest.free_at = now + _GUEST_LEAVES * (now - began)

    def _look_at(self, guest: Guest, frame: Frame) -> None:
        guest.shown += 1
        if not guest.station.gate.passes(frame.image):
            return
        for scene in guest.line.pipeline.step([frame]):
            self._report(scene, guest.station, guest.line)
        guest.station.last = frame
        guest.analysed += 1

    def _is_due(self, station: Station, frame: Frame) -> bool:
        self._metrics.frames_seen.inc(camera=station.id)
        self._metrics.stage_seconds.observe(max(0.0, time.time() - frame.time), stage="capture")
        if station.last is not None and frame.index <= station.last.index:
            self._end_tracks(station)  # the source began anew, and with it the tracker has to
        return station.gate.passes(frame.image)

    def _report(self, scene: Scene, station: Station, line: Line) -> None:
        events = self.commit(lambda: line.reporter.report(scene, station.view))
        if events is not None:
            line.on_scene(scene, events)

    def _end_tracks(self, station: Station) -> None:
        last, station.last = station.last, None
        if last is not None:
            self._report(self._line.pipeline.end(last), station, self._line)

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

    def tell_lost(self) -> None:
        """Say how many events are missing, if any are and there is room again."""
        lost = self._outbox.lost
        if not lost:
            return
        try:
            self._line.reporter.system(
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
