"""What ``edgewarden doctor`` says of a daemon that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.cli import main
from edge.ops.control import ControlServer

Doctor = Callable[[], dict[str, str]]

STATUS: dict[str, object] = {
    "health": "degraded",
    "reasons": ["camera_lost:door"],
    "pid": 42,
    "cameras": {
        "door": {"state": "lost", "fps": 0.0},
        "yard": {"state": "live", "fps": 9.9},
    },
    "outbox": 3,
    "mqtt": {"connected": False, "reason": "refused"},
}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    state.mkdir()
    return state


@pytest.fixture
def doctor(tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Its finding about the daemon of a site."""
    site = tmp_path / "site.toml"
    site.write_text(
        "[site]\nid = 'hq'\nnode = 'n'\nstate_dir = 'state'\n[models]\ndetector = 'none'\n"
    )

    def ask() -> dict[str, str]:
        main(["doctor", "--config", str(site), "--json"])
        findings = json.loads(capsys.readouterr().out)
        (found,) = [finding for finding in findings if finding["name"] == "daemon"]
        assert isinstance(found, dict)
        return found

    return ask


def test_that_none_runs_is_no_fault(doctor: Doctor) -> None:
    found = doctor()
    assert (found["state"], found["found"]) == ("ok", "not running")


def test_it_tells_how_the_running_one_is(doctor: Doctor, state: Path) -> None:
    with ControlServer(state / "control.sock", handlers={"status": lambda request: STATUS}):
        found = doctor()
    assert found["state"] == "warning"
    assert found["found"] == (
        "degraded, process 42; camera_lost:door; door lost at 0.0 fps; yard live at 9.9 fps; "
        "3 events in the outbox; broker: refused"
    )
    assert found["remedy"] == "journalctl -u edgewarden"


@pytest.mark.parametrize(
    ("health", "state_of_finding"),
    [("ok", "ok"), ("starting", "warning"), ("stopping", "warning"), ("failed", "failed")],
)
def test_its_health_decides(
    doctor: Doctor, state: Path, health: str, state_of_finding: str
) -> None:
    told = {"health": health, "reasons": [], "pid": 42, "outbox": 0, "mqtt": None}
    with ControlServer(state / "control.sock", handlers={"status": lambda request: told}):
        found = doctor()
    assert found["state"] == state_of_finding
    assert found["found"] == f"{health}, process 42; 0 events in the outbox"


def test_one_that_cannot_say_is_a_failure(doctor: Doctor, state: Path) -> None:
    with ControlServer(state / "control.sock", handlers={"stop": lambda request: None}):
        found = doctor()
    assert found["state"] == "failed"
    assert "knows no such command" in found["found"]
    with ControlServer(state / "control.sock", handlers={"status": lambda request: None}):
        assert doctor()["state"] == "failed"
