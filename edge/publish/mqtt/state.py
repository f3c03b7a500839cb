"""How things stand with the broker, in words that programs and people can use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reason(str, Enum):
    """Why there is a connection, or why there is none."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    STOPPED = "stopped"
    FILES = "files"
    UNKNOWN_HOST = "unknown_host"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    CERTIFICATE = "certificate"
    VERSION = "version"
    CLIENT_ID = "client_id"
    CREDENTIALS = "credentials"
    NOT_AUTHORISED = "not_authorised"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    TAKEN_OVER = "taken_over"
    SILENT = "silent"
    UNANSWERED = "unanswered"
    CLOSED = "closed"
    LOST = "lost"
    PROTOCOL = "protocol"


# What a person can do about it, where that is not plain from the reason itself.
REMEDIES = {
    Reason.FILES: "Check the paths under [mqtt] and who may read them.",
    Reason.UNKNOWN_HOST: "Check host under [mqtt] and this device's name resolution.",
    Reason.UNREACHABLE: "Check host and port under [mqtt], and that the broker runs.",
    Reason.TLS: "Check that the port is the broker's TLS port, and what certificate it asks for.",
    Reason.CERTIFICATE: "Check ca_file, and that the broker's certificate names this very host.",
    Reason.VERSION: 'Set version under [mqtt] to "3.1.1" or "5".',
    Reason.CLIENT_ID: "Shorten site.id or site.node, or let the broker take longer client ids.",
    Reason.CREDENTIALS: "Check username and password_file under [mqtt].",
    Reason.NOT_AUTHORISED: "Check username and password_file, and the broker's access rules.",
    Reason.TAKEN_OVER: "Another device has the same site.id and site.node: give it its own.",
    Reason.PROTOCOL: "Check version under [mqtt], and that the port is the broker's.",
    Reason.CLOSED: "Check that the port is the right one (TLS or not), and the broker's log.",
    Reason.LOST: "If this goes on: another device may have the same site.id and site.node.",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A reason, with what was said about it: by the broker, the network or the system."""

    reason: Reason
    detail: str = ""

    @property
    def words(self) -> str:
        """The reason, and in brackets what was said about it."""
        words = self.reason.value.replace("_", " ")
        return f"{words} ({self.detail})" if self.detail else words

    def __str__(self) -> str:
        remedy = REMEDIES.get(self.reason)
        return f"{self.words}. {remedy}" if remedy else self.words


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttState:
    """Where the publisher stands. Counts begin at its start.

    connected: the broker has said yes. since: when ``reason`` became what it is, by the
    publisher's clock. in_flight: events that were handed over and are not acknowledged. published:
    events acknowledged with success. refused: answers that said no. refusing: events that the
    broker has refused and that wait for another try. reconnects: connections after the first.
    pictures_sent, pictures_dropped: what became of what was given to ``send_picture``. outbox: why
    the outbox cannot be used just now; empty when it can.
    """

    connected: bool
    reason: Reason
    detail: str
    since: float
    in_flight: int
    published: int
    refused: int
    refusing: int
    reconnects: int
    pictures_sent: int
    pictures_dropped: int
    outbox: str

    @property
    def words(self) -> str:
        """``reason`` and ``detail`` for people."""
        return Condition(self.reason, self.detail).words

    @property
    def remedy(self) -> str:
        """What a person can do about ``reason``; empty where nothing has to be done."""
        return REMEDIES.get(self.reason, "")
