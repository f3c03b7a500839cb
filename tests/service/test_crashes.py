"""The daemon is killed at any moment, and nothing that was committed is missing."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from tests.service.counting import missing_and_repeats
from tests.service.daemon import Place, last_numbers, wait_until

if TYPE_CHECKING:
    from tests.brokers import Pki
    from tests.service.conftest import MakeBroker, Start, Subscribe

KILLS = 10
WINDOW = 20


def test_no_committed_event_is_missing_however_often_it_is_killed(
    busy: Place, pki: Pki, make_broker: MakeBroker, subscribe: Subscribe, start: Start
) -> None:
    broker = make_broker()
    everything = subscribe(broker)
    busy.add_broker(broker, pki)
    moments = random.Random(3)
    for turn in range(KILLS):
        daemon = start(busy)
        if turn % 5:  # or while it starts
            daemon.wait_live()
        time.sleep(moments.uniform(0, 1.5))
        daemon.kill()
    daemon = start(busy)
    daemon.wait_live()
    daemon.stop()
    last = last_numbers(busy.outbox)[""]
    wait_until(lambda: everything.events[-1]["data"]["node_sequence"] == last)
    missing, repeats, too_old = missing_and_repeats(everything.events, last, window=WINDOW)
    assert last > 50
    assert not missing
    assert repeats <= KILLS * WINDOW
    assert not too_old


def test_consumers_can_tell_a_crash_from_a_clean_end(
    busy: Place, pki: Pki, make_broker: MakeBroker, subscribe: Subscribe, start: Start
) -> None:
    broker = make_broker()
    everything = subscribe(broker)
    busy.add_broker(broker, pki)
    daemon = start(busy)
    daemon.wait_live()
    wait_until(lambda: everything.said("/availability") == ["online"])
    daemon.kill()
    wait_until(lambda: everything.said("/availability") == ["online", "offline"])
    daemon = start(busy)
    daemon.wait_live()
    wait_until(lambda: everything.said("/availability")[2:] == ["online"])
    daemon.stop(seconds=3)
    wait_until(lambda: everything.said("/availability")[3:] == ["stopped"])
    last = everything.events[-1]
    assert last["type"] == "edgewarden.system.stopped.v1"
    assert last["data"]["node_sequence"] == last_numbers(busy.outbox)[""]


def test_an_error_that_ends_the_daemon_is_no_clean_end(
    busy: Place, pki: Pki, make_broker: MakeBroker, subscribe: Subscribe, start: Start
) -> None:
    broker = make_broker()
    everything = subscribe(broker)
    busy.add_broker(broker, pki)
    daemon = start(busy)
    daemon.wait_live()
    wait_until(lambda: everything.said("/availability") == ["online"])
    with closing(sqlite3.connect(busy.outbox)) as vandal:
        vandal.execute("DROP TABLE sequences")
    assert daemon.process.wait(30) == 1
    assert "Traceback" not in daemon.log
    wait_until(lambda: everything.said("/availability") == ["online", "offline"])
