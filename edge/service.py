"""The daemon as a process: one state directory, cameras, publisher, signals, reload, clean end."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from edge.capture.feed import CameraState
from edge.config import Environment, Site, load_site
from edge.deployment import Deployment, Surroundings
from edge.errors import EdgewardenError, UsageError
from edge.ops.control import ControlServer
from edge.ops.exporter import Exporter
from edge.ops.health import HealthMonitor, Progress
from edge.ops.heartbeat import Heartbeat
from edge.ops.lock import StateLock
from edge.ops.metrics import Metrics
from edge.ops.notify import Notifier
from edge.publish.mqtt.publisher import MqttPublisher
from edge.store.metered import MeteredOutbox
from edge.types import Event
from edge.upkeep import Upkeep

_log = logging.getLogger(__name__)

_TURN_S = 0.25
_LOOP_DEADLINE_S = 30.0
_DRAIN_S = 1.0
_OUTBOX_BYTES = 256 * 1024**2


class Service:
    """``edgewarden run``: from ``run`` to SIGTERM, SIGINT or ``stop``.

    SIGHUP reloads the site file. environment: what systemd told the process.
    """

    def __init__(self, config: Path, *, environment: Environment) -> None:
        self._config = config
        self._environment = environment
        self._stop = False
        self._ended_cleanly = False
        self._reload = False
        self._progress = Progress()
        self._monitor = HealthMonitor(self._progress)
        self._notifier = Notifier(environment.notify_socket)
        self._metrics = Metrics(processes=self._processes)
        self._deployment: Deployment | None = None
        self._publisher: MqttPublisher | None = None
        self._outbox: MeteredOutbox | None = None

    def stop(self) -> None:
        """Ask for a clean end; from any thread or a signal handler."""
        self._stop = True

    def reload(self) -> None:
        """Ask for a reload; from any thread or a signal handler."""
        self._reload = True

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
                send_picture=self._send_picture,
            )
            deployment = self._deployment = Deployment(site, surroundings)
            deployment.prepare()
            self._start_publisher(site, outbox, stack)
            stack.callback(self._close_deployment)
            deployment.take_over()
            self._start_operations(site, stack)
            self._serve(surroundings)

    def _serve(self, surroundings: Surroundings) -> None:
        """Turn the loop until the end is asked for, and end in order."""
        assert self._deployment is not None
        upkeep = Upkeep(
            outbox=surroundings.outbox,
            metrics=self._metrics,
            monitor=self._monitor,
            progress=self._progress,
            publisher=self._publisher,
        )
        with self._progress.stage("loop", deadline_s=_LOOP_DEADLINE_S) as stage:
            self._deployment.loop.say("started")
            self._monitor.ready()
            self._notifier.ready("watching")
            while not self._stop:
                self._deployment.loop.turn(_TURN_S)
                stage.beat()
                upkeep.look(self._deployment)
                if self._reload:
                    self._reload = False
                    self._do_reload(surroundings)
        self._monitor.stopping()
        self._notifier.stopping()
        self._deployment.end_tracks()
        self._deployment.loop.say("stopped")
        self._ended_cleanly = True

    def _close_deployment(self) -> None:
        if self._deployment is not None:  # perhaps another one than at the start
            self._deployment.close()

    def _do_reload(self, surroundings: Surroundings) -> None:
        """Put the site file as it is now to work, whole, or leave everything as it is."""
        assert self._deployment is not None
        self._notifier.reloading()
        try:
            site = load_site(self._config)
            _require_reloadable(self._deployment.site, site)
            fresh = Deployment(site, surroundings)
            fresh.prepare()
        except EdgewardenError as error:
            _log.error("reload refused, nothing has changed: %s", error)
            self._monitor.problem("reload", error.message)
        else:
            fresh.take_over(self._deployment)
            self._deployment = fresh
            self._monitor.solved("reload")
            _log.info("reloaded %s", self._config)
        self._notifier.ready()

    def _open_outbox(self, site: Site) -> MeteredOutbox:
        outbox = self._outbox = MeteredOutbox(
            site.site.state_dir / "outbox.db",
            max_bytes=_OUTBOX_BYTES,
            metrics=self._metrics,
            on_commit=self._wake_publisher,
        )
        return outbox

    def _send_picture(self, topic: str, jpeg: bytes) -> None:
        if self._publisher is not None:
            self._publisher.send_picture(topic, jpeg)

    def _wake_publisher(self) -> None:
        if self._publisher is not None:
            self._publisher.wake()

    def _start_publisher(self, site: Site, outbox: MeteredOutbox, stack: ExitStack) -> None:
        if site.mqtt is None:
            _log.warning("no [mqtt] in the site file: events stay in the outbox")
            return
        publisher = self._publisher = MqttPublisher(
            site.mqtt,
            site=site.site.id,
            node=site.site.node,
            outbox=outbox,
            credentials=self._environment.credentials_directory,
            on_acknowledged=self._note_acknowledged,
        )
        self._monitor.watch("mqtt", lambda: publisher.fault)
        publisher.start()
        stack.callback(self._stop_publisher, publisher)

    def _stop_publisher(self, publisher: MqttPublisher) -> None:
        publisher.stop(_DRAIN_S, goodbye=self._ended_cleanly)

    def _note_acknowledged(self, event: Event) -> None:
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
        state = self._publisher.state if self._publisher is not None else None
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
            "outbox": self._outbox.depth(),
            "lost": self._outbox.lost,
            "mqtt": None
            if state is None
            else {
                "connected": state.connected,
                "reason": state.reason.value,
                "published": state.published,
                "reconnects": state.reconnects,
            },
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

        def handler(act: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
            return lambda number, frame: act()

        wanted = {
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


def _require_reloadable(now: Site, fresh: Site) -> None:
    """Raise UsageError where the site file changed what only a restart can change."""
    for name in ("site", "mqtt", "metrics", "control"):
        if getattr(now, name) != getattr(fresh, name):
            raise UsageError(
                f"[{name}] of the site file has changed",
                expected=f"a reload with the same [{name}]",
                remedy="Restart the daemon instead: systemctl restart edgewarden",
            )
