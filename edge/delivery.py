"""Where committed events go: to a broker, to a file, or nowhere, which leaves them in the outbox.

Whatever it is, it runs on a thread of its own, takes what stands in the outbox in order, and says
how it is: to health, to the metrics, and to those who ask.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from edge.config import Environment, Site
from edge.errors import UsageError
from edge.events.payloads import CameraStatus
from edge.ops.health import HealthMonitor, Progress
from edge.ops.metrics import Metrics
from edge.publish.drain import FileDrain
from edge.publish.mqtt.publisher import MqttPublisher
from edge.store.base import Outbox
from edge.types import Event

_log = logging.getLogger(__name__)

# Name resolution alone may take most of this where nobody answers.
_DEADLINE_S = 120.0

OnDelivered = Callable[[Event], None]


class Delivery:
    """Nowhere: everything stays in the outbox. The others say what differs.

    destination: what events are delivered to, "" for nowhere.
    """

    destination = ""

    def start(self) -> None:
        """Begin. Raises what keeps it from ever working."""

    def stop(self, drain_s: float, *, goodbye: bool) -> None:
        """Deliver what is left for at most so long, and end. goodbye: this is a clean end."""

    def wake(self) -> None:
        """Something was committed; from any thread."""

    def send_picture(self, topic: str, jpeg: bytes) -> None:
        """Deliver a snapshot, where that is possible."""

    def set_status(self, camera: str, status: CameraStatus | None) -> None:
        """What is to be said of a camera from now on; None: it is gone."""

    def look(self, monitor: HealthMonitor, metrics: Metrics) -> None:
        """Tell health and the metrics how things are."""

    def as_json(self) -> Mapping[str, object]:
        """How things are, for the control socket."""
        return {}


class _ToBroker(Delivery):
    """To the broker of ``[mqtt]``."""

    destination = "broker"

    def __init__(self, publisher: MqttPublisher) -> None:
        self._publisher = publisher
        self._reconnects = 0

    def start(self) -> None:
        self._publisher.start()

    def stop(self, drain_s: float, *, goodbye: bool) -> None:
        self._publisher.stop(drain_s, goodbye=goodbye)

    def wake(self) -> None:
        self._publisher.wake()

    def send_picture(self, topic: str, jpeg: bytes) -> None:
        self._publisher.send_picture(topic, jpeg)

    def set_status(self, camera: str, status: CameraStatus | None) -> None:
        self._publisher.set_status(camera, status)

    def look(self, monitor: HealthMonitor, metrics: Metrics) -> None:
        state = self._publisher.state
        metrics.queue_depth.set(state.in_flight, queue="mqtt")
        metrics.mqtt_connected.set(state.connected)
        metrics.mqtt_reconnects.inc(max(0, state.reconnects - self._reconnects))
        self._reconnects = state.reconnects
        _tell(monitor, "mqtt", "" if state.connected else state.words)
        refusing = f"the broker refuses {state.refusing} events; they are kept and tried again"
        _tell(monitor, "mqtt_refused", refusing if state.refusing else "")

    def as_json(self) -> Mapping[str, object]:
        state = self._publisher.state
        return {
            "mqtt": {
                "connected": state.connected,
                "reason": state.reason.value,
                "detail": state.detail,
                "remedy": state.remedy,
                "published": state.published,
                "refused": state.refused,
                "refusing": state.refusing,
                "reconnects": state.reconnects,
                "outbox": state.outbox,
            }
        }


class _ToFile(Delivery):
    """To a file of JSON lines."""

    destination = "file"

    def __init__(self, drain: FileDrain, path: Path) -> None:
        self._drain = drain
        self._path = path

    def start(self) -> None:
        self._drain.start()

    def stop(self, drain_s: float, *, goodbye: bool) -> None:
        self._drain.stop(drain_s)

    def wake(self) -> None:
        self._drain.wake()

    def look(self, monitor: HealthMonitor, metrics: Metrics) -> None:
        _tell(monitor, "events_file", self._drain.trouble)

    def as_json(self) -> Mapping[str, object]:
        return {
            "events_file": {
                "path": str(self._path),
                "written": self._drain.written,
                "trouble": self._drain.trouble,
            }
        }


def delivery_of(
    site: Site,
    *,
    events: Path | None,
    outbox: Outbox,
    environment: Environment,
    monitor: HealthMonitor,
    progress: Progress,
    on_delivered: OnDelivered,
) -> Delivery:
    """What the site file and ``--events`` ask for, not yet started.

    Raises UsageError where they ask for both a broker and a file.
    """
    if site.mqtt is not None and events is not None:
        raise UsageError(
            "events go to one place",
            expected="[mqtt] in the site file, or --events",
            found="both",
            remedy="Leave --events out, and read the events from the broker.",
        )
    if events is not None:
        stage = progress.stage("events", deadline_s=_DEADLINE_S)
        drain = FileDrain(events, outbox=outbox, on_written=on_delivered, beat=stage.beat)
        monitor.watch("events", lambda: drain.fault)
        return _ToFile(drain, events)
    if site.mqtt is None:
        _log.warning("neither [mqtt] in the site file nor --events: events stay in the outbox")
        return Delivery()
    stage = progress.stage("mqtt", deadline_s=_DEADLINE_S)
    publisher = MqttPublisher(
        site.mqtt,
        site=site.site.id,
        node=site.site.node,
        outbox=outbox,
        credentials=environment.credentials_directory,
        on_acknowledged=on_delivered,
        beat=stage.beat,
    )
    monitor.watch("mqtt", lambda: publisher.fault)
    return _ToBroker(publisher)


def _tell(monitor: HealthMonitor, name: str, trouble: str) -> None:
    if trouble:
        monitor.problem(name, trouble)
    else:
        monitor.solved(name)
