from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing import connection
from pathlib import Path

import pytest

from edge.capture.child import Child
from edge.capture.worker import Notice, receive_notice, send_notice
from tests.capture.processes import fail, lives, parent_of, stay, tell_modules

PATIENCE_S = 30.0
HEAVY = {"cv2", "onnxruntime", "pydantic", "sqlite3", "pytest", "edge.capture.live", "edge.config"}


def test_a_capture_process_holds_ffmpeg_and_nothing_else_that_is_heavy(clip: Path) -> None:
    import cv2
    import onnxruntime

    assert sys.modules["cv2"] is cv2
    assert sys.modules["onnxruntime"] is onnxruntime
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = Child("probe", tell_modules, theirs, str(clip))
    theirs.close()
    loaded_before, modules = ours.recv()
    ours.close()
    assert child.end(grace_s=PATIENCE_S, kill_s=1)
    assert loaded_before
    assert HEAVY & set(modules) == set()
    assert {"av", "numpy", "edge.capture.worker"} <= set(modules)


def test_a_child_that_does_not_go_is_killed() -> None:
    child = Child("stays", stay)
    assert child.ending == ""
    assert child.end(grace_s=0.2, kill_s=PATIENCE_S)
    assert not lives(child.pid)


def test_how_a_child_ended_is_told() -> None:
    child = Child("fails", fail)
    connection.wait([child.sentinel], PATIENCE_S)
    assert child.ending == "its process ended with exit code 7"
    assert child.end(grace_s=1, kill_s=1)
    child = Child("stays", stay)
    os.kill(child.pid, signal.SIGKILL)
    connection.wait([child.sentinel], PATIENCE_S)
    assert child.ending == "its process was ended by SIGKILL"
    assert child.end(grace_s=1, kill_s=1)


DAEMON = """
import sys, time
from edge.capture.live import LiveCamera
from edge.config import Camera, SourceAddress

camera = LiveCamera(Camera(id="a", source=SourceAddress.parse(sys.argv[1]), loop=True))
with camera:
    while camera.newest() is None:
        time.sleep(0.01)
    print(camera.pid, flush=True)
    time.sleep(600)
"""


def test_it_dies_with_its_parent_however_that_ends(clip: Path) -> None:
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(clip)], stdout=subprocess.PIPE, text=True
    )
    assert daemon.stdout is not None
    pid = int(daemon.stdout.readline())
    assert Path(f"/proc/{pid}/comm").read_text() == "cap-a\n"
    server = parent_of(pid)
    assert lives(pid)
    assert lives(server)
    os.kill(pid, signal.SIGSTOP)  # it is not asked to go: it cannot even run
    daemon.kill()
    daemon.wait()
    daemon.stdout.close()
    deadline = time.monotonic() + PATIENCE_S
    while lives(pid) or lives(server):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        (b"first ", (Notice.FIRST_FRAME, "")),
        (b"failed it is gone", (Notice.FAILED, "it is gone")),
        (b"ended a\x1b[31m\nb\xff", (Notice.ENDED, "a[31mb\N{REPLACEMENT CHARACTER}")),
        (b"", None),
        (b"reboot now", None),
    ],
)
def test_what_a_process_says_is_taken_as_text(
    text: bytes, heard: tuple[Notice, str] | None
) -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with ours, theirs:
        theirs.send_bytes(text)
        assert receive_notice(ours) == heard


def test_a_long_story_is_cut_short_and_a_longer_one_not_heard() -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with ours, theirs:
        send_notice(theirs, Notice.FAILED, "ä" * 10_000)
        assert receive_notice(ours) == (Notice.FAILED, "ä" * 300)
        theirs.send_bytes(b"x" * 10_000)
        with pytest.raises(OSError, match=r"too long|bad message"):
            receive_notice(ours)
