"""``run --events``: without a broker, everything that was committed goes to a file."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.brokers import free_port
from tests.service.daemon import Place, last_numbers, read_events, wait_until

if TYPE_CHECKING:
    from tests.service.conftest import Start


def lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file."""
    text = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def wait_for_more(path: Path, there: int) -> None:
    wait_until(lambda: len(lines(path)) > there)


def test_every_event_is_in_the_file_in_order_whatever_happens(busy: Place, start: Start) -> None:
    path = busy.folder / "events.jsonl"
    moments = random.Random(5)
    for turn in range(6):
        daemon = start(busy, words=["--events", str(path)])
        daemon.wait_live()
        wait_for_more(path, len(lines(path)))
        time.sleep(moments.uniform(0, 0.5))
        if turn < 5:
            daemon.kill()
    told = daemon.status()
    assert told["events_file"]["path"] == str(path)
    assert told["events_file"]["written"] > 0
    daemon.stop(seconds=3)
    events = lines(path)
    assert path.read_bytes().endswith(b"\n")
    numbers = [event["data"]["node_sequence"] for event in events]
    assert numbers == list(range(1, last_numbers(busy.outbox)[""] + 1))
    assert len({event["id"] for event in events}) == len(events)
    assert events[-1]["type"] == "edgewarden.system.stopped.v1"
    assert read_events(busy.outbox) == []


def test_while_it_cannot_be_written_events_wait_and_health_says_so(
    busy: Place, start: Start
) -> None:
    folder = busy.folder / "out"
    folder.mkdir()
    path = folder / "events.jsonl"
    daemon = start(busy, words=["--events", str(path)])
    wait_until(lambda: lines(path))
    away = folder.rename(busy.folder / "elsewhere")
    daemon.wait(lambda status: status["health"] == "degraded" and status["outbox"] > 5)
    (reason,) = daemon.status()["reasons"]
    assert reason.startswith("events_file: ")
    assert str(path) in reason
    away.rename(folder)
    daemon.wait(lambda status: status["health"] == "ok")

    def ended() -> list[dict[str, Any]]:
        return [event for event in lines(path) if event["data"]["phase"] == "ended"]

    wait_until(lambda: [e for e in ended() if e["type"] == "edgewarden.system.degraded.v1"])
    daemon.stop()
    numbers = [event["data"]["node_sequence"] for event in lines(path)]
    assert numbers == list(range(1, last_numbers(busy.outbox)[""] + 1))


def test_a_file_beside_a_broker_and_one_that_cannot_be_are_refused(
    place: Place, start: Start
) -> None:
    good = place.site.read_text()
    place.add(f'[mqtt]\nhost = "127.0.0.1"\nport = {free_port()}\n')
    daemon = start(place, words=["--events", "events.jsonl"])
    assert daemon.process.wait(30) == 2
    assert "expected [mqtt] in the site file, or --events; found both" in daemon.log
    place.site.write_text(good)
    before = place.site.read_bytes()
    for name, said in {"site.toml": "expected lines of events", "no/where": "written"}.items():
        daemon = start(place, words=["--events", name])
        assert daemon.process.wait(30) == 2
        assert said in daemon.log
        assert "Traceback" not in daemon.log
    assert place.site.read_bytes() == before
