from __future__ import annotations

import pytest

from edge.capture.backoff import LONGEST_DELAY_S, backoff_delay
from edge.capture.paced import Pace
from edge.capture.rate import FrameMeter, RateLimit


def admitted(fps: float | None, times: list[float]) -> list[int]:
    limit = RateLimit(fps)
    return [index for index, time in enumerate(times) if limit.admits(time)]


def test_without_a_limit_every_frame_passes() -> None:
    assert admitted(None, [0.0, 0.0, 0.001, 5.0]) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("source", "fps", "most"),
    [(30, 10, 11), (15, 10, 11), (25, 24, 25), (10, 10, 11), (10, 30, 11), (30, 1, 2)],
)
def test_a_second_has_no_more_frames_than_asked_for(source: int, fps: float, most: int) -> None:
    passed = admitted(fps, [index / source for index in range(source * 10)])
    assert len(passed) <= 10 * fps + 1
    assert len(passed) >= 10 * min(fps, source) - 1
    for begin in range(0, source * 9, 7):
        assert sum(begin <= index < begin + source for index in passed) <= most


def test_unsteady_frames_at_the_rate_all_pass() -> None:
    assert len(admitted(10, [index / 10 + 0.004 * (-1) ** index for index in range(50)])) == 50


def test_after_a_pause_nothing_is_caught_up_with() -> None:
    passed = admitted(10, [0.0, *(60 + index / 100 for index in range(100))])
    assert len(passed) == pytest.approx(11, abs=1)


def test_a_burst_is_one_frame() -> None:
    assert admitted(10, [5.0] * 30) == [0]


def test_frames_are_counted_over_a_window() -> None:
    meter = FrameMeter(5.0)
    assert meter.rate(0.0, 0) == 0.0
    meter.start_over(0.0, 7)
    assert meter.rate(0.0, 7) == 0.0
    for second in range(1, 21):
        meter.note(float(second), 7 + 10 * second)
    assert meter.rate(20.0, 207) == pytest.approx(10.0)
    assert meter.rate(22.0, 207) == pytest.approx(30 / 5)
    assert meter.rate(26.0, 207) == 0.0
    meter.start_over(30.0, 207)
    meter.note(31.0, 211)
    assert meter.rate(31.0, 211) == pytest.approx(4.0)


def test_waits_grow_up_to_five_seconds() -> None:
    longest = [backoff_delay(failures, draw=lambda: 0.0) for failures in (1, 2, 3, 4, 5, 6, 9999)]
    assert longest == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert [backoff_delay(n, draw=lambda: 1.0) for n in (1, 5)] == [0.25, 2.5]
    drawn = [backoff_delay(9) for _ in range(100)]
    assert len(set(drawn)) > 1
    assert all(LONGEST_DELAY_S / 2 <= delay <= LONGEST_DELAY_S for delay in drawn)


class Clock:
    """A clock that moves by being slept on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


def test_frames_are_waited_for_and_rounds_join_without_a_gap() -> None:
    clock = Clock()
    pace = Pace(0.1, clock=clock, sleep=clock.sleep)
    # The first frame of some files is later than 0.
    first = [pace.wait_for(offset) for offset in (0.033, 0.133, 0.233)]
    clock.now += 0.04  # the file is opened again
    pace.start_over()
    again = [pace.wait_for(offset) for offset in (0.033, 0.133)]
    assert [*first, *again] == pytest.approx([100.0, 100.1, 100.2, 100.3, 100.4])
    assert clock.slept == [0.0, 0.1, 0.1, 0.06, 0.1]


def test_what_is_late_is_not_waited_for_and_what_is_far_behind_is_given_up() -> None:
    clock = Clock()
    pace = Pace(0.1, clock=clock, sleep=clock.sleep)
    pace.wait_for(0.0)
    clock.now += 0.5
    assert [pace.wait_for(offset) for offset in (0.1, 0.6)] == pytest.approx([100.1, 100.6])
    clock.now += 30.0
    assert [pace.wait_for(offset) for offset in (0.7, 0.8)] == pytest.approx([130.6, 130.7])
    assert clock.slept == [0.0, 0.0, 0.1, 0.0, 0.1]
