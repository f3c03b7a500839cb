"""What a consumer of events would do: subscribe, and take what comes."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.closing import Running
from edge.config import Mqtt
from edge.errors import EventError, TransientError
from edge.events.cloudevents import from_json

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

_log = logging.getLogger(__name__)

_WELCOME_S = 5.0


@dataclass(frozen=True, slots=True)
class Received:
    """One event as it came. at: when, monotonic seconds."""

    event: dict[str, Any]
    at: float


@dataclass(slots=True)
class _Mail:
    came: list[Received] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)


class Consumer(Running):
    """Receives the events of one device from a broker, each once, from ``start`` to ``stop``.

    Starting raises TransientError where the broker does not answer, or refuses.
    """

    def __init__(
        self,
        broker: Mqtt,
        *,
        site: str,
        node: str,
        clock: Callable[[], float] = time.monotonic,
        welcome_s: float = _WELCOME_S,
    ) -> None:
        self._broker = broker
        self._topic = f"edgewarden/{site}/{node}/+/events/#"
        self._clock = clock
        self._welcome_s = welcome_s
        self._client: Client | None = None
        self._mail = _Mail()
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._refusal = ""

    @property
    def received(self) -> list[Received]:
        """What came so far, in that order; what came twice stands here once."""
        with self._lock:
            return list(self._mail.came)

    def wait_for(self, count: int, timeout_s: float) -> int:
        """Wait until so many have come, but no longer than that; how many have."""
        deadline = self._clock() + timeout_s
        while len(self.received) < count and self._clock() < deadline:
            time.sleep(0.02)
        return len(self.received)

    def forget(self, topics: Iterable[str]) -> None:
        """Have the broker keep nothing under these topics; where it does not, the log says so."""
        client = self._client
        if client is None:
            return
        sent = [client.publish(topic, b"", qos=1, retain=True) for topic in topics]
        deadline = self._clock() + self._welcome_s
        try:
            for info in sent:
                info.wait_for_publish(max(deadline - self._clock(), 0.0))
        except (RuntimeError, ValueError) as error:  # paho's, where the connection is gone
            _log.warning("what the broker keeps of the demo stays there: %s", error)
            return
        if not all(info.is_published() for info in sent):
            _log.warning("what the broker keeps of the demo stays there: it does not answer")

    def start(self) -> None:
        """Connect and subscribe."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.connect_timeout = self._welcome_s
        client.on_connect = self._welcomed
        client.on_subscribe = lambda *_: self._ready.set()
        client.on_message = self._take
        try:
            client.connect(self._broker.host, self._broker.port)
        except (OSError, ValueError) as exc:
            raise self._absent(str(exc)) from exc
        self._client = client
        client.loop_start()
        if not self._ready.wait(self._welcome_s) or self._refusal:
            self.stop()
            raise self._absent(self._refusal or f"no answer within {self._welcome_s:g} s")

    def stop(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _absent(self, found: str) -> TransientError:
        place = f"{self._broker.host}:{self._broker.port}"
        return TransientError(
            f"there is no broker at {place} that lets anybody in",
            expected="an MQTT 5 broker without TLS or password",
            found=found,
            remedy="Start one, name another with --broker HOST[:PORT], or leave --broker out.",
        )

    def _welcomed(
        self,
        client: Client,
        userdata: object,
        flags: object,
        reason: ReasonCode,
        properties: object,
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            self._ready.set()
        else:
            client.subscribe(self._topic, qos=1)

    def _take(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        at = self._clock()
        # Whatever else may publish there: an error here would end the client's thread.
        try:
            from_json(bytes(message.payload))
        except EventError as error:
            _log.info("%s: %s", message.topic, error)
            return
        event = json.loads(message.payload)
        with self._lock:
            if event["id"] not in self._mail.ids:
                self._mail.ids.add(event["id"])
                self._mail.came.append(Received(event, at))
