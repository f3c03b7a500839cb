"""What the daemon takes, and that it does not grow when its cameras come and go."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from edge.ops.memory import read_memory
from tests.service.daemon import Daemon, Place, busy_film, children_of, counts

if TYPE_CHECKING:
    from tests.service.conftest import Start

MOST_PSS = 300e6


def takes(daemon: Daemon) -> tuple[int, int, int]:
    """Threads, file descriptors and processes."""
    return *counts(daemon.process.pid), len(children_of(daemon.process.pid))


def capture_of(daemon: Daemon) -> int:
    for pid in children_of(daemon.process.pid):
        if Path(f"/proc/{pid}/comm").read_text().startswith("cap-"):
            return pid
    raise AssertionError("nothing captures")


def test_a_capture_process_that_dies_is_replaced_and_leaves_nothing_behind(
    place: Place, start: Start
) -> None:
    place.add_camera("door", busy_film(place.folder / "door.mp4"))
    daemon = start(place)
    daemon.wait_live("door")
    first = takes(daemon)
    for tries in range(1, 4):
        os.kill(capture_of(daemon), signal.SIGKILL)
        daemon.wait_reconnected("door", tries)
        assert takes(daemon) == first
    pids = [daemon.process.pid, *children_of(daemon.process.pid)]
    memories = [read_memory(pid) for pid in pids]
    assert 0 < sum(memory.pss for memory in memories if memory is not None) < MOST_PSS
    daemon.stop()
