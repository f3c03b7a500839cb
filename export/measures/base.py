"""What all measures share: samples, which of them belong together, and bounds with their tails."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from calibration.bootstrap import Indices, Interval, bootstrap, group_members
from calibration.detection import Boxes
from calibration.rates import binomial_bounds, trials_needed
from edge.errors import BundleError, InferenceError, UsageError
from edge.manifest import Manifest
from edge.runner.base import Runner, Tensor
from edge.types import ByteImage
from export.judgement import Bound, Judgement, bound_of, judgement_of

Values = NDArray[np.float64]
Item = TypeVar("Item")
# Two-sided 90 %: each end alone holds with 95 %.
_CONFIDENCE = 0.9
# The share of samples that may lie beyond a tail's tolerance.
TAIL = 0.01
_LEAST_GROUPS = 5
_RUNS = 20
_MOST_TRIALS = 1e7


class Samples(Protocol):
    """What a variant is judged on; a CalibrationSet is one. Gone through anew for every model."""

    @property
    def groups(self) -> Sequence[Hashable] | None:
        """For each sample the clip or track it is from, in which they follow in time; None where
        each is its own.
        """

    def pictures(self) -> Iterator[ByteImage]:
        """Pictures, uint8 ``[H, W, 3]`` BGR: aligned crops for a recogniser, whole for a
        detector.
        """

    def feeds(self) -> Iterator[dict[str, Tensor]]:
        """One batch of 1 each, by tensor name, for all other roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The samples, which of them belong together, and what is known of their pictures.

    seed: of the bootstrap.
    """

    samples: Samples
    groups: Sequence[Hashable] | None = None
    truth: Sequence[Boxes] | None = None
    seed: int = 0

    def interval(self, statistic: Callable[[Indices], float], count: int) -> Interval:
        """The bootstrap interval of a statistic of ``count`` samples.

        Few clips cannot be drawn from. Runs of samples that follow each other then stand in for
        them (Künsch, Annals of Statistics 17, 1989), and the interval is one for these clips alone.
        """
        groups = self.groups
        if groups is not None and len(set(groups)) < _LEAST_GROUPS:
            groups = _runs(groups, count)
        return bootstrap(statistic, count, groups=groups, confidence=_CONFIDENCE, seed=self.seed)

    def mean(self, name: str, values: Values, tolerance: float, *, least: bool = True) -> Bound:
        """The bound of a mean."""
        interval = self.interval(lambda drawn: float(values[drawn].mean()), len(values))
        return bound_of(name, interval, tolerance=tolerance, samples=len(values), least=least)

    def tail(self, name: str, values: Values, tolerance: float, *, least: bool = True) -> Bound:
        """The bound of the 1st percentile, or of the 99th where ``least`` is False.

        A bootstrap never draws anything worse than what it has. A sample of less than 299 misses
        the worst hundredth altogether more often than once in twenty times; its bound is then
        Cantelli's, mean less √99 standard deviations, which holds whatever the distribution as
        long as it spreads no more than was seen.
        """
        sign = 1.0 if least else -1.0
        signed = sign * values
        interval = self.interval(lambda drawn: _percentile(signed[drawn]), len(values))
        enough = trials_needed(TAIL)
        if len(values) < enough:
            worst = self.interval(lambda drawn: _cantelli(signed[drawn]), len(values)).low
            interval = replace(interval, low=min(interval.low, worst))
        if not least:
            interval = replace(
                interval, value=-interval.value, low=-interval.high, high=-interval.low
            )
        bound = bound_of(name, interval, tolerance=tolerance, samples=len(values), least=least)
        return replace(bound, needed=enough) if len(values) < enough and bound.needed else bound

    def share(
        self,
        name: str,
        statistic: Callable[[Indices], float],
        tolerance: float,
        *,
        count: int,
        trials: float,
        most_wrong: float = 1.0,
    ) -> Bound:
        """The bound of a share of ``trials``, which has to be at least ``tolerance``.

        Where all or nearly all is right the bootstrap sees no spread; the bound is then that of
        the binomial distribution, 1 − 3/n for none wrong. most_wrong: the largest share that can
        be wrong, where something else tells.
        """
        spread = self.interval(statistic, count)
        plain = bound_of(name, spread, tolerance=tolerance, samples=count)
        if not trials or math.isnan(spread.value):
            return plain
        seen = _share_at_least(spread.value, trials)
        low = min(spread.low, max(seen, 1 - most_wrong))
        bound = bound_of(name, replace(spread, low=low), tolerance=tolerance, samples=count)
        if bound.passed is not None or spread.value <= tolerance:
            return bound
        enough = math.ceil(_trials_needed(spread.value, tolerance, trials) * count / trials)
        return replace(bound, needed=max(enough, plain.needed or 0))

    def share_below(self, values: Values, members: Indices, limit: float, count: int) -> float:
        """The largest share of values that lies below ``limit``, by Cantelli's inequality.

        members: for each value, which of ``count`` samples it is of. As for ``tail``, it holds as
        long as values spread no more than was seen; 1 where it says nothing.
        """

        def room(drawn: Indices) -> float:
            weights = np.bincount(drawn, minlength=count)[members]
            if not weights.sum():
                return math.nan
            mean = np.average(values, weights=weights)
            spread = math.sqrt(float(np.average(np.square(values - mean), weights=weights)))
            return float(mean - limit) / max(spread, 1e-9)

        least = self.interval(room, count).low
        return 1 / (1 + least**2) if least > 0 else 1.0


class Measure(ABC):
    """Compares variants with a reference that has run already."""

    kind: Literal["accuracy", "agreement"] = "agreement"

    def __init__(self, manifest: Manifest, reference: Runner, study: Study) -> None:
        self.manifest = manifest
        self.study = study
        self.count = self._keep(reference)
        if not self.count:
            raise UsageError(
                "there is nothing to judge a variant on",
                expected="at least one usable sample",
                found="none",
                remedy="Name pictures of what the model is to see.",
            )
        self.groups = len(group_members(self.count, study.groups))

    @abstractmethod
    def _keep(self, reference: Runner) -> int:
        """Run the reference and keep what comparing needs; the number of samples."""

    @abstractmethod
    def _compare(self, variant: Runner) -> tuple[Mapping[str, float], Sequence[Bound]]:
        """Everything measured by name, and the bounds that decide."""

    def judge(self, variant: Runner) -> Judgement:
        """How the variant does; one that cannot be run or read has failed, and the text says so."""
        try:
            figures, bounds = self._compare(variant)
        except (BundleError, InferenceError) as exc:
            return Judgement(
                passed=False,
                kind=self.kind,
                figures={},
                bounds=(),
                text=str(exc),
                samples=self.count,
                groups=self.groups,
            )
        return judgement_of(bounds, figures, kind=self.kind, samples=self.count, groups=self.groups)


def batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    """The items, up to ``size`` at a time."""
    while batch := list(islice(items, size)):
        yield batch


def _runs(groups: Sequence[Hashable], count: int) -> list[Hashable]:
    """Each group in runs of one length, about _RUNS of them in all."""
    length = max(1, count // _RUNS)
    runs: list[Hashable] = [0] * count
    for number, members in enumerate(group_members(count, groups)):
        for place, index in enumerate(members):
            runs[index] = (number, place // length)
    return runs


def _share_at_least(share: float, trials: float) -> float:
    """The least true share under which ``share`` of so many trials is no surprise."""
    return 1 - binomial_bounds(max(0.0, 1 - share) * trials, trials)[1]


def _trials_needed(share: float, tolerance: float, trials: float) -> float:
    """How many trials show that a share that is ``share`` of them is ``tolerance`` or more."""
    if share >= 1:
        return trials_needed(1 - tolerance)
    while _share_at_least(share, trials) < tolerance and trials < _MOST_TRIALS:
        trials *= 1.1
    return trials


def _percentile(values: Values) -> float:
    return float(np.quantile(values, TAIL, method="inverted_cdf"))


def _cantelli(values: Values) -> float:
    return float(values.mean() - math.sqrt(1 / TAIL - 1) * values.std())
