"""No room on the disk: the daemon stays up, counts what it loses, and tells when there is room."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.service.daemon import Daemon, Place, read_events, wait_until

if TYPE_CHECKING:
    from tests.service.conftest import Start


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 4 MiB."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk; the limit on files stands for it")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def require_recovery(
    daemon: Daemon, place: Place, *, fill: Callable[[], None], free: Callable[[], None]
) -> None:
    wait_until(lambda: len(read_events(place.outbox)) > 3)
    fill()
    daemon.wait(lambda status: status["health"] == "degraded")
    assert any(reason.startswith("outbox") for reason in daemon.status()["reasons"])
    stuck = len(read_events(place.outbox))
    daemon.wait(lambda status: status["lost"] > 6)
    assert len(read_events(place.outbox)) <= stuck + 1
    assert daemon.status()["cameras"]["door"]["fps"] > 0
    free()
    daemon.wait(lambda status: status["health"] == "ok" and status["lost"] == 0)
    daemon.stop()
    events = read_events(place.outbox)
    told = [event for event in events if event["type"] == "edgewarden.system.outbox_dropped.v1"]
    assert sum(event["data"]["detail"]["events"] for event in told) > 6
    amiss = [event for event in events if event["type"] == "edgewarden.system.degraded.v1"]
    assert [event["data"]["phase"] for event in amiss] == ["started", "ended"]
    assert amiss[0]["data"]["detail"] == {"problem": "outbox"}
    assert amiss[0]["time"] < told[0]["time"]
    numbers = [event["data"]["node_sequence"] for event in events]
    assert numbers == list(range(1, len(events) + 1))


def test_a_full_disk(busy: Place, start: Start) -> None:
    with small_disk(busy.state):
        daemon = start(busy)
        ballast = busy.state / "ballast"

        def fill() -> None:
            with ballast.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(4096))

        require_recovery(daemon, busy, fill=fill, free=ballast.unlink)


def test_files_that_may_not_grow(busy: Place, start: Start) -> None:
    daemon = start(busy)
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def limit(soft: int) -> None:
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (soft, unlimited[1]))

    require_recovery(daemon, busy, fill=lambda: limit(0), free=lambda: limit(unlimited[0]))
