"""``system.degraded``: what is amiss, said once when it begins and once when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from edge.events.build import SystemName
from edge.ops.health import HealthMonitor, Progress
from edge.troubles import Troubles
from edge.types import Phase


@dataclass
class Bench:
    """Troubles over a real monitor, at a time that the test sets. room: whether the outbox has
    any."""

    now: float = 0.0
    room: bool = True
    said: list[tuple[str, str, dict[str, Any], float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.monitor = HealthMonitor(Progress())
        self.troubles = Troubles(self.monitor, clock=lambda: self.now, wall=lambda: 1000 + self.now)

    def look(self, now: float) -> list[tuple[str, str, dict[str, Any], float]]:
        """What is said at that time."""
        self.now = now
        self.said = []
        self.troubles.look(self.say)
        return self.said

    def say(
        self,
        name: SystemName,
        *,
        reason: str,
        detail: Mapping[str, Any],
        phase: Phase,
        at: float,
    ) -> bool:
        assert name == "degraded"
        if self.room:
            self.said.append((phase.value, reason, dict(detail), at))
        return self.room


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_problem_is_said_once_and_its_end_once(bench: Bench) -> None:
    assert bench.look(0) == []
    bench.monitor.problem("reload", "not TOML")
    assert bench.look(2) == [("started", "not TOML", {"problem": "reload"}, 1002)]
    assert bench.look(4) == []
    bench.monitor.solved("reload")
    assert bench.look(6) == [("ended", "not TOML", {"problem": "reload", "seconds": 4}, 1006)]
    assert bench.look(8) == []
    bench.monitor.problem("reload", "again")
    assert [phase for phase, *_ in bench.look(10)] == ["started"]


def test_cameras_have_events_of_their_own(bench: Bench) -> None:
    bench.monitor.problem("camera_lost:door", "no frame")
    assert bench.look(2) == bench.look(100) == []
    bench.monitor.solved("camera_lost:door")
    assert bench.look(102) == []


@pytest.mark.parametrize("name", ["mqtt", "mqtt_refused"])
def test_a_broker_may_be_away_for_a_moment(bench: Bench, name: str) -> None:
    bench.monitor.problem(name, "unreachable")
    assert bench.look(0) == bench.look(27) == []
    bench.monitor.solved(name)
    assert bench.look(29) == bench.look(62) == []
    bench.monitor.problem(name, "unreachable")
    assert bench.look(100) == []
    bench.monitor.problem(name, "tls")  # it is the same absence
    assert bench.look(130) == [("started", "unreachable", {"problem": name}, 1100)]
    bench.monitor.solved(name)
    assert bench.look(140) == [("ended", "unreachable", {"problem": name, "seconds": 40}, 1140)]


def test_what_had_no_room_is_said_later_with_its_own_time(bench: Bench) -> None:
    bench.room = False
    bench.monitor.problem("outbox", "no room")
    assert bench.look(2) == bench.look(4) == []
    bench.monitor.solved("outbox")
    assert bench.look(6) == []
    bench.room = True
    assert bench.look(8) == [
        ("started", "no room", {"problem": "outbox"}, 1002),
        ("ended", "no room", {"problem": "outbox", "seconds": 4}, 1006),
    ]
    assert bench.look(10) == []


def test_an_end_that_was_not_said_yet_is_taken_back(bench: Bench) -> None:
    bench.monitor.problem("gallery", "unreadable")
    assert len(bench.look(0)) == 1
    bench.room = False
    bench.monitor.solved("gallery")
    assert bench.look(2) == []
    bench.monitor.problem("gallery", "unreadable")
    bench.room = True
    assert bench.look(4) == []
    bench.monitor.solved("gallery")
    assert bench.look(6) == [("ended", "unreadable", {"problem": "gallery", "seconds": 6}, 1006)]


def test_several_at_once_are_told_apart(bench: Bench) -> None:
    bench.monitor.problem("gallery", "a")
    bench.monitor.problem("snapshots", "b")
    assert {detail["problem"] for _, _, detail, _ in bench.look(0)} == {"gallery", "snapshots"}
    bench.monitor.solved("snapshots")
    assert [detail["problem"] for _, _, detail, _ in bench.look(2)] == ["snapshots"]
