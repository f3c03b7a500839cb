"""Telling systemd how the service is: the protocol of sd_notify(3), without libsystemd."""

from __future__ import annotations

import logging
import socket
import time

from edge.errors import UsageError

_log = logging.getLogger(__name__)

# A message is a few bytes into the receive queue of PID 1; longer than this it is not coming back.
_SEND_S = 1.0
# systemd ignores messages above 4,096 bytes.
_LONGEST_STATUS = 1000


class Notifier:
    """Sends states to the socket that systemd named; without an address it does nothing.

    address: NOTIFY_SOCKET, a path or, with an ``@`` in front, an abstract name. Every method says
    whether the message was taken; a manager that does not take it must not stop the cameras, so
    that is only logged. Raises UsageError for an address of another kind.
    """

    def __init__(self, address: str | None) -> None:
        self._address = None if address is None else _socket_name(address)
        self._silent = False

    @property
    def enabled(self) -> bool:
        """Whether anybody wants to know."""
        return self._address is not None

    def ready(self, status: str = "") -> bool:
        """Started, or reloaded."""
        return self._send("READY=1", *_status(status))

    def reloading(self) -> bool:
        """A reload has begun; ``ready`` ends it."""
        # From the clock that systemd compares with: CLOCK_MONOTONIC (sd_notify(3)).
        return self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> bool:
        """The end has begun."""
        return self._send("STOPPING=1", *_status(status))

    def status(self, text: str) -> bool:
        """One line for ``systemctl status``."""
        return self._send(*_status(text))

    def watchdog(self) -> bool:
        """Still alive."""
        return self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> bool:
        if self._address is None or not lines:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_S)
                sender.connect(self._address)
                sender.sendall("\n".join(lines).encode())
        except OSError as exc:
            if not self._silent:
                _log.warning("systemd does not listen: %s", exc.strerror or exc)
            self._silent = True
            return False
        self._silent = False
        return True


def _status(text: str) -> tuple[str, ...]:
    line = " ".join(text.split())  # a line break would begin another assignment
    return (f"STATUS={line[:_LONGEST_STATUS]}",) if line else ()


def _socket_name(address: str) -> bytes:
    name = address.encode()
    # sun_path has 108 bytes, the last of which is 0 for a path.
    if address.startswith("/") and len(name) < 108:
        return name
    if address.startswith("@") and 1 < len(name) <= 108:
        return b"\0" + name[1:]
    raise UsageError(
        "NOTIFY_SOCKET cannot be used",
        expected="an absolute path, or @ and an abstract name, of up to 107 bytes",
        found=repr(address),
    )
