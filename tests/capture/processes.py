"""What children of the tests run, importable by name as a child needs it; and how they are."""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from edge.capture.ring import FrameRing

SIZES = ((1280, 720), (640, 480), (64, 48))


def write_for_ever(ring: FrameRing) -> None:
    """Frames of one shade each, which their index tells, without a pause."""
    pictures = [np.zeros((height, width, 3), np.uint8) for width, height in SIZES]
    index = 0
    while True:
        picture = pictures[index % len(pictures)]
        picture[...] = index % 251
        ring.put(picture, index=index, time=index / 8)
        index += 1


def tell_modules(answer: Connection, clip: str) -> None:
    """Look at a clip as a capture process does, then say what is loaded."""
    from edge.capture.paced import PacedFile

    loaded_before = "av" in sys.modules
    with PacedFile(clip, camera="a") as source:
        next(iter(source))
    answer.send((loaded_before, sorted(sys.modules)))


def stay() -> None:
    """Live until ended, and do not go on request."""
    import signal
    import time

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def fail() -> None:
    sys.exit(7)


def lives(pid: int) -> bool:
    """Whether this process runs; one that has ended may wait long to be reaped by somebody."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def parent_of(pid: int) -> int:
    """The process that forked this one."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])
