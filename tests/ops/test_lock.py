from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import OutputError, UsageError
from edge.ops.lock import StateLock

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from edge.ops.lock import StateLock
StateLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def holder(state: Path) -> subprocess.Popen[bytes]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_second_daemon_is_refused_and_told_who_is_the_first(tmp_path: Path) -> None:
    first = holder(tmp_path)
    try:
        with pytest.raises(UsageError, match=f"uses {tmp_path} already.*found process {first.pid}"):
            StateLock(tmp_path).acquire()
    finally:
        first.communicate()


def test_a_crash_leaves_no_lock(tmp_path: Path) -> None:
    first = holder(tmp_path)
    first.kill()
    first.communicate()
    with StateLock(tmp_path):
        assert (tmp_path / "daemon.lock").read_text() == f"{os.getpid()}\n"


def test_it_is_held_until_released(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    with lock:
        lock.acquire()
        with pytest.raises(UsageError, match=f"found process {os.getpid()}"):
            StateLock(tmp_path).acquire()
    lock.release()
    with StateLock(tmp_path):
        pass


def test_a_child_does_not_hold_it_on(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    lock.acquire()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lock.release()
    try:
        with StateLock(tmp_path):
            pass
    finally:
        child.communicate()


def test_a_shorter_number_leaves_no_digit_of_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / "daemon.lock").write_text("99999999999\n")
    with StateLock(tmp_path):
        assert (tmp_path / "daemon.lock").read_text() == f"{os.getpid()}\n"


def test_missing_folders_are_made_for_this_user_alone(tmp_path: Path) -> None:
    with StateLock(tmp_path / "a" / "state"):
        assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "a" / "state" / "daemon.lock").stat().st_mode & 0o777 == 0o600


def test_a_state_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(OutputError, match="state is there already"):
        StateLock(tmp_path / "state").acquire()
    (tmp_path / "daemon.lock").mkdir()
    with pytest.raises(OutputError, match="found Is a directory"):
        StateLock(tmp_path).acquire()
