"""What ``edgewarden doctor`` says of a daemon that runs."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from edge.cli import main
from edge.cli.doctor import _folder
from edge.cli.finding import Finding
from edge.errors import UsageError
from edge.ops.control import ControlServer

Findings = dict[str, dict[str, Any]]
Doctor = Callable[[], Findings]

STATUS: dict[str, Any] = {
    "health": "degraded",
    "reasons": ["camera_lost:door"],
    "pid": 42,
    "cameras": {
        "door": {"state": "lost", "fps": 0.0, "reason": "no frame for 10 s"},
        "yard": {"state": "live", "fps": 9.9, "reason": None},
    },
    "outbox": 3,
    "outbox_oldest_s": 7201.0,
    "lost": 0,
    "mqtt": {
        "connected": False,
        "reason": "not_authorised",
        "detail": "Not authorized, 0x87",
        "remedy": "Check username.",
        "published": 7,
        "refusing": 0,
    },
    "events_file": None,
}
FINE = {**STATUS, "health": "ok", "reasons": [], "cameras": {}, "outbox": 0, "outbox_oldest_s": 0.0}
CONNECTED = {**STATUS["mqtt"], "connected": True, "reason": "connected", "detail": ""}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    state.mkdir()
    return state


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site.toml"
    site.write_text(
        "[site]\nid = 'hq'\nnode = 'n'\nstate_dir = 'state'\n[models]\ndetector = 'none'\n"
    )
    return site


@pytest.fixture
def doctor(site: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Its findings about a site, by name."""

    def ask() -> Findings:
        main(["doctor", "--config", str(site), "--json"])
        return {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}

    return ask


def daemon(state: Path, status: object) -> ControlServer:
    return ControlServer(state / "control.sock", handlers={"status": lambda request: status})


def test_that_none_runs_is_no_fault(doctor: Doctor) -> None:
    found = doctor()
    assert (found["daemon"]["state"], found["daemon"]["found"]) == ("ok", "not running")
    assert "outbox" not in found


def test_it_tells_how_the_running_one_is(doctor: Doctor, state: Path) -> None:
    with daemon(state, STATUS):
        found = doctor()
    told = {name: (one["state"], one["found"], one["remedy"]) for name, one in found.items()}
    assert told["daemon"] == (
        "warning",
        "degraded, process 42; camera_lost:door",
        "journalctl -u edgewarden",
    )
    assert told["camera door"] == ("warning", "lost at 0.0 fps: no frame for 10 s", "")
    assert told["camera yard"] == ("ok", "live at 9.9 fps", "")
    assert told["outbox"] == ("warning", "3 events wait, the oldest for 2 h", "")
    assert told["broker"] == (
        "warning",
        "no connection: not authorised (Not authorized, 0x87)",
        "Check username.",
    )
    assert found["daemon"]["facts"] == STATUS


def test_people_are_told_the_same_without_the_facts(
    site: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with daemon(state, STATUS):
        main(["doctor", "--config", str(site)])
    told = capsys.readouterr().out
    assert "3 events wait, the oldest for 2 h" in told
    assert "→ Check username." in told
    assert "facts" not in told
    assert "{" not in told


@pytest.mark.parametrize(
    ("changes", "name", "state_of_finding", "text"),
    [
        ({"mqtt": CONNECTED}, "broker", "ok", "connected, 7 events delivered"),
        ({"mqtt": {**CONNECTED, "refusing": 2}}, "broker", "warning", "it refuses 2 events"),
        (
            {"outbox": 5, "outbox_oldest_s": 59.0},
            "outbox",
            "ok",
            "5 events wait, the oldest for 59",
        ),
        ({"outbox": 0, "lost": 4}, "outbox", "failed", "4 had no room"),
        (
            {"outbox": 5, "outbox_oldest_s": 9e5, "mqtt": None},
            "outbox",
            "ok",
            "the oldest for 10 days",
        ),
        (
            {"events_file": {"path": "/x.jsonl", "written": 9, "trouble": ""}},
            "events file",
            "ok",
            "/x.jsonl, 9 events written",
        ),
        (
            {"events_file": {"path": "/x.jsonl", "written": 9, "trouble": "no room"}},
            "events file",
            "warning",
            "no room",
        ),
        (
            {"selftest": {"passed": True, "reason": None, "at": 0.0}},
            "self-test",
            "ok",
            "passed 2",
        ),
        (
            {"selftest": {"passed": False, "reason": "did not come: ada", "at": 0.0}},
            "self-test",
            "failed",
            "did not come: ada",
        ),
    ],
)
def test_what_becomes_of_events(
    doctor: Doctor,
    state: Path,
    changes: dict[str, Any],
    name: str,
    state_of_finding: str,
    text: str,
) -> None:
    with daemon(state, {**FINE, **changes}):
        found = doctor()
    assert found[name]["state"] == state_of_finding
    assert text in found[name]["found"]


@pytest.mark.parametrize(
    ("health", "state_of_finding"),
    [("ok", "ok"), ("starting", "warning"), ("stopping", "warning"), ("failed", "failed")],
)
def test_its_health_decides(
    doctor: Doctor, state: Path, health: str, state_of_finding: str
) -> None:
    with daemon(state, {"health": health, "reasons": [], "pid": 42, "outbox": None, "mqtt": None}):
        found = doctor()
    assert found["daemon"]["state"] == state_of_finding
    assert found["daemon"]["found"] == f"{health}, process 42"


def test_one_that_cannot_say_is_a_failure(doctor: Doctor, state: Path) -> None:
    with ControlServer(state / "control.sock", handlers={"stop": lambda request: None}):
        found = doctor()
    assert found["daemon"]["state"] == "failed"
    assert "knows no such command" in found["daemon"]["found"]
    with daemon(state, None):
        assert doctor()["daemon"]["state"] == "failed"


def test_what_mends_it_is_told_once(
    site: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(request: object) -> object:
        raise UsageError("it is not to be told", found="a secret", remedy="Ask somebody else.")

    with ControlServer(state / "control.sock", handlers={"status": refuse}):
        main(["doctor", "--config", str(site)])
    told = capsys.readouterr().out
    assert "it is not to be told; found a secret" in told
    assert told.count("Ask somebody else.") == 1


def test_a_broken_site_file_leaves_the_daemon_unasked(
    site: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_text(site.read_text() + "[nobody-knows]\n[nor-this]\n")
    with daemon(state, FINE):
        assert main(["doctor", "--config", str(site)]) == 1
    lines = capsys.readouterr().out.splitlines()
    column = lines[0].index("3.")  # of Python's version
    first = next(number for number, line in enumerate(lines) if "site file" in line)
    assert [line[:column].strip() for line in lines[first + 1 : first + 3]] == ["", ""]
    assert "nor-this" in lines[first + 2]
    assert lines[first + 3].split(maxsplit=2)[:2] == ["warning", "daemon"]
    assert "not asked" in lines[first + 3]


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("mine", "run this as user {owner}, or choose another state_dir"),
        ("mine/and more", "sudo install -d -m 0700 -o $USER '{folder}/mine/and more'"),
    ],
)
def test_nobody_is_told_to_take_a_folder_away_from_its_owner(path: str, remedy: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "mine").mkdir(mode=0o555)
        found = without_rights("state", folder / path)
        owner = folder.owner()
    assert found.state == "failed"
    assert found.remedy == remedy.format(owner=owner, folder=folder)


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_file_is_no_state_folder(site: Path, doctor: Doctor, path: str) -> None:
    (site.parent / "file").write_text("")
    site.write_text(site.read_text().replace("'state'", f"'{path}'"))
    found = doctor()["state folder"]
    assert (found["state"], found["found"]) == ("failed", f"{site.parent / 'file'} is no folder")
    assert found["remedy"] == "choose another state_dir"


def without_rights(name: str, path: Path) -> Finding:
    """What doctor finds of a folder where it is not root, who may write anywhere."""
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=fork, initializer=give_up_root) as process:
        return process.submit(_folder, name, path).result()


def give_up_root() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresuid(65534, 65534, 65534)
