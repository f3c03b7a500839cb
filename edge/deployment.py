"""One site file at work: its models, gallery, rules and cameras.

A reload makes a second deployment beside the first. ``prepare`` does everything that can fail, and
only then does ``take_over`` touch what runs: a reload happens whole, or nothing has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edge.assembly import LoadedModels, gallery_path, load_gallery, load_models
from edge.capture.feed import CameraFeed
from edge.capture.live import LiveCamera
from edge.config import Camera, Site
from edge.gallery.matcher import Gallery
from edge.loop import Line, LiveLoop, OnScene, Station
from edge.ops.health import Fault, HealthMonitor, Progress
from edge.ops.metrics import Metrics
from edge.pipeline import Pipeline, Scene, Timed
from edge.reporter import CameraView, Reporter
from edge.rules.engine import RuleEngine
from edge.snapshots import SnapshotTaker, snapshot_store
from edge.store.metered import MeteredOutbox
from edge.store.snapshots import SnapshotStore
from edge.troubles import camera_lost
from edge.types import Event

# A camera whose watching thread does nothing for so long is watched by nobody.
_WATCH_DEADLINE_S = 30.0

Fingerprint = tuple[tuple[int, int, int] | None, ...]

# A camera of the site file and what its feed beats by, to the feed.
FeedOf = Callable[[Camera, Callable[[], None]], CameraFeed]


def live_camera(camera: Camera, beat: Callable[[], None]) -> CameraFeed:
    """The feed of a camera that is what the site file says."""
    return LiveCamera(camera, beat=beat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What a daemon is shown, and who looks on.

    feed_of: makes the feed of each camera. on_scene: is shown every analysed scene with its
    committed events. synthetic: whether the pictures are made up, which every event then says.
    drain_s: how long the end may wait for events to be delivered.
    """

    feed_of: FeedOf = live_camera
    on_scene: OnScene = lambda scene, events: None
    synthetic: bool = False
    drain_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a deployment works with and a reload leaves alone.

    send_picture: hands a JPEG for a topic to the broker, if there is one. synthetic: whether what
    the cameras show is made up, which every event then says. feed_of, on_scene: as in Showing.
    """

    outbox: MeteredOutbox
    metrics: Metrics
    monitor: HealthMonitor
    progress: Progress
    send_picture: Callable[[str, bytes], None]
    synthetic: bool = False
    feed_of: FeedOf = live_camera
    on_scene: OnScene = lambda scene, events: None

    def timed(self) -> Timed:
        """What measures the pipeline's stages."""
        return lambda stage: self.metrics.stage_seconds.time(stage=stage)


class Deployment:
    """Runs one site between ``take_over`` and ``close``."""

    def __init__(self, site: Site, surroundings: Surroundings) -> None:
        self.site = site
        self._around = surroundings
        self._owned = ExitStack()
        self._loaded: LoadedModels | None = None
        self._gallery: Gallery | None = None
        self._gallery_seen: Fingerprint = ()
        # Over a changed gallery too, or every cooldown would be forgotten.
        self._rules = RuleEngine(site.rules, timezone=site.tz)
        self._snapshots: SnapshotStore | None = None
        self._taker: SnapshotTaker | None = None
        self._loop: LiveLoop | None = None
        self.stations: dict[str, Station] = {}

    @property
    def loop(self) -> LiveLoop:
        """The loop, from ``take_over`` on."""
        assert self._loop is not None
        return self._loop

    def prepare(self) -> None:
        """Load and verify models, gallery and cameras, starting nothing.

        Raises their errors, MediaError for a camera that can never be opened here; nothing is left
        open then.
        """
        with ExitStack() as owned:
            self._loaded = owned.enter_context(load_models(self.site))
            self._gallery = self._load_gallery()
            self._taker = self._make_taker(owned)
            self.stations = {c.id: _station(c, self._around.feed_of) for c in self.site.cameras}
            self._owned = owned.pop_all()

    def take_over(self, before: Deployment | None = None) -> None:
        """Begin: cameras whose source did not change keep running, the others start and stop."""
        if before is not None:
            before.end_tracks()
            self._inherit(before)
            before.close()
        for name, station in self.stations.items():
            self._around.metrics.add_camera(name)
            self._around.monitor.watch(f"camera:{name}", _fault_of(station))
            if station.stage is None:
                station.stage = self._around.progress.stage(
                    f"camera:{name}", deadline_s=_WATCH_DEADLINE_S
                )
            station.feed.start()
        self._loop = self._make_loop()

    @property
    def loaded(self) -> LoadedModels:
        """The models, from ``prepare`` on."""
        assert self._loaded is not None
        return self._loaded

    @property
    def gallery_has_changed(self) -> bool:
        """Whether somebody was enrolled or erased since it was read."""
        return _fingerprint(gallery_path(self.site)) != self._gallery_seen

    def refresh_gallery(self) -> None:
        """Recognise with what is enrolled now: tracks end, and faces are looked at anew.

        Raises the store's errors; the old gallery stays in use then.
        """
        self._gallery = self._load_gallery()
        self.end_tracks()
        self._loop = self._make_loop()

    def end_tracks(self) -> None:
        """End every track and commit what that says."""
        if self._loop is not None:
            self._loop.end()

    def close(self) -> None:
        """Stop the cameras that are still this deployment's, and release the models."""
        for station in self.stations.values():
            station.feed.ask_to_stop()  # all begin to end before any is waited for
        with self._owned:
            for name, station in self.stations.items():
                station.feed.stop()
                if station.stage is not None:
                    station.stage.end()
                self._around.metrics.remove_camera(name)
                self._around.monitor.forget(f"camera:{name}")
                self._around.monitor.solved(camera_lost(name))
            self.stations = {}
            self._loop = None

    def _inherit(self, before: Deployment) -> None:
        """Take running cameras over; the loop that had them has ended their tracks."""
        old = {camera.id: camera for camera in before.site.cameras}
        for camera in self.site.cameras:
            if camera.id not in old:
                continue
            if _capture(old[camera.id]) == _capture(camera):
                running = before.stations.pop(camera.id)
                running.view = self.stations[camera.id].view
                self.stations[camera.id] = running
            else:  # one that was lost is still to be told recovered
                self.stations[camera.id].lost = before.stations[camera.id].lost

    def sweep_snapshots(self, now: float) -> None:
        """Remove the pictures that are too old. now: seconds since the epoch.

        Raises OutputError where that fails.
        """
        if self._snapshots is not None:
            self._snapshots.sweep(now)

    def _make_taker(self, owned: ExitStack) -> SnapshotTaker | None:
        settings = self.site.snapshots
        if settings is None:
            return None
        store = self._snapshots = snapshot_store(settings, self.site.site.state_dir)
        return SnapshotTaker(settings, owned.enter_context(store))

    def _show(self, scene: Scene, events: Sequence[Event]) -> None:
        self._around.on_scene(scene, events)
        if self._taker is None:
            return
        for picture in self._taker.take(scene, events):
            if self.site.snapshots is not None and self.site.snapshots.mqtt:
                self._around.send_picture(picture.topic, picture.jpeg)

    def _load_gallery(self) -> Gallery | None:
        recogniser = self.loaded.models.recogniser
        seen = _fingerprint(gallery_path(self.site))
        gallery = load_gallery(self.site, recogniser.space) if recogniser else None
        self._gallery_seen = seen
        return gallery

    def _make_loop(self) -> LiveLoop:
        loaded, around = self.loaded, self._around
        reporter = Reporter(
            site=self.site.site.id,
            node=self.site.site.node,
            outbox=around.outbox,
            rules=self._rules,
            threshold=loaded.point.threshold if loaded.point else None,
            models=loaded.references,
            synthetic=around.synthetic,
            timezone=self.site.tz,
            acts=loaded.acts,
        )
        pipeline = Pipeline(
            loaded.models,
            gallery=self._gallery,
            point=loaded.point,
            watched=[camera.id for camera in self.site.cameras if camera.behaviours],
            timed=around.timed(),
        )
        return LiveLoop(
            list(self.stations.values()),
            line=Line(pipeline=pipeline, reporter=reporter, on_scene=self._show),
            outbox=around.outbox,
            metrics=around.metrics,
            monitor=around.monitor,
            guest=self._loop.guest if self._loop is not None else None,
        )


def _fault_of(station: Station) -> Fault:
    return lambda: station.feed.fault


def _station(camera: Camera, feed_of: FeedOf) -> Station:
    view = CameraView(
        id=camera.id, rules_as=camera.id, zones=camera.zones, behaviours=camera.behaviours
    )
    station = Station(feed_of(camera, lambda: station.beat()), view)
    return station


def _fingerprint(database: Path) -> Fingerprint:
    """What changes when a SQLite database or its log is written."""
    found: list[tuple[int, int, int] | None] = []
    for path in (database, database.with_name(f"{database.name}-wal")):
        try:
            facts = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((facts.st_mtime_ns, facts.st_size, facts.st_ino))
    return tuple(found)


def _capture(camera: Camera) -> tuple[object, ...]:
    """What a running capture depends on."""
    return camera.source, camera.loop, camera.fps
