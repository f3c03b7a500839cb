from __future__ import annotations

import time
from collections.abc import Callable
from itertools import cycle

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.runner.base import Runner, Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner, SessionSettings
from export.speed import measure_speed

Answering = Callable[..., Runner]
FEEDS = {"input": np.zeros((1, 3, 2, 2), np.float32)}


class Clock:
    """Seconds that pass only where a model says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def model(self, name: str, *milliseconds: float) -> Callable[[Tensor], Tensor]:
        """A model that takes so long, call after call, from the start again and again."""
        turns = cycle(milliseconds or (1.0,))

        def answer(value: Tensor) -> Tensor:
            self.calls.append(name)
            self.now += next(turns) / 1000
            return value

        return answer


def test_models_are_timed_in_turn_each_round_starting_with_another(answering: Answering) -> None:
    clock = Clock()
    runners = {name: answering(clock.model(name)) for name in ("a", "b", "c")}

    speed = measure_speed(runners, FEEDS, reference="a", rounds=3, clock=clock)

    warm, timed = clock.calls[:9], clock.calls[9:]
    assert sorted(warm) == sorted("abc" * 3)
    assert timed == [*"abc", *"bca", *"cab"]
    assert speed.rounds == 3


def test_the_ratio_says_how_many_times_as_fast_as_the_reference(answering: Answering) -> None:
    clock = Clock()
    runners = {
        "fp32": answering(clock.model("fp32", 4)),
        "slow": answering(clock.model("slow", 5, 8, 10)),
        "fast": answering(clock.model("fast", 1)),
    }

    speed = measure_speed(runners, FEEDS, reference="fp32", rounds=9, clock=clock)

    slow, fast = speed.models["slow"], speed.models["fast"]
    assert speed.models["fp32"].ratio == pytest.approx(1)
    assert slow.ratio == pytest.approx(0.5)
    assert (slow.ratio_low, slow.ratio_high) == pytest.approx((0.4, 0.8))
    assert (slow.low_ms, slow.median_ms, slow.high_ms) == pytest.approx((5, 8, 10))
    assert fast.ratio == pytest.approx(4)


def test_one_slow_round_decides_nothing(answering: Answering) -> None:
    clock = Clock()
    runners = {
        "fp32": answering(clock.model("fp32", 4)),
        "int8": answering(clock.model("int8", 2, 2, 2, 2, 2, 900, 2)),
    }

    speed = measure_speed(runners, FEEDS, reference="fp32", rounds=7, clock=clock)

    assert speed.models["int8"].ratio == pytest.approx(2)


def test_the_record_says_where_it_was_measured(answering: Answering) -> None:
    runners = {"fp32": answering(lambda value: value)}

    speed = measure_speed(runners, FEEDS, reference="fp32", rounds=2)

    record = speed.to_record("fp32")
    assert record["cpu"] == speed.cpu_model != ""
    assert (record["clock"], record["threads"]) == ("cpu", 1)
    assert record["speed_up"] == 1


def test_a_session_of_one_thread_computes_in_the_calling_thread() -> None:
    """What no other thread of the process does, the calling thread's clock counts in full."""
    weight = numpy_helper.from_array(np.ones((64, 64, 3, 3), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4)],
        "busy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64, 96, 96])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64, 96, 96])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    feeds = {"x": np.ones((1, 64, 96, 96), np.float32)}
    settings = SessionSettings(threads=1)
    with OnnxRuntimeRunner(model.SerializeToString(), settings=settings) as runner:
        runner.infer(feeds)
        begin = time.process_time(), time.thread_time()
        for _ in range(10):
            runner.infer(feeds)
        process, thread = time.process_time() - begin[0], time.thread_time() - begin[1]
    assert thread > 0.9 * process


def test_waiting_costs_nothing(answering: Answering) -> None:
    def waits(value: Tensor) -> Tensor:
        time.sleep(0.02)
        return value

    runners = {"fp32": answering(waits)}
    speed = measure_speed(runners, FEEDS, reference="fp32", rounds=3)
    assert speed.models["fp32"].median_ms < 15


def test_every_round_gives_a_sign(answering: Answering) -> None:
    steps: list[int] = []
    runners = {"fp32": answering(lambda value: value)}

    measure_speed(runners, FEEDS, reference="fp32", rounds=5, step=lambda: steps.append(1))

    assert len(steps) == 5


def test_an_unknown_reference_is_a_mistake(answering: Answering) -> None:
    with pytest.raises(ValueError, match="expected 'fp32' among"):
        measure_speed({}, FEEDS, reference="fp32")
