"""The self-test in real daemons, beside real cameras and brokers."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from edge.cli import main
from edge.errors import TransientError
from edge.ops.control_client import ask
from edge.ops.memory import read_memory
from tests.brokers import Pki
from tests.selftest.supplies import KNOWN, SHOWN, Supplies, show, visit
from tests.service.daemon import (
    PATIENCE_S,
    Daemon,
    Place,
    busy_film,
    counts,
    read_events,
    wait_until,
)

if TYPE_CHECKING:
    from tests.selftest.conftest import Run, Start
    from tests.service.conftest import MakeBroker, Subscribe

SOURCE = "edgewarden/hq/gate/_selftest"
TOLD = "edgewarden.system.selftest.v1"
LONG = 3000
MOST_GROWTH = 16 * 1024**2


def summary(event: dict[str, Any]) -> tuple[str, object]:
    return event["type"].removeprefix("edgewarden.").removesuffix(".v1"), event["data"].get(
        "person"
    )


def ask_beside(pool: ThreadPoolExecutor, daemon: Daemon) -> Future[object]:
    """A self-test asked for on a thread."""
    return pool.submit(ask, daemon.socket, "selftest", timeout_s=240)


def is_shown(place: Place) -> bool:
    """Whether the self-test's camera has told something that no self-test before it has."""
    mine = [event for event in read_events(place.outbox) if event["source"] == SOURCE]
    phases = [event["data"]["phase"] for event in mine if ".face." in event["type"]]
    return phases.count("started") > phases.count("ended")


def leave_ada_alone(supplies: Supplies, *, shown: int = SHOWN) -> None:
    """Ada comes, stays for so many frames and goes."""
    show(supplies.material, [KNOWN["ada"]], shown=shown)
    supplies.change(visits=[visit("ada", 0, in_zone=True, shown=shown)])


def test_it_runs_beside_a_camera_and_disturbs_nothing(
    place: Place,
    start: Start,
    make_broker: MakeBroker,
    subscribe: Subscribe,
    pki: Pki,
    supplies: Supplies,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The door sees somebody who is enrolled for the self-test alone."""
    broker = make_broker()
    everything = subscribe(broker)
    place.add_rule("stranger")
    film = busy_film(place.folder / "door.mp4", person=KNOWN["ada"], fps=24.0)
    place.add_camera("door", film)
    place.add('[[rules]]\nid = "elsewhere"\non = ["face.unknown"]\ncameras = ["door"]\n')
    place.add_broker(broker, pki)
    daemon = start(place)
    daemon.wait_live("door")
    with ThreadPoolExecutor(1) as pool:
        running = ask_beside(pool, daemon)
        wait_until(
            lambda: any(event["source"] == SOURCE for event in everything.events),
            seconds=2 * PATIENCE_S,
        )
        capsys.readouterr()
        assert main(["selftest", "--config", str(place.site)]) == 1
        assert "a self-test is running already" in capsys.readouterr().err
        report = running.result()
    assert isinstance(report, dict)
    assert report["passed"] is True, (report, daemon.log)
    assert (report["expected"], report["delivery"], report["not_tested"]) == (
        6,
        "broker",
        ["capture"],
    )
    assert all(0 <= event["commit_s"] <= event["delivery_s"] for event in report["events"])
    wait_until(lambda: TOLD in {event["type"] for event in everything.events})
    mine = [event for event in everything.events if event["source"] == SOURCE]
    assert all(event["data"]["synthetic"] for event in mine)
    assert {event["data"]["rule"] for event in mine if ".alert." in event["type"]} == {
        "stranger",
        "selftest",
    }
    topics = {message.topic for message in everything.messages}
    assert f"{SOURCE}/events/alert/raised" in topics
    assert f"{SOURCE}/events/system/selftest" in topics
    assert f"{SOURCE}/status" not in topics
    wait_until(lambda: len(started_at_the_door(everything.events)) >= 5)
    daemon.stop()
    door = [event for event in everything.events if event["source"].endswith("/door")]
    faces = [event for event in door if ".face." in event["type"]]
    assert {summary(event) for event in faces} == {("face.unknown", None)}
    assert not any(event["data"]["synthetic"] for event in door)
    assert [event["data"]["sequence"] for event in door] == list(range(1, len(door) + 1))
    # Nobody who came by during the self-test was missed: one comes every 80 frames.
    began = [event["data"]["frame_index"] // 80 for event in started_at_the_door(door)]
    assert set(began) == set(range(began[0], began[-1] + 1))


def started_at_the_door(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was told when a face came to the door."""
    faces = [e for e in events if e["source"].endswith("/door") and ".face." in e["type"]]
    return [event for event in faces if event["data"]["phase"] == "started"]


def test_a_reload_and_the_end_end_it(place: Place, start: Start, supplies: Supplies) -> None:
    leave_ada_alone(supplies, shown=LONG)
    daemon = start(place)
    daemon.wait(lambda status: status["health"] == "ok")
    with ThreadPoolExecutor(1) as pool:
        running = ask_beside(pool, daemon)
        wait_until(lambda: is_shown(place), seconds=2 * PATIENCE_S)
        daemon.signal(signal.SIGHUP)
        with pytest.raises(TransientError, match="was ended: a reload was asked for"):
            running.result()
        assert daemon.status()["health"] == "ok"
        running = ask_beside(pool, daemon)
        wait_until(lambda: is_shown(place), seconds=2 * PATIENCE_S)
        daemon.stop()
        with pytest.raises(TransientError, match="was ended: the daemon was stopped"):
            running.result()
    assert [event["type"] for event in read_events(place.outbox)].count(TOLD) == 0
    assert read_events(place.outbox)[-1]["type"] == "edgewarden.system.stopped.v1"


def test_again_and_again_it_leaves_nothing_behind(
    place: Place, start: Start, run: Run, supplies: Supplies
) -> None:
    leave_ada_alone(supplies)
    daemon = start(place)
    assert run(daemon)["passed"] is True, daemon.log
    held, memory = counts(daemon.process.pid), read_memory(daemon.process.pid)
    assert [run(daemon)["passed"] for _ in range(3)] == [True] * 3
    after = read_memory(daemon.process.pid)
    assert counts(daemon.process.pid) == held
    assert memory is not None
    assert after is not None
    assert after.rss - memory.rss < MOST_GROWTH


def test_the_command_says_what_did_not_come(
    place: Place, start: Start, supplies: Supplies, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_ada_alone(supplies)
    words = ["selftest", "--config", str(place.site)]
    assert main(words) == 1
    assert "no daemon is running" in capsys.readouterr().err
    daemon = start(place)
    daemon.wait(lambda status: status["health"] == "ok", seconds=2 * PATIENCE_S)
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["passed"], report["came"], report["expected"]) == (True, 3, 3)
    leave_ada_alone(supplies, shown=LONG)
    assert main([*words, "--timeout", "1"]) == 1
    said = capsys.readouterr().out
    assert "not done after 1 s" in said
    assert "FAILED" in said
