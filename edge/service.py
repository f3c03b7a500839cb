"""The daemon as a process: one state directory, cameras, publisher, signals, reload, clean end."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType

from edge.capture.feed import CameraState
from edge.config import Environment, Site, load_site
from edge.delivery import Delivery, delivery_of
from edge.deployment import Deployment, Showing, Surroundings
from edge.errors import EdgewardenError, TransientError, UsageError
from edge.ops.control import ControlServer
from edge.ops.exporter import Exporter
from edge.ops.health import HealthMonitor, Progress, Stage
from edge.ops.heartbeat import Heartbeat
from edge.ops.lock import StateLock
from edge.ops.metrics import Metrics
from edge.ops.notify import Notifier
from edge.selftest.run import Outlet, SelfTests, Supplies
from edge.selftest.supplies import pack_supplies
from edge.store.base import Outbox
from edge.store.metered import MeteredOutbox
from edge.types import Event
from edge.upkeep import Upkeep

_log = logging.getLogger(__name__)

_TURN_S = 0.25
_LOOP_DEADLINE_S = 30.0
# Loading models and proving that they compute here what they should.
_RELOAD_DEADLINE_S = 300.0
_OUTBOX_BYTES = 256 * 1024**2


class Service:
    """``edgewarden run``: from ``run`` to SIGTERM, SIGINT or ``stop``.

    SIGHUP reloads the site file. environment: what systemd told the process. events: the file to
    which events go where the site file names no broker; None leaves them in the outbox. on_ready:
    called once, when everything has begun. showing: what stands in for the site's cameras; None
    for those themselves. supplies: what a self-test shows.
    """

    def __init__(
        self,
        config: Path,
        *,
        environment: Environment,
        events: Path | None = None,
        on_ready: Callable[[Site], None] = lambda site: None,
        showing: Showing | None = None,
        supplies: Supplies = pack_supplies,
    ) -> None:
        self._config = config
        self._on_ready = on_ready
        self._showing = showing or Showing()
        self._environment = environment
        self._events = events
        self._stop = False
        self._ended_cleanly = False
        self._reloads: SimpleQueue[Future[object]] = SimpleQueue()
        self._progress = Progress()
        self._monitor = HealthMonitor(self._progress)
        self._notifier = Notifier(environment.notify_socket)
        self._metrics = Metrics(processes=self._processes)
        self._deployment: Deployment | None = None
        self._delivery = Delivery()
        self._outbox: MeteredOutbox | None = None
        self._selftests = SelfTests(supplies)

    def stop(self) -> None:
        """Ask for a clean end; from any thread or a signal handler."""
        self._stop = True

    def reload(self) -> Future[object]:
        """Ask for a reload; from any thread or a signal handler.

        It is done when the site file is at work, and has the error for which it was refused.
        """
        asked: Future[object] = Future()
        self._reloads.put(asked)
        return asked

    def run(self) -> None:
        """Run until asked to stop.

        Raises UsageError for a second daemon on the state directory, and whatever keeps the site
        from being deployed; after that only what no retry can mend.
        """
        site = load_site(self._config)
        with ExitStack() as stack:
            stack.enter_context(StateLock(site.site.state_dir))
            stack.enter_context(self._signals())
            outbox = stack.enter_context(self._open_outbox(site))
            surroundings = Surroundings(
                outbox=outbox,
                metrics=self._metrics,
                monitor=self._monitor,
                progress=self._progress,
                send_picture=lambda topic, jpeg: self._delivery.send_picture(topic, jpeg),
                synthetic=self._showing.synthetic,
                feed_of=self._showing.feed_of,
                on_scene=self._showing.on_scene,
            )
            deployment = self._deployment = Deployment(site, surroundings)
            deployment.prepare()
            self._start_delivery(site, outbox, stack)
            stack.callback(self._close_deployment)
            stack.callback(self._selftests.abandon, "the daemon ended")
            deployment.take_over()
            self._start_operations(site, stack)
            self._serve(surroundings)

    def _serve(self, surroundings: Surroundings) -> None:
        """Turn the loop until the end is asked for, and end in order."""
        assert self._deployment is not None
        outlet = Outlet(
            outbox=surroundings.outbox,
            metrics=self._metrics,
            delivery=self._delivery.destination,
        )
        upkeep = Upkeep(
            outbox=surroundings.outbox,
            metrics=self._metrics,
            monitor=self._monitor,
            delivery=self._delivery,
        )
        with self._progress.stage("loop", deadline_s=_LOOP_DEADLINE_S) as stage:
            self._deployment.loop.say("started")
            self._monitor.ready()
            self._notifier.ready("watching")
            self._on_ready(self._deployment.site)
            while not self._stop:
                self._deployment.loop.turn(self._selftests.step_s or _TURN_S)
                stage.beat()
                upkeep.look(self._deployment)
                self._reload_if_asked(surroundings, stage)
                self._selftests.look(self._deployment, outlet)
        self._monitor.stopping()
        self._notifier.stopping()
        self._selftests.abandon("the daemon was stopped")
        self._deployment.end_tracks()
        upkeep.finish(self._deployment)
        self._deployment.loop.say("stopped")
        self._ended_cleanly = True

    def _close_deployment(self) -> None:
        if self._deployment is not None:  # perhaps another one than at the start
            self._deployment.close()

    def _reload_if_asked(self, surroundings: Surroundings, stage: Stage) -> None:
        """Reload once for all who asked by now, and tell them how it went."""
        asked = list(_taken(self._reloads))
        if not asked:
            return
        self._selftests.abandon("a reload was asked for")
        stage.beat(within_s=_RELOAD_DEADLINE_S)
        self._notifier.reloading()
        error = self._do_reload(surroundings)
        self._notifier.ready()
        stage.beat()
        for one in asked:
            if error is None:
                one.set_result(None)
            else:
                one.set_exception(error)

    def _do_reload(self, surroundings: Surroundings) -> EdgewardenError | None:
        """Put the site file as it is now to work, whole, or leave everything as it is."""
        assert self._deployment is not None
        try:
            site = load_site(self._config)
            _require_reloadable(self._deployment.site, site)
            fresh = Deployment(site, surroundings)
            fresh.prepare()
        except EdgewardenError as error:
            _log.error("reload refused, nothing has changed: %s", error)
            self._monitor.problem("reload", error.message)
            return error
        # Whatever goes wrong from here on, the new one has cameras that run and must be closed.
        before, self._deployment = self._deployment, fresh
        fresh.take_over(before)
        self._monitor.solved("reload")
        _log.info("reloaded %s", self._config)
        return None

    def _open_outbox(self, site: Site) -> MeteredOutbox:
        outbox = self._outbox = MeteredOutbox(
            site.site.state_dir / "outbox.db",
            max_bytes=_OUTBOX_BYTES,
            metrics=self._metrics,
            on_commit=lambda: self._delivery.wake(),
        )
        return outbox

    def _start_delivery(self, site: Site, outbox: MeteredOutbox, stack: ExitStack) -> None:
        delivery = self._delivery = delivery_of(
            site,
            events=self._events,
            outbox=outbox,
            environment=self._environment,
            monitor=self._monitor,
            progress=self._progress,
            on_delivered=self._note_delivered,
        )
        delivery.start()
        drain_s = self._showing.drain_s
        stack.callback(lambda: delivery.stop(drain_s, goodbye=self._ended_cleanly))

    def _note_delivered(self, event: Event) -> None:
        self._selftests.note_delivered(event)
        self._metrics.stage_seconds.observe(max(0.0, time.time() - event.time), stage="publish")

    def _start_operations(self, site: Site, stack: ExitStack) -> None:
        """What others look at the daemon through: systemd, metrics, the control socket."""
        heartbeat = Heartbeat(
            monitor=self._monitor,
            notifier=self._notifier,
            watchdog_s=self._environment.watchdog_s,
        )
        self._monitor.watch("heartbeat", lambda: heartbeat.fault)
        stack.enter_context(heartbeat)
        socket = site.control_socket
        control = ControlServer(
            socket,
            handlers={
                "status": lambda request: self.status(),
                "reload": lambda request: self.reload(),
                "stop": lambda request: self.stop(),
                "selftest": self._selftests.ask,
            },
        )
        self._monitor.watch("control", lambda: control.fault)
        stack.enter_context(control)
        if site.metrics is not None:
            exporter = Exporter(
                site.metrics.listen,
                metrics=self._metrics.text,
                health=lambda: self._monitor.report,
            )
            self._monitor.watch("exporter", lambda: exporter.fault)
            stack.enter_context(exporter)

    def status(self) -> Mapping[str, object]:
        """How the daemon is, for the control socket and ``edgewarden doctor``."""
        assert self._outbox is not None
        return {
            **self._monitor.report.as_json(),
            "pid": os.getpid(),
            "cameras": {
                name: {
                    "state": status.state.value,
                    "fps": round(status.fps, 1),
                    "reason": status.reason,
                    "reconnects": status.reconnects,
                    "dropped": status.dropped,
                }
                for name, status in self._camera_states().items()
            },
            "lost": self._outbox.lost,
            **_outbox_status(self._outbox),
            "mqtt": None,
            "events_file": None,
            "selftest": self._selftests.last,
            **self._delivery.as_json(),
        }

    def _camera_states(self) -> dict[str, CameraState]:
        deployment = self._deployment
        stations = dict(deployment.stations) if deployment is not None else {}
        return {name: station.feed.status for name, station in stations.items()}

    def _processes(self) -> Mapping[str, int]:
        deployment = self._deployment
        stations = dict(deployment.stations) if deployment is not None else {}
        pids = {f"capture-{name}": station.feed.pid for name, station in stations.items()}
        return {"daemon": os.getpid(), **{name: pid for name, pid in pids.items() if pid}}

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end, SIGHUP reloads, for as long as this holds."""

        def handler(act: Callable[[], object]) -> Callable[[int, FrameType | None], object]:
            return lambda number, frame: act()

        wanted: dict[signal.Signals, Callable[[], object]] = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
            signal.SIGHUP: self.reload,
        }
        before = {number: signal.signal(number, handler(act)) for number, act in wanted.items()}
        try:
            yield
        finally:
            for number, old in before.items():
                signal.signal(number, old)


def _taken(queue: SimpleQueue[Future[object]]) -> Iterator[Future[object]]:
    """Everything that waits in a queue."""
    with suppress(Empty):
        while True:
            yield queue.get_nowait()


def _outbox_status(outbox: Outbox) -> Mapping[str, object]:
    """How many events wait, and the age in seconds of the first; None where that cannot be told."""
    try:
        depth, oldest = outbox.depth(), outbox.oldest()
    except TransientError as error:
        _log.info("outbox: %s", error)
        return {"outbox": None, "outbox_oldest_s": None}
    age = 0.0 if oldest is None else max(0.0, time.time() - oldest)
    return {"outbox": depth, "outbox_oldest_s": round(age, 1)}


def _require_reloadable(now: Site, fresh: Site) -> None:
    """Raise UsageError where the site file changed what only a restart can change."""
    for name in ("site", "mqtt", "metrics", "control"):
        if getattr(now, name) != getattr(fresh, name):
            raise UsageError(
                f"[{name}] of the site file has changed",
                expected=f"a reload with the same [{name}]",
                remedy="Restart the daemon instead: systemctl restart edgewarden",
            )
