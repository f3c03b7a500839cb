from __future__ import annotations

import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.errors import UsageError
from edge.ops.health import HealthMonitor, Progress
from edge.ops.heartbeat import Heartbeat
from edge.ops.notify import Notifier

if TYPE_CHECKING:
    from tests.ops.conftest import Clock, Manager, WaitFor

ROOT = Path(__file__).resolve().parents[2]


def notifier_to(manager: Manager) -> Notifier:
    return Notifier(manager.socket.getsockname())


def test_every_state_as_systemd_reads_it(manager: Manager) -> None:
    notifier = notifier_to(manager)
    assert notifier.ready("3 cameras")
    assert notifier.status("two\nlines")
    assert notifier.watchdog()
    assert notifier.stopping()
    assert manager.waiting() == [
        "READY=1\nSTATUS=3 cameras",
        "STATUS=two lines",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_a_reload_carries_the_time_that_systemd_compares_with(manager: Manager) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert notifier_to(manager).reloading()
    state, stamp = manager.next().split("\n")
    assert state == "RELOADING=1"
    name, _, microseconds = stamp.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(microseconds) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_an_abstract_socket_will_do(abstract_manager: Manager) -> None:
    name: bytes = abstract_manager.socket.getsockname()
    assert Notifier(f"@{name[1:].decode()}").ready()
    assert abstract_manager.next() == "READY=1"


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier(None)
    assert not notifier.enabled
    assert not notifier.ready()


def test_a_status_stays_below_what_systemd_reads(manager: Manager) -> None:
    assert notifier_to(manager).status("é" * 5000)
    assert 0 < len(manager.next().encode()) < 4096


@pytest.mark.parametrize("address", ["", "@", "run/notify", "vsock:2:1", "/" + "a" * 107])
def test_addresses_of_other_kinds_are_refused(address: str) -> None:
    with pytest.raises(UsageError, match="NOTIFY_SOCKET cannot be used"):
        Notifier(address)


def test_the_longest_names_are_used(tmp_path: Path) -> None:
    assert not Notifier("/" + "a" * 106).ready()
    assert not Notifier("@" + "a" * 107).ready()


def test_a_manager_that_is_gone_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(str(tmp_path / "nobody"))
    assert not notifier.ready()
    assert not notifier.watchdog()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_pings_come_at_half_the_period_and_only_while_all_goes_on(
    manager: Manager, clock: Clock
) -> None:
    progress = Progress(clock=clock)
    monitor = HealthMonitor(progress)
    monitor.ready()
    loop = progress.stage("loop", deadline_s=1000.0)
    heart = Heartbeat(monitor=monitor, notifier=notifier_to(manager), watchdog_s=30.0, clock=clock)
    pings: list[float] = []

    def look_for(seconds: int) -> list[float]:
        pings.clear()
        for _ in range(seconds):
            heart.look()
            pings.extend(clock.now for text in manager.waiting() if text == "WATCHDOG=1")
            clock.now += 1.0
        return [ping - 1000.0 for ping in pings]

    assert look_for(45) == [0.0, 15.0, 30.0]
    loop.beat(within_s=-1.0)
    assert look_for(30) == []
    loop.beat()
    assert look_for(20) == [75.0, 90.0]


def test_systemd_is_told_of_every_change_once(manager: Manager, clock: Clock) -> None:
    monitor = HealthMonitor(Progress(clock=clock))
    heart = Heartbeat(monitor=monitor, notifier=notifier_to(manager), clock=clock)
    heart.look()
    monitor.ready()
    monitor.problem("camera_lost:door")
    heart.look()
    heart.look()
    monitor.solved("camera_lost:door")
    heart.look()
    assert manager.waiting() == [
        "STATUS=starting",
        "STATUS=degraded; camera_lost:door",
        "STATUS=ok",
    ]


def test_its_thread_pings_by_itself_and_ends(manager: Manager, wait_for: WaitFor) -> None:
    monitor = HealthMonitor(Progress())
    heart = Heartbeat(monitor=monitor, notifier=notifier_to(manager), watchdog_s=0.05)
    with heart:
        heart.start()
        heard: list[str] = []
        while heard.count("WATCHDOG=1") < 3:
            heard.append(manager.next())
    heart.stop()
    manager.waiting()
    assert manager.waiting() == []


def test_an_error_in_its_thread_is_kept_and_comes_out_at_the_end(wait_for: WaitFor) -> None:
    monitor = HealthMonitor(Progress())

    def broken() -> BaseException | None:
        raise LookupError("a bug")

    monitor.watch("broken", broken)
    heart = Heartbeat(monitor=monitor, notifier=Notifier(None))
    heart.start()
    wait_for(lambda: heart.fault)
    with pytest.raises(LookupError, match="a bug"):
        heart.stop()
    heart.stop()


def test_a_process_speaks_as_systemd_started_it(manager: Manager) -> None:
    script = (
        "from edge.config import read_environment\n"
        "from edge.ops.notify import Notifier\n"
        "environment = read_environment()\n"
        "Notifier(environment.notify_socket).ready(str(environment.watchdog_s))\n"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        check=True,
        env={"NOTIFY_SOCKET": manager.socket.getsockname(), "WATCHDOG_USEC": "30000000"},
    )
    assert manager.next() == "READY=1\nSTATUS=30.0"
