"""What the daemon refuses, what it never says, and what it tells those who ask."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.cli import main
from edge.ops.metrics import STAGES
from tests.brokers import free_port
from tests.service.daemon import COMMAND, PATIENCE_S, Place, busy_film, read_events, wait_until

if TYPE_CHECKING:
    from tests.brokers import Pki
    from tests.rtsp.process import RtspServer
    from tests.service.conftest import MakeBroker, Start

SECRET = "hunter2-of-the-yard"


def test_a_second_daemon_on_the_state_directory_is_refused(place: Place, start: Start) -> None:
    place.add_camera("door", busy_film(place.folder / "door.mp4"))
    first = start(place)
    first.wait_live("door")
    second = start(place)
    assert second.process.wait(30) == 2
    assert f"process {first.process.pid}" in second.log
    assert "Traceback" not in second.log
    first.wait_live("door")
    first.stop()
    third = start(place)
    third.wait_live("door")
    third.stop()


def test_a_site_that_cannot_run_is_refused_before_anything_starts(
    place: Place, start: Start
) -> None:
    place.add_camera("door", "csi:0", loop=False)
    daemon = start(place)
    assert daemon.process.wait(30) == 2
    assert "Traceback" not in daemon.log
    assert read_events(place.outbox) == []


def test_credentials_of_cameras_are_said_nowhere(
    place: Place, start: Start, rtsp: Callable[..., RtspServer]
) -> None:
    server = rtsp(user="viewer", password="another one")
    nobody = free_port()
    place.add_camera("yard", f"rtsp://viewer:{SECRET}@127.0.0.1:{server.port}/stream", loop=False)
    place.add_camera("gone", f"rtsp://viewer:{SECRET}@127.0.0.1:{nobody}/stream", loop=False)
    port = free_port()
    place.add(f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
    daemon = start(place, level="debug")
    daemon.wait(
        lambda status: (
            {c["state"] for c in status["cameras"].values()} == {"lost"}
            and all(camera["reconnects"] > 1 for camera in status["cameras"].values())
        )
    )
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        metrics = answer.read().decode()
    status = json.dumps(daemon.status())
    daemon.signal(signal.SIGHUP)
    daemon.wait_said("reloaded")
    daemon.stop()
    events = json.dumps(read_events(place.outbox))
    assert events.count("camera_lost") >= 2
    for text in (daemon.log, metrics, status, events):
        assert SECRET not in text
    assert "viewer" not in events + status + metrics


def test_the_doctor_asks_the_running_daemon(
    place: Place, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    def doctor() -> dict[str, dict[str, Any]]:
        capsys.readouterr()
        main(["doctor", "--config", str(place.site), "--json"])
        return {found["name"]: found for found in json.loads(capsys.readouterr().out)}

    place.add_camera("door", busy_film(place.folder / "door.mp4"))
    assert doctor()["daemon"]["found"] == "not running"
    daemon = start(place)
    daemon.wait_live("door")
    wait_until(lambda: read_events(place.outbox))
    told = doctor()
    assert told["daemon"]["state"] == "ok"
    assert f"process {daemon.process.pid}" in told["daemon"]["found"]
    assert told["camera door"]["found"].startswith("live at ")
    assert "events wait, the oldest for" in told["outbox"]["found"]
    assert told["daemon"]["facts"]["outbox"] > 0
    daemon.stop()
    wait_until(lambda: doctor()["daemon"]["found"] == "not running")


def test_the_metrics_show_every_stage_and_queue(
    busy: Place, pki: Pki, make_broker: MakeBroker, start: Start
) -> None:
    broker = make_broker()
    busy.add_broker(broker, pki)
    port = free_port()
    busy.add(f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
    daemon = start(busy)

    def samples() -> dict[tuple[str, str], float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return {
                (sample.name.removeprefix("edgewarden_"), "".join(sample.labels.values())): (
                    sample.value
                )
                for family in families
                for sample in family.samples
            }

    daemon.wait(lambda status: status["mqtt"]["published"] > 3)
    wait_until(lambda: ("queue_depth", "mqtt") in samples())
    found = samples()
    for stage in set(STAGES) - {"classify"}:  # this site recognises no behaviours
        assert found["stage_seconds_count", stage] > 0, stage
    assert 0 <= found["queue_depth", "frames"] <= 1
    assert found["mqtt_connected", ""] == 1
    assert found["frames_seen_total", "door"] >= found["frames_analysed_total", "door"] > 0
    assert found["process_proportional_bytes", "capture-door"] > 0
    daemon.stop()


def test_a_person_at_a_terminal_is_told_that_it_runs_and_nobody_else(
    place: Place, start: Start
) -> None:
    place.add_camera("door", busy_film(place.folder / "door.mp4"))
    quiet = start(place, level="warning")
    quiet.wait_live()
    quiet.stop()
    assert "watching" not in quiet.log
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as terminal:
        words = [str(COMMAND), "run", "--config", str(place.site)]
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=theirs) as daemon:
            os.close(theirs)
            told = ""
            try:
                while "says how it is" not in told:
                    assert select.select([terminal], [], [], PATIENCE_S)[0], told
                    told += terminal.read(1024).decode()
            finally:
                daemon.send_signal(signal.SIGINT)
        assert daemon.returncode == 0
    assert "watching 1 camera; Ctrl-C ends it" in told
    assert f"edgewarden doctor --config {place.site}" in told
