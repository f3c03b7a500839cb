from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from edge.runner.base import Runner, Tensor
from export.speed import measure_speed

Answering = Callable[..., Runner]
FEEDS = {"input": np.zeros((1, 3, 2, 2), np.float32)}


def working(milliseconds: float, calls: list[str], name: str) -> Callable[[Tensor], Tensor]:
    def answer(value: Tensor) -> Tensor:
        calls.append(name)
        end = time.perf_counter() + milliseconds / 1000
        while time.perf_counter() < end:
            pass
        return value

    return answer


def test_models_are_timed_in_turn_each_round_starting_with_another(answering: Answering) -> None:
    calls: list[str] = []
    runners = {name: answering(working(0, calls, name)) for name in ("a", "b", "c")}

    speed = measure_speed(runners, FEEDS, reference="a", rounds=3)

    assert "".join(calls[9:]) == "abcbcacab"
    assert speed.rounds == 3


def test_the_ratio_says_how_many_times_as_fast_as_the_reference(answering: Answering) -> None:
    calls: list[str] = []
    runners = {
        "fp32": answering(working(4, calls, "fp32")),
        "slow": answering(working(12, calls, "slow")),
        "fast": answering(working(1, calls, "fast")),
    }

    speed = measure_speed(runners, FEEDS, reference="fp32", rounds=9)

    slow, fast = speed.models["slow"], speed.models["fast"]
    assert speed.models["fp32"].ratio == 1
    assert slow.ratio < 0.7
    assert fast.ratio > 1.5
    assert slow.ratio_low <= slow.ratio <= slow.ratio_high
    assert slow.low_ms <= slow.median_ms <= slow.high_ms
    assert slow.median_ms > fast.median_ms


def test_the_record_says_where_it_was_measured(answering: Answering) -> None:
    runners = {"fp32": answering(lambda value: value)}

    speed = measure_speed(runners, FEEDS, reference="fp32", rounds=2)

    record = speed.to_record("fp32")
    assert record["cpu"] == speed.cpu_model != ""
    assert record["threads"] == 1
    assert record["speed_up"] == 1


def test_every_round_gives_a_sign(answering: Answering) -> None:
    steps: list[int] = []
    runners = {"fp32": answering(lambda value: value)}

    measure_speed(runners, FEEDS, reference="fp32", rounds=5, step=lambda: steps.append(1))

    assert len(steps) == 5


def test_an_unknown_reference_is_a_mistake(answering: Answering) -> None:
    with pytest.raises(ValueError, match="expected 'fp32' among"):
        measure_speed({}, FEEDS, reference="fp32")
