from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest

from edge.ops.health import Health, HealthMonitor, HealthReport, Progress

if TYPE_CHECKING:
    from tests.ops.conftest import Clock


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return Progress(clock=clock)


@pytest.fixture
def monitor(progress: Progress) -> HealthMonitor:
    return HealthMonitor(progress)


def test_it_starts_is_ok_and_stops(monitor: HealthMonitor) -> None:
    assert monitor.report == HealthReport(Health.STARTING)
    monitor.ready()
    assert monitor.report == HealthReport(Health.OK)
    monitor.stopping()
    assert monitor.report == HealthReport(Health.STOPPING)
    monitor.ready()
    assert monitor.check().health is Health.STOPPING


def test_a_stage_is_late_only_after_its_deadline_and_may_come_back(
    clock: Clock, progress: Progress, monitor: HealthMonitor
) -> None:
    monitor.ready()
    loop = progress.stage("loop", deadline_s=2.0)
    clock.now += 2.0
    assert monitor.watchdog_ok()
    clock.now += 0.25
    assert not monitor.watchdog_ok()
    assert monitor.check() == HealthReport(Health.FAILED, ("loop: no progress, 0.2 s late",))
    loop.beat()
    assert monitor.watchdog_ok()
    assert monitor.check() == HealthReport(Health.OK)


def test_one_stage_that_goes_on_does_not_hide_another_that_does_not(
    clock: Clock, progress: Progress, monitor: HealthMonitor
) -> None:
    monitor.ready()
    door = progress.stage("capture:door", deadline_s=1.0)
    progress.stage("capture:yard", deadline_s=1.0)
    for _ in range(3):
        clock.now += 0.5
        door.beat()
    assert monitor.check().reasons == ("capture:yard: no progress, 0.5 s late",)


def test_a_stage_may_announce_that_it_takes_longer_once(
    clock: Clock, progress: Progress, monitor: HealthMonitor
) -> None:
    loop = progress.stage("loop", deadline_s=1.0)
    loop.beat(within_s=60)
    clock.now += 59
    assert monitor.watchdog_ok()
    loop.beat()
    clock.now += 1.5
    assert not monitor.watchdog_ok()


def test_late_while_starting_is_failed_too(
    clock: Clock, progress: Progress, monitor: HealthMonitor
) -> None:
    progress.stage("models", deadline_s=60)
    clock.now += 61
    assert monitor.check().health is Health.FAILED


def test_a_stage_that_ends_well_is_missed_by_nobody(
    clock: Clock, progress: Progress, monitor: HealthMonitor
) -> None:
    with progress.stage("replay", deadline_s=1.0):
        pass
    clock.now += 100
    assert monitor.watchdog_ok()


def test_a_stage_that_an_error_leaves_has_failed_at_once_and_for_good(
    progress: Progress, monitor: HealthMonitor
) -> None:
    monitor.ready()
    with pytest.raises(ZeroDivisionError), progress.stage("loop", deadline_s=100) as loop:
        raise ZeroDivisionError
    loop.beat()
    assert not monitor.watchdog_ok()
    assert monitor.check() == HealthReport(Health.FAILED, ("loop: stopped by ZeroDivisionError",))


def test_a_stage_started_anew_forgets_the_old_one(
    progress: Progress, monitor: HealthMonitor
) -> None:
    old = progress.stage("capture:door", deadline_s=100)
    old.fail("killed")
    new = progress.stage("capture:door", deadline_s=100)
    old.end()
    assert monitor.watchdog_ok()
    new.fail("killed again")
    assert not monitor.watchdog_ok()


def test_problems_degrade_but_keep_the_watchdog(monitor: HealthMonitor) -> None:
    monitor.problem("mqtt", "refused")
    assert monitor.report == HealthReport(Health.STARTING, ("mqtt: refused",))
    monitor.ready()
    monitor.problem("camera_lost:door")
    assert monitor.report == HealthReport(Health.DEGRADED, ("mqtt: refused", "camera_lost:door"))
    assert monitor.watchdog_ok()
    monitor.problem("mqtt", "not authorised")
    monitor.solved("camera_lost:door")
    assert monitor.report.reasons == ("mqtt: not authorised",)
    monitor.solved("mqtt")
    monitor.solved("mqtt")
    assert monitor.report == HealthReport(Health.OK)


def test_the_fault_of_a_thread_is_a_failure(monitor: HealthMonitor) -> None:
    faults: list[BaseException | None] = [None]
    monitor.watch("control", lambda: faults[-1])
    monitor.ready()
    assert monitor.check().health is Health.OK
    faults.append(KeyError("x"))
    assert monitor.check() == HealthReport(Health.FAILED, ("control: stopped by KeyError",))
    assert not monitor.watchdog_ok()


def test_what_is_no_longer_there_fails_no_more(monitor: HealthMonitor) -> None:
    monitor.ready()
    monitor.watch("camera:door", lambda: KeyError("x"))
    assert monitor.check().health is Health.FAILED
    monitor.forget("camera:door")
    assert monitor.report.health is Health.OK
    monitor.forget("camera:door")


def test_a_change_is_logged_once(monitor: HealthMonitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monitor.ready()
    monitor.problem("mqtt", "refused")
    monitor.check()
    monitor.check()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", "health: ok, before: starting"),
        ("WARNING", "health: degraded; mqtt: refused, before: ok"),
    ]


def test_a_report_reads_well_for_people_and_programs() -> None:
    report = HealthReport(Health.DEGRADED, ("a", "b: c"))
    assert str(report) == "degraded; a; b: c"
    assert report.as_json() == {"health": "degraded", "reasons": ["a", "b: c"]}


def test_many_threads_may_come_and_go(monitor: HealthMonitor, progress: Progress) -> None:
    monitor.ready()

    def work(number: int) -> None:
        for _ in range(200):
            with progress.stage(f"stage-{number}", deadline_s=10) as stage:
                stage.beat()
                monitor.problem(f"problem-{number}")
                monitor.check()
                monitor.solved(f"problem-{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.check() == HealthReport(Health.OK)
