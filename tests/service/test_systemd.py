"""What systemd is told, and that a part which stops for good stops the watchdog."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.service.daemon import Place, read_outbox, wait_until
from tests.service.systemd import WATCHDOG_S, Systemd

if TYPE_CHECKING:
    from tests.brokers import Pki
    from tests.service.conftest import MakeBroker, Start


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
