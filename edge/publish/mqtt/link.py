"""One connection to the broker, from the first packet to its end; there is a new one every time.

paho keeps unacknowledged messages and sends them all at once when it connects again, whatever the
broker can take. So its client lives for one connection only, and what has to survive is elsewhere.
"""

from __future__ import annotations

import select
import socket
import struct
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import Mqtt
from edge.publish.mqtt.conditions import of_code, of_dialling, of_files, of_loss
from edge.publish.mqtt.credentials import Credentials
from edge.publish.mqtt.state import Condition, Reason

# For the network connection and for each step of the TLS handshake; a stop waits no longer.
CONNECT_TIMEOUT_S = 2.5

_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_FAILED = 0x80
_MOST_IN_FLIGHT = 65535
# Topic length, packet id, properties and fixed header: more than they ever take.
_PACKET_OVERHEAD = 16


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us when the connection ends without a goodbye."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The broker's acknowledgement of one message. refusal: empty when it took it."""

    token: int
    refusal: str


class Link:
    """A connection that is tried once and lost once.

    lost: why it is over; None while it is not. welcomed: the broker has accepted it.
    """

    def __init__(
        self,
        settings: Mqtt,
        *,
        client_id: str,
        will: Will,
        credentials: Credentials,
        keepalive_s: int,
    ) -> None:
        self.lost: Condition | None = None
        self.welcomed = False
        self.receive_maximum = _MOST_IN_FLIGHT
        self._largest_packet: int | None = None
        self._settings = settings
        self._credentials = credentials
        self._keepalive_s = keepalive_s
        self._answers: list[Answer] = []
        self._said = ""
        self._client = self._new_client(client_id, will)

    def dial(self) -> None:
        """Reach the broker and ask to be let in; ``turn`` brings its answer, ``lost`` says why not.

        Blocks for name resolution, and up to CONNECT_TIMEOUT_S for each address of the host.
        """
        try:
            if self._settings.username is not None:
                self._client.username_pw_set(self._settings.username, self._credentials.password())
            if self._credentials.use_tls:
                self._client.tls_set_context(self._credentials.tls())
        except (OSError, ValueError) as exc:
            self.lost = of_files(exc)
            return
        try:
            self._client.connect(
                self._settings.host, self._settings.port, keepalive=self._keepalive_s
            )
        except (OSError, ValueError) as exc:
            self.lost = of_dialling(exc)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> int | None:
        """Send at QoS 1; the token that its Answer will carry, None when the link is lost.

        The caller keeps to ``receive_maximum`` messages without an answer.
        """
        info: MQTTMessageInfo = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lose(of_loss(0, self._said, welcomed=True))
        return info.mid if self.lost is None else None

    def too_large(self, topic: str, payload: bytes) -> bool:
        """Whether the broker said that it takes no message of this size."""
        if self._largest_packet is None:
            return False
        return len(topic) + len(payload) + _PACKET_OVERHEAD > self._largest_packet

    def turn(self, timeout_s: float, wake: int) -> list[Answer]:
        """Let packets come and go; what was answered since.

        Returns when something happened, after timeout_s, or when ``wake``, a file descriptor,
        becomes readable.
        """
        if self.lost is None:
            try:
                self._exchange(timeout_s, wake)
            except (OSError, ValueError, LookupError, struct.error) as exc:
                # What the parser of paho before 2.2 lets through of packets that are none.
                self._lose(Condition(Reason.PROTOCOL, str(exc)))
        if self.lost is not None:
            self.drop()
        answers, self._answers = self._answers, []
        return answers

    def part(self) -> None:
        """Say goodbye, so that the broker keeps the will to itself, and close."""
        if self.lost is None:
            self._lose(Condition(Reason.STOPPED))
            self._client.disconnect()
        self.drop()

    def drop(self, reason: Reason = Reason.STOPPED) -> None:
        """Close without a word: the broker publishes the will. Safe to call twice."""
        self._lose(Condition(reason))
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _new_client(self, client_id: str, will: Will) -> Client:
        protocol = _PROTOCOLS[self._settings.version]
        # The outbox is the session. One that the broker kept would only send things twice.
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if protocol is MQTTProtocolVersion.MQTTv5 else True,
            protocol=protocol,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages = _MOST_IN_FLIGHT
        client.will_set(will.topic, will.payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_log = self._on_log
        client.on_socket_open = _send_at_once
        return client

    def _exchange(self, timeout_s: float, wake: int) -> None:
        sock = self._client.socket()
        if sock is None or sock.fileno() < 0:
            self._lose(of_loss(0, self._said, welcomed=self.welcomed))
            return
        writing = select.POLLOUT if self._client.want_write() else 0
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLIN | writing)
        poller.register(wake, select.POLLIN)
        # TLS may hold bytes that the kernel no longer has.
        pending = getattr(sock, "pending", None)
        ready = bool(pending is not None and pending())
        happened = dict(poller.poll(0 if ready else timeout_s * 1000))
        events = happened.get(sock.fileno(), 0)
        if ready or events & ~select.POLLOUT:
            self._client.loop_read()
        if events & select.POLLOUT:
            self._client.loop_write()
        self._client.loop_misc()

    def _lose(self, condition: Condition) -> None:
        if self.lost is None:
            self.lost = condition

    # paho's callbacks do nothing but note what happened: whatever one of them raised would come
    # out of the middle of paho's parser.

    def _on_connect(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.value >= _FAILED:
            self._lose(of_code(code.value, code.getName()))
            return
        self.welcomed = True
        self.receive_maximum = getattr(properties, "ReceiveMaximum", _MOST_IN_FLIGHT)
        self._largest_packet = getattr(properties, "MaximumPacketSize", None)

    def _on_disconnect(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._lose(of_code(code.value, code.getName()))
        else:
            self._lose(of_loss(code.value, self._said, welcomed=self.welcomed))

    def _on_publish(
        self, client: Client, userdata: Any, mid: int, code: ReasonCode, properties: Properties
    ) -> None:
        refused = code.value >= _FAILED
        self._answers.append(
            Answer(mid, f"{code.getName()}, 0x{code.value:02x}" if refused else "")
        )

    def _on_log(self, client: Client, userdata: Any, level: int, message: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._said = message


def _send_at_once(client: Client, userdata: Any, sock: Any) -> None:
    # Packets are small and wait for an answer: holding one back until the last is confirmed, as
    # TCP does by itself, costs 40 ms where the other side delays its confirmations.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
