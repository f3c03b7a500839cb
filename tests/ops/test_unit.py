"""The systemd unit, as systemd's own tools and the daemon's command line read it."""

from __future__ import annotations

import shutil
import subprocess
from argparse import ArgumentParser
from collections import defaultdict
from pathlib import Path

import pytest

from edge.cli.run import command
from edge.cli.selftest import command as selftest

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
UNIT = SYSTEMD / "edgewarden.service"
SELFTEST = SYSTEMD / "edgewarden-selftest.service"
TIMER = SYSTEMD / "edgewarden-selftest.timer"
EXECUTABLE = "/opt/edgewarden/bin/edgewarden"

# Tenths; what systemd calls OK ends at 4.
MOST_EXPOSURE = 20


@pytest.fixture
def analyse() -> str:
    """systemd's analyser of units, which needs no running systemd."""
    path = shutil.which("systemd-analyze")
    if path is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    return path


def settings(path: Path) -> dict[str, list[str]]:
    """Every value of each key of a unit."""
    found = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[key].append(value)
    return found


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_daemon_is_exposed_to_little(analyse: str) -> None:
    threshold = f"--threshold={MOST_EXPOSURE}"
    done = run(analyse, "security", "--no-pager", "--offline=true", threshold, UNIT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level for edgewarden.service" in done.stdout


def test_a_bare_unit_would_not_pass(analyse: str, tmp_path: Path) -> None:
    bare = tmp_path / "edgewarden.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    threshold = f"--threshold={MOST_EXPOSURE}"
    assert run(analyse, "security", "--no-pager", "--offline=true", threshold, bare).returncode == 1


def test_systemd_understands_every_line(analyse: str, tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    assert f"ExecStart={EXECUTABLE} run " in text
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace(EXECUTABLE, "/bin/true"))
    done = run(analyse, "verify", "--man=no", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    unit.write_text(unit.read_text().replace("WatchdogSec", "WatchdogSeconds"))
    assert "WatchdogSeconds" in run(analyse, "verify", "--man=no", unit).stderr


def test_it_starts_the_daemon_with_words_that_it_knows() -> None:
    (line,) = settings(UNIT)["ExecStart"]
    words = line.split()
    assert words[:2] == [EXECUTABLE, "run"]
    parser = ArgumentParser()
    command.configure(parser)
    arguments = parser.parse_args(words[2:])
    assert arguments.config == Path("/etc/edgewarden/site.toml")


@pytest.mark.parametrize(
    "key",
    [
        *("PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock"),  # hide the GPU
        "ProcSubset",  # hides what the device says of itself
        "MemoryDenyWriteExecute",  # unproven with CUDA
        "PrivateNetwork",
    ],
)
def test_nothing_hides_gpu_cameras_or_network(key: str) -> None:
    assert key not in settings(UNIT)


def test_it_is_watched_restarted_and_leaves_no_face_behind() -> None:
    unit = settings(UNIT)
    assert (unit["Type"], unit["WatchdogSec"]) == (["notify"], ["30"])
    assert (unit["Restart"], unit["StartLimitIntervalSec"]) == (["on-failure"], ["0"])
    assert unit["LimitCORE"] == ["0"]
    assert unit["UMask"] == ["0077"]
    assert unit["LoadCredential"] == ["mqtt.password:/etc/edgewarden/mqtt.password"]


def test_the_folders_are_those_of_the_site_files_defaults() -> None:
    from edge.site.sections import SiteSection

    site = SiteSection(id="hq", node="gate-01")
    unit = settings(UNIT)
    assert site.state_dir == Path("/var/lib") / unit["StateDirectory"][0]
    assert site.cache_dir == Path("/var/cache") / unit["CacheDirectory"][0]


def test_the_user_is_the_one_that_is_made() -> None:
    (user,) = settings(UNIT)["User"]
    lines = (SYSTEMD / "edgewarden.sysusers").read_text(encoding="utf-8").splitlines()
    assert [line.split()[:2] for line in lines if not line.startswith("#")] == [["u", user]]


def test_the_self_test_is_exposed_to_less(analyse: str) -> None:
    done = run(analyse, "security", "--no-pager", "--offline=true", "--threshold=10", SELFTEST)
    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_understands_the_self_test_and_its_timer(analyse: str, tmp_path: Path) -> None:
    for unit in (UNIT, SELFTEST, TIMER):
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(text.replace(EXECUTABLE, "/bin/true"))
    timer = tmp_path / TIMER.name
    done = run(analyse, "verify", "--man=no", timer, tmp_path / SELFTEST.name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    timer.write_text(timer.read_text().replace("RandomizedDelaySec", "RandomDelay"))
    assert "RandomDelay" in run(analyse, "verify", "--man=no", timer).stderr


def test_the_self_test_runs_every_day_as_the_daemons_user() -> None:
    timer, unit, daemon = settings(TIMER), settings(SELFTEST), settings(UNIT)
    assert timer["OnCalendar"] == ["daily"]
    assert timer["RandomizedDelaySec"]
    assert (unit["User"], unit["Group"]) == (daemon["User"], daemon["Group"])
    (line,) = unit["ExecStart"]
    words = line.split()
    assert words[:2] == [EXECUTABLE, "selftest"]
    parser = ArgumentParser()
    selftest.configure(parser)
    assert parser.parse_args(words[2:]).config == Path("/etc/edgewarden/site.toml")
