"""SIGHUP: the site file as it is now, whole, or nothing of it."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import edge
from edge.cli import main
from edge.ops.control_client import ask
from tests.brokers import free_port
from tests.service.daemon import (
    PATIENCE_S,
    Daemon,
    Place,
    busy_film,
    children_of,
    counts,
    is_alive,
    read_events,
    wait_until,
)

if TYPE_CHECKING:
    from tests.service.conftest import Start
    from tests.service.systemd import Systemd


def captures(daemon: Daemon) -> dict[str, int]:
    """The capture process of each camera."""
    names = {
        pid: Path(f"/proc/{pid}/comm").read_text().strip()
        for pid in children_of(daemon.process.pid)
    }
    return {name[4:]: pid for pid, name in names.items() if name.startswith("cap-")}


def alerts(place: Place, rule: str, camera: str) -> int:
    return sum(
        event["data"].get("rule") == rule and event["source"].endswith(f"/{camera}")
        for event in read_events(place.outbox)
    )


def test_a_good_reload_changes_cameras_and_rules_and_leaves_the_others_alone(
    place: Place, start: Start
) -> None:
    film = busy_film(place.folder / "film.mp4")
    place.add_camera("door", film)
    place.add_camera("hall", film)
    place.add_rule("first")
    daemon = start(place)
    daemon.wait_live("door", "hall")
    wait_until(lambda: alerts(place, "first", "door"))
    before = captures(daemon)

    place.edit('id = "hall"', 'id = "yard"')
    place.edit('"first"', '"second"')
    daemon.signal(signal.SIGHUP)
    daemon.wait(lambda status: set(status["cameras"]) == {"door", "yard"})
    daemon.wait_live("door", "yard")
    wait_until(lambda: alerts(place, "second", "door") and alerts(place, "second", "yard"))
    after = captures(daemon)
    assert set(after) == {"door", "yard"}
    assert after["door"] == before["door"]
    status = daemon.status()
    assert status["cameras"]["door"]["reconnects"] == 0
    assert status["health"] == "ok"
    names = [event["type"].split(".")[2] for event in read_events(place.outbox)]
    assert not {"camera_lost", "camera_recovered"} & set(names)
    daemon.stop()


def test_a_broken_reload_changes_nothing_and_says_so(place: Place, start: Start) -> None:
    place.add_camera("door", busy_film(place.folder / "film.mp4"))
    place.add_rule("first")
    daemon = start(place)
    daemon.wait_live("door")
    before = captures(daemon)
    good = place.site.read_text()
    broken = {
        "not TOML": good + "[[",
        "nobody knows": good + "[nobody-knows]\n",
        "manifest": good.replace("detector-bundle", "recogniser-bundle", 1),
        "[mqtt]": good + '[mqtt]\nhost = "127.0.0.1"\n',
        "[site]": good.replace('node = "gate"', 'node = "other"'),
    }
    for number, text in enumerate(broken.values(), 1):
        place.site.write_text(text)
        daemon.signal(signal.SIGHUP)
        daemon.wait_said("nothing has changed", times=number)
        daemon.wait(lambda status: status["health"] == "degraded")
        assert any(reason.startswith("reload") for reason in daemon.status()["reasons"])
    assert captures(daemon) == before
    raised = alerts(place, "first", "door")
    wait_until(lambda: alerts(place, "first", "door") > raised)

    place.site.write_text(good)
    ask(daemon.socket, "reload")
    daemon.wait(lambda status: status["health"] == "ok")
    assert captures(daemon) == before
    daemon.stop()


def test_a_reload_that_was_asked_for_is_answered(
    place: Place, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    def reload() -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["run", "--config", str(place.site), "--reload"])
        return code, *capsys.readouterr()

    place.add_camera("door", busy_film(place.folder / "film.mp4"))
    code, _, error = reload()
    assert code == 1
    assert "no daemon is running" in error
    daemon = start(place)
    daemon.wait_live("door")
    place.edit('id = "door"', 'id = "yard"')
    assert reload()[0] == 0
    assert set(daemon.status()["cameras"]) == {"yard"}  # it is done, not just heard

    good = place.site.read_text()
    place.edit("detector-bundle", "recogniser-bundle")
    code, said, error = reload()
    assert (code, said) == (2, "")
    assert "right kind of bundle" in error
    place.site.write_text(good.replace('node = "gate"', 'node = "other"'))
    code, _, error = reload()
    assert code == 2
    assert "[site] of the site file has changed" in error
    assert "Restart the daemon instead" in error
    assert set(daemon.status()["cameras"]) == {"yard"}
    place.site.write_text(good)
    assert reload()[0] == 0
    daemon.stop()


def test_a_refused_reload_is_told_to_consumers_until_it_is_mended(
    place: Place, start: Start
) -> None:
    place.add_camera("door", busy_film(place.folder / "film.mp4"))
    place.add('[[rules]]\nid = "amiss"\non = ["system.degraded"]\n')
    daemon = start(place)
    daemon.wait_live("door")
    good = place.site.read_text()

    def told() -> list[dict[str, Any]]:
        return [
            event["data"]
            for event in read_events(place.outbox)
            if event["type"] == "edgewarden.system.degraded.v1"
        ]

    place.site.write_text(good + "[[")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: [data["phase"] for data in told()] == ["started"])
    assert told()[0]["detail"] == {"problem": "reload"}
    assert "is not TOML" in told()[0]["reason"]
    daemon.signal(signal.SIGHUP)
    daemon.wait_said("nothing has changed", times=2)
    place.site.write_text(good)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: [data["phase"] for data in told()] == ["started", "ended"])
    assert alerts(place, "amiss", "_node") == 1
    daemon.stop()


# Imported by every Python process at its start: the daemon is quick to lose patience, and slow to
# load models when the file is there.
SLOW = """
import os, sys, time
if sys.argv[0].endswith("edgewarden"):
    from edge import deployment, service
    service._LOOP_DEADLINE_S = 1.0
    load = deployment.load_models
    def load_slowly(site):
        if os.path.exists({mark!r}):
            time.sleep(4)
        return load(site)
    deployment.load_models = load_slowly
"""


def test_a_reload_that_takes_long_does_not_stop_the_watchdog(
    place: Place, start: Start, tmp_path: Path, systemd: Systemd
) -> None:
    place.add_camera("door", busy_film(place.folder / "film.mp4"))
    mark, customised = tmp_path / "slow", tmp_path / "customised"
    customised.mkdir()
    (customised / "sitecustomize.py").write_text(SLOW.format(mark=str(mark)))
    path = os.pathsep.join(filter(None, (str(customised), os.environ.get("PYTHONPATH"))))
    daemon = start(place, environment={**systemd.environment, "PYTHONPATH": path})
    daemon.wait_live("door")
    mark.touch()
    daemon.signal(signal.SIGHUP)
    systemd.until("RELOADING=1")
    said = systemd.until("READY=1")
    assert said.count("WATCHDOG=1") >= 4
    assert not [line for line in said if line.startswith("STATUS=failed")]
    systemd.until("WATCHDOG=1")
    daemon.stop()


def test_who_is_enrolled_and_erased_meanwhile_is_noticed(place: Place, start: Start) -> None:
    film = busy_film(place.folder / "film.mp4")
    place.add_camera("door", film)
    daemon = start(place)

    def latest() -> str:
        faces = [e["type"] for e in read_events(place.outbox) if ".face." in e["type"]]
        return faces[-1].split(".")[2] if faces else ""

    wait_until(lambda: latest() == "unknown")
    config = ["--config", str(place.site)]
    assert main(["enrol", "anna", str(film), *config, "--consent", "yes"]) == 0
    wait_until(lambda: latest() == "recognised")
    assert main(["gallery", "erase", "anna", *config]) == 0
    wait_until(lambda: latest() == "unknown")
    daemon.stop()


def test_an_enrolment_meanwhile_forgets_no_cooldown(place: Place, start: Start) -> None:
    film = busy_film(place.folder / "anna.mp4")
    other = busy_film(place.folder / "ben.mp4", person=2)
    place.add_camera("door", film)
    place.add('[[rules]]\nid = "anna"\non = ["face.recognised"]\ncooldown_s = 3600\n')
    config = ["--config", str(place.site), "--consent", "yes"]
    assert main(["enrol", "anna", str(film), *config]) == 0
    daemon = start(place)
    wait_until(lambda: alerts(place, "anna", "door"))
    assert main(["enrol", "ben", str(other), *config]) == 0
    daemon.wait_said("read anew")

    def recognitions() -> int:
        events = read_events(place.outbox)
        return sum(event["type"].endswith("recognised.v1") for event in events)

    before = recognitions()
    wait_until(lambda: recognitions() >= before + 4)
    assert alerts(place, "anna", "door") == 1
    daemon.stop()


def test_a_lost_camera_that_a_reload_mends_is_told_recovered(place: Place, start: Start) -> None:
    place.add_camera("yard", f"rtsp://127.0.0.1:{free_port()}/stream", loop=False)
    daemon = start(place)

    def said(name: str) -> int:
        events = read_events(place.outbox)
        return sum(event["type"] == f"edgewarden.system.{name}.v1" for event in events)

    wait_until(lambda: said("camera_lost"))
    place.edit("rtsp://127.0.0.1", "rtsp://localhost")
    daemon.signal(signal.SIGHUP)
    daemon.wait_said("reloaded")
    daemon.wait(lambda status: any("camera_lost:yard" in reason for reason in status["reasons"]))
    text = place.site.read_text()
    source = next(line for line in text.splitlines() if line.startswith("source"))
    film = busy_film(place.folder / "film.mp4")
    place.edit(source, f'source = "{film}"')
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: said("camera_recovered"))
    daemon.wait(lambda status: status["health"] == "ok")
    daemon.stop()
    assert (said("camera_lost"), said("camera_recovered")) == (1, 1)


def test_a_reload_that_fails_half_way_leaves_nothing_running(place: Place, start: Start) -> None:
    film = busy_film(place.folder / "film.mp4")
    place.add_camera("door", film)
    daemon = start(place)
    daemon.wait_live("door")
    children = children_of(daemon.process.pid)
    for number in range(30):  # each takes more descriptors than the last
        place.add_camera(f"yard-{number}", film)
    _, used = counts(daemon.process.pid)
    _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (used + 40, hard))
    daemon.signal(signal.SIGHUP)
    assert daemon.process.wait(PATIENCE_S) == 1
    daemon.wait_said("cannot be watched; found Too many open files")
    # The process that forks for Python may tell in its own way that a request broke off.
    assert str(Path(edge.__file__).parent) not in daemon.log
    wait_until(lambda: not any(map(is_alive, children)))
