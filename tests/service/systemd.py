"""What systemd is to a service: a socket at which it is told how things are."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.service.daemon import wait_until

WATCHDOG_S = 1.0


class Systemd:
    """The socket at which services tell how they are."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.environment = {
            "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
        }

    def next(self, seconds: float = 30) -> list[str]:
        """The lines of the next message; none where none comes in time."""
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(65536).decode().splitlines()
        except TimeoutError:
            return []

    def until(self, start: str) -> list[str]:
        """Everything up to the first message with a line that starts so."""
        said: list[str] = []

        def heard() -> bool:
            said.extend(lines := self.next())
            return any(line.startswith(start) for line in lines)

        wait_until(heard)
        return said

    def close(self) -> None:
        self._socket.close()
