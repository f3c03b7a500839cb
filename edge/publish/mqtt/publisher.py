"""The outbox to a broker: one thread, one connection at a time, nothing lost between the two.

An event leaves the outbox only when the broker has acknowledged it with success. paho's own queue
is never used: at most ``window`` events are handed over, only while connected, and after a loss
they are sent again from the outbox, in order. So an event may arrive twice, with the same id, but
only one that was in the window when a connection or this process ended.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag
from threading import Lock

from edge.closing import Running
from edge.config import Mqtt
from edge.events.names import AVAILABILITY_TOPIC, STATUS_TOPIC
from edge.events.payloads import CameraStatus
from edge.ids import require_id
from edge.ops.worker import Worker
from edge.publish.mqtt.courier import TICK_S, Courier
from edge.publish.mqtt.credentials import Credentials
from edge.publish.mqtt.link import Link, Will
from edge.publish.mqtt.pictures import Pictures
from edge.publish.mqtt.retained import Retained
from edge.publish.mqtt.state import Condition, MqttState, Reason
from edge.publish.mqtt.window import Window
from edge.store.base import Outbox
from edge.types import Event

_log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
# How long the broker may take to accept a connection.
WELCOME_S = 5.0
# A connection that held so long was a good one: the next loss starts with short pauses again.
_SETTLED_S = 10.0

# What a broker does to a connection with an event that it cannot stand.
_HUNG_UP = (Reason.LOST, Reason.REFUSED, Reason.PROTOCOL, Reason.UNANSWERED)


class MqttPublisher(Running):
    """Sends what stands in the outbox to the broker of ``[mqtt]``, from ``start`` to ``stop``.

    outbox: open, and stays so until after ``stop``. credentials: systemd's folder of them, if any.
    window: most events that are sent twice when a connection or the process ends. on_acknowledged:
    is given every event that the broker took, on the publisher's thread; it must be quick and must
    not raise. beat: called at least every few seconds while the thread goes on; a name that does
    not resolve may hold it up for longer. clock: seconds, monotonic.

    Raises UsageError for ids that are none.
    """

    def __init__(
        self,
        settings: Mqtt,
        *,
        site: str,
        node: str,
        outbox: Outbox,
        credentials: Path | None = None,
        window: int = 20,
        keepalive_s: int = 10,
        on_acknowledged: Callable[[Event], None] | None = None,
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._site = require_id(site, "the site id")
        self._node = require_id(node, "the node id")
        self._availability = AVAILABILITY_TOPIC.format(site=site, node=node)
        self._credentials = Credentials(settings, credentials)
        self._keepalive_s = keepalive_s
        self._clock = clock
        self._window = Window(outbox, size=window)
        self._retained = Retained()
        self._pictures = Pictures()
        self._courier = Courier(
            window=self._window,
            retained=self._retained,
            pictures=self._pictures,
            clock=clock,
            on_acknowledged=on_acknowledged,
            beat=beat,
        )
        self._beat = beat
        self._worker: Worker | None = None
        self._stopping = Flag()
        self._stop_by = 0.0
        self._goodbye = True
        self._wake = -1
        self._wake_lock = Lock()
        self._fault: BaseException | None = None
        self._connected = False
        self._condition = Condition(Reason.STOPPED)
        self._told: Reason | None = None
        self._since = clock()
        self._connections = 0

    @property
    def state(self) -> MqttState:
        """Where things stand; from any thread."""
        return MqttState(
            connected=self._connected,
            reason=self._condition.reason,
            detail=self._condition.detail,
            since=self._since,
            in_flight=self._window.in_flight,
            published=self._courier.published,
            refused=self._courier.refused,
            refusing=self._window.refusing,
            reconnects=max(self._connections - 1, 0),
            pictures_sent=self._pictures.sent,
            pictures_dropped=self._pictures.dropped,
            outbox=self._courier.outbox_fault,
        )

    @property
    def fault(self) -> BaseException | None:
        """What ended the thread, where it ended by itself: a damaged outbox, or a defect."""
        worker = self._worker
        return self._fault if worker is None else worker.fault

    def start(self) -> None:
        """Begin to connect and to send; returns at once. A second call does nothing."""
        if self._worker is not None:
            return
        self._stopping.clear()
        self._fault = None
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._note(Condition(Reason.CONNECTING))
        self._retained.set(self._availability, b"online")
        if self._settings.username is not None and not self._credentials.use_tls:
            _log.warning("[mqtt] sends the password as plain text: set ca_file to encrypt")
        self._worker = Worker("mqtt", self._run)
        self._worker.start()

    def stop(self, drain_s: float = 1.0, *, goodbye: bool = True) -> None:
        """Send what is left for at most ``drain_s``, say ``stopped``, and end the thread.

        goodbye: False where this is no clean end: then the broker says ``offline``.
        Takes at most a second more than drain_s, or until a connection attempt under way ends.
        Raises what ended the thread before, if it ended by itself. A second call does nothing.
        """
        if self._worker is None:
            return
        self._stop_by = self._clock() + drain_s
        self._goodbye = goodbye
        self._stopping.set()
        self.wake()
        try:
            self._worker.join()
        finally:
            self._fault, self._worker = self._worker.fault, None
            with self._wake_lock:
                os.close(self._wake)
                self._wake = -1

    def wake(self) -> None:
        """Something was committed to the outbox; from any thread, at any time."""
        with self._wake_lock:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def set_status(self, camera: str, status: CameraStatus | None) -> None:
        """What the camera's status topic should say from now on; None: nothing, it is gone."""
        topic = STATUS_TOPIC.format(
            site=self._site, node=self._node, camera=require_id(camera, "the camera id")
        )
        payload = b"" if status is None else status.model_dump_json().encode("utf-8")
        self._retained.set(topic, payload)
        self.wake()

    def send_picture(self, topic: str, jpeg: bytes) -> None:
        """Send a snapshot soon, or not at all: it is on the disk, and events come first."""
        self._pictures.put(topic, jpeg)
        self.wake()

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = self._clock()
            link = self._connect_and_serve()
            if link.welcomed and self._clock() - began > _SETTLED_S:
                pause, self._told = FIRST_PAUSE_S, None
            self._note(link.lost or Condition(Reason.STOPPED))
            # Jittered, so that a site full of cameras does not come back all at once.
            self._stopping.wait(random.uniform(pause / 2, pause))
            pause = min(pause * 2, LONGEST_PAUSE_S)
        self._note(Condition(Reason.STOPPED))

    def _connect_and_serve(self) -> Link:
        """One connection, from dialling to its end."""
        self._beat()
        link = Link(
            self._settings,
            client_id=f"edgewarden:{self._site}:{self._node}",
            will=Will(self._availability, b"offline"),
            credentials=self._credentials,
            keepalive_s=self._keepalive_s,
        )
        try:
            link.dial()
            self._await_welcome(link)
            if link.welcomed:
                self._serve(link)
        finally:
            link.drop()
            self._connected = False
            hung_up = link.lost is not None and link.lost.reason in _HUNG_UP
            self._window.lost(self._clock(), hung_up=hung_up)
        return link

    def _await_welcome(self, link: Link) -> None:
        deadline = self._clock() + WELCOME_S
        while link.lost is None and not link.welcomed:
            left = deadline - self._clock()
            if left <= 0:
                link.drop(Reason.SILENT)
            elif self._stopping.is_set():
                link.drop()
            else:
                self._courier.turn(link, min(left, TICK_S), self._wake)

    def _serve(self, link: Link) -> None:
        """Carry what there is until the connection is lost or the publisher has to stop."""
        self._connections += 1
        self._connected = True
        self._note(Condition(Reason.CONNECTED))
        self._courier.serve(link, wake=self._wake, may_leave=self._may_leave)
        if link.lost is None and self._goodbye:
            self._courier.say_last(link, self._availability, b"stopped", wake=self._wake)

    def _may_leave(self) -> bool:
        return self._stopping.is_set() and (self._window.drained or self._clock() >= self._stop_by)

    def _note(self, condition: Condition) -> None:
        """Keep why things are as they are, and say so when it is news."""
        if condition.reason is not self._condition.reason:
            self._since = self._clock()
        self._condition = condition
        fine = condition.reason in (Reason.CONNECTING, Reason.CONNECTED, Reason.STOPPED)
        if fine:
            level = logging.INFO
        else:
            # A connection that comes and goes is no news until one has lasted.
            level = logging.DEBUG if condition.reason is self._told else logging.WARNING
            self._told = condition.reason
        broker = f"{self._settings.host}:{self._settings.port}"
        _log.log(level, "%s: %s%s", broker, "" if fine else "no connection: ", condition)
