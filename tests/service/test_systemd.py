"""What systemd is told, and that a part which stops for good stops the watchdog."""

from __future__ import annotations

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.service.daemon import Place, read_outbox, wait_until

if TYPE_CHECKING:
    from tests.brokers import Pki
    from tests.service.conftest import MakeBroker, Start

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


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    with TemporaryDirectory() as folder, closing(Systemd(Path(folder) / "notify")) as systemd:
        yield systemd


def test_it_is_told_of_the_start_a_reload_and_the_end(
    busy: Place, start: Start, systemd: Systemd
) -> None:
    daemon = start(busy, environment=systemd.environment)
    systemd.until("READY=1")
    systemd.until("WATCHDOG=1")
    daemon.signal(signal.SIGHUP)
    systemd.until("RELOADING=1")
    systemd.until("READY=1")
    systemd.until("WATCHDOG=1")
    daemon.stop()
    systemd.until("STOPPING=1")


def test_a_part_that_stopped_for_good_stops_the_watchdog(
    busy: Place, pki: Pki, make_broker: MakeBroker, start: Start, systemd: Systemd
) -> None:
    broker = make_broker()
    busy.add_broker(broker, pki)
    broker.kill()
    daemon = start(busy, environment=systemd.environment)
    daemon.wait_live()
    wait_until(lambda: read_outbox(busy.outbox))
    with closing(sqlite3.connect(busy.outbox)) as vandal, vandal:
        vandal.execute("UPDATE events SET data = '{'")
    systemd.until("WATCHDOG=1")
    broker.start()
    systemd.until("STATUS=failed")
    assert daemon.status()["cameras"]["door"]["state"] == "live"
    while lines := systemd.next(2 * WATCHDOG_S):
        assert "WATCHDOG=1" not in lines
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 1
    assert "is damaged" in daemon.log
    assert "Traceback" not in daemon.log
