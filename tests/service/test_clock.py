"""A wall clock that jumps by a year stops nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.service.daemon import Place, read_events, wait_until

if TYPE_CHECKING:
    from tests.brokers import Pki
    from tests.service.conftest import MakeBroker, Start, Subscribe

# Imported by every Python process at its start, those that capture included.
JUMPING = """
import os, time
def jumping(clock, unit):
    def now():
        try:
            return clock() + int(os.readlink({link!r})) * unit
        except FileNotFoundError:
            return clock()
    return now
time.time = jumping(time.time, 1)
time.time_ns = jumping(time.time_ns, 10**9)
"""
YEAR_S = 365 * 86400


@pytest.mark.parametrize("jump", [YEAR_S, -YEAR_S])
def test_a_clock_that_jumps_a_year_stops_nothing(
    busy: Place,
    tmp_path: Path,
    pki: Pki,
    make_broker: MakeBroker,
    subscribe: Subscribe,
    start: Start,
    jump: int,
) -> None:
    broker = make_broker()
    everything = subscribe(broker)
    busy.add_broker(broker, pki)
    link = tmp_path / "jump"
    customised = tmp_path / "customised"
    customised.mkdir()
    (customised / "sitecustomize.py").write_text(JUMPING.format(link=str(link)))
    path = os.pathsep.join(filter(None, (str(customised), os.environ.get("PYTHONPATH"))))
    daemon = start(busy, environment={"PYTHONPATH": path})
    daemon.wait_live("door")
    wait_until(lambda: len(everything.events) > 3)

    os.symlink(str(jump), link)
    came = len(everything.events)
    year = everything.events[-1]["time"][:4]
    wait_until(lambda: len(everything.events) > came + 6)
    assert everything.events[-1]["time"][:4] == str(int(year) + (1 if jump > 0 else -1))
    told = daemon.status()
    assert (told["health"], told["mqtt"]["reconnects"]) == ("ok", 0)
    assert told["cameras"]["door"]["reconnects"] == 0
    assert told["cameras"]["door"]["fps"] > 30
    assert daemon.status()["health"] == "ok"
    link.unlink()
    came = len(everything.events)
    wait_until(lambda: len(everything.events) > came + 6)
    daemon.stop()
    assert read_events(busy.outbox) == []
