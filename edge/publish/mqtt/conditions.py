"""What the network, TLS and the broker say, as conditions. Every foreign error ends here.

Codes: MQTT 5.0, table 2-6 (https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html). Those of
3.1.1 come as the same codes from paho.
"""

from __future__ import annotations

import socket
import ssl

from edge.publish.mqtt.state import Condition, Reason

_NO_MQTT = 0x82
_NO_ANSWER = 0x8D

_CODES = {
    _NO_MQTT: Reason.PROTOCOL,
    0x84: Reason.VERSION,
    0x85: Reason.CLIENT_ID,
    0x86: Reason.CREDENTIALS,
    0x87: Reason.NOT_AUTHORISED,
    0x88: Reason.UNAVAILABLE,
    0x89: Reason.UNAVAILABLE,
    0x8A: Reason.NOT_AUTHORISED,
    0x8B: Reason.UNAVAILABLE,
    0x8C: Reason.CREDENTIALS,
    _NO_ANSWER: Reason.SILENT,
    0x8E: Reason.TAKEN_OVER,
}


def of_files(error: OSError | ValueError) -> Condition:
    """A password, certificate or key that cannot be read."""
    if isinstance(error, ssl.SSLError):
        return Condition(Reason.FILES, f"not a certificate with its key: {_first_line(error)}")
    if isinstance(error, OSError):
        return Condition(Reason.FILES, f"{error.filename}: {error.strerror}")
    return Condition(Reason.FILES, str(error))


def of_dialling(error: OSError | ValueError) -> Condition:
    """A connection that did not come about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Condition(Reason.CERTIFICATE, error.verify_message)
    if isinstance(error, ssl.SSLError):
        return Condition(Reason.TLS, _first_line(error))
    if isinstance(error, socket.gaierror):
        return Condition(Reason.UNKNOWN_HOST, error.strerror or "")
    if isinstance(error, ConnectionResetError):
        return of_loss(0, error.strerror or "", welcomed=False)
    if isinstance(error, TimeoutError):
        return Condition(Reason.UNREACHABLE, "no answer in time")
    if isinstance(error, OSError):
        return Condition(Reason.UNREACHABLE, error.strerror or type(error).__name__)
    return Condition(Reason.UNKNOWN_HOST, "this is no host name")


def of_code(code: int, name: str) -> Condition:
    """A refused or ended connection, by the broker's reason code and its name."""
    return Condition(_CODES.get(code, Reason.REFUSED), f"{name}, 0x{code:02x}")


def of_loss(code: int, said: str, *, welcomed: bool) -> Condition:
    """A connection that ended without a word from the broker.

    code: paho's own view of it. said: what paho logged. welcomed: the broker had accepted the
    connection.
    """
    if code == _NO_ANSWER:
        return Condition(Reason.SILENT, "the broker no longer answers")
    if code == _NO_MQTT:
        return Condition(Reason.PROTOCOL, said or "what came was not MQTT of this version")
    if "[SSL" in said:
        return Condition(Reason.TLS, said)
    detail = said or "the broker closed the connection"
    if welcomed:
        return Condition(Reason.LOST, detail)
    return Condition(Reason.CLOSED, f"{detail} before accepting it")


def _first_line(error: ssl.SSLError) -> str:
    return (error.reason or error.strerror or type(error).__name__).splitlines()[0]
