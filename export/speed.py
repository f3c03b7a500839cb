"""How fast models run on one thread of this CPU, against each other.

What is counted is the CPU time of the calling thread, in which a session of one thread computes:
what else the machine does in the meantime costs the wall clock, and hardly this. The runs are
interleaved, in turn and each round starting with another model, so that a CPU that slows down slows
all of them; what decides is the median of the rounds' own ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.device import gather
from edge.runner.base import Runner, Tensor

_WARM_UPS = 3
_ROUNDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One model. median_ms, low_ms, high_ms: milliseconds of CPU a call; median and quartiles.

    ratio: how many times as fast as the reference, median over the rounds; ratio_low and
    ratio_high: its quartiles.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """All models of one run, by name; cpu_model and cpu_flags say where."""

    reference: str
    models: Mapping[str, Latency]
    rounds: int
    cpu_model: str
    cpu_flags: tuple[str, ...]

    def to_record(self, name: str) -> dict[str, object]:
        """What a variant's ``accuracy`` or report says of its speed."""
        one = self.models[name]
        return {
            "latency_ms": round(one.median_ms, 3),
            "quartiles_ms": [round(one.low_ms, 3), round(one.high_ms, 3)],
            "speed_up": round(one.ratio, 3),
            "speed_up_quartiles": [round(one.ratio_low, 3), round(one.ratio_high, 3)],
            "clock": "cpu",
            "threads": 1,
            "rounds": self.rounds,
            "cpu": self.cpu_model,
            "cpu_flags": list(self.cpu_flags),
        }


def measure_speed(
    runners: Mapping[str, Runner],
    feeds: Mapping[str, Tensor],
    *,
    reference: str,
    rounds: int = _ROUNDS,
    step: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.thread_time,
) -> Speed:
    """Run every model on ``feeds`` in turn, ``rounds`` times, after a few runs that do not count.

    runners: loaded, each with a session of one thread (``SessionSettings(threads=1)``).
    reference: the name of the one to compare with. step: called after each round, for a sign of
    progress. clock: seconds of the calling thread. Raises what ``infer`` raises, and ValueError for
    an unknown reference.
    """
    if reference not in runners or rounds < 1:
        raise ValueError(f"expected {reference!r} among {list(runners)} and a round or more")
    names = list(runners)
    times = {name: np.empty(rounds) for name in names}
    for _ in range(_WARM_UPS):
        for runner in runners.values():
            runner.infer(feeds)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            begin = clock()
            runners[name].infer(feeds)
            times[name][turn] = clock() - begin
        step()
    facts = gather()
    return Speed(
        reference=reference,
        models={name: _latency(times[name], times[reference]) for name in names},
        rounds=rounds,
        cpu_model=facts.cpu_model or facts.machine,
        cpu_flags=tuple(sorted(facts.cpu_flags)),
    )


def _latency(seconds: NDArray[np.float64], reference: NDArray[np.float64]) -> Latency:
    low, median, high = (float(q) for q in np.quantile(seconds * 1000, [0.25, 0.5, 0.75]))
    ratio = reference / seconds
    ratio_low, ratio_median, ratio_high = (float(q) for q in np.quantile(ratio, [0.25, 0.5, 0.75]))
    return Latency(
        median_ms=median,
        low_ms=low,
        high_ms=high,
        ratio=ratio_median,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
    )
