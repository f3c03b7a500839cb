"""Intervals for what was measured on a sample, by the percentile bootstrap.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. Samples that belong
together (the frames of a clip, the faces of a track, the pairs of an identity) are no independent
ones: they are drawn as whole groups (Davison and Hinkley, "Bootstrap Methods and their
Application", 1997, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
RESAMPLES = 1000
_LEAST_DEFINED = 0.9


@dataclass(frozen=True, slots=True)
class Interval:
    """What was measured, and between which values the truth lies with ``confidence``, 0..1.

    All are NaN where the sample does not allow to say; low and high alone where resampling does
    not.
    """

    value: float
    low: float
    high: float
    confidence: float


def bootstrap(
    statistic: Callable[[Indices], float],
    count: int,
    *,
    groups: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The statistic of all ``count`` samples, with its two-sided percentile interval.

    statistic: is given the indices of the samples drawn, with repeats; NaN where it is not defined
    for them. groups: to which group each sample belongs; groups are then drawn instead of samples.
    The same arguments always give the same interval.

    With less than two groups, or where more than a tenth of the draws leave the statistic
    undefined, low and high are NaN. Raises ValueError where ``groups`` is of another length.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence between 0 and 1, found {confidence}")
    members = group_members(count, groups)
    value = float(statistic(np.arange(count))) if count else math.nan
    if len(members) < 2:
        return Interval(value, math.nan, math.nan, confidence)
    random = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    for place in range(resamples):
        picked = random.integers(len(members), size=len(members))
        indices = picked if groups is None else np.concatenate([members[one] for one in picked])
        drawn[place] = statistic(indices)
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < _LEAST_DEFINED * resamples:
        return Interval(value, math.nan, math.nan, confidence)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(value, float(low), float(high), confidence)


def group_members(count: int, groups: Sequence[Hashable] | None) -> list[Indices]:
    """The indices of each group, in order of appearance; every sample is its own without groups.

    Raises ValueError where ``groups`` does not name one group for each of ``count`` samples.
    """
    if groups is None:
        return list(np.arange(count)[:, None])
    if len(groups) != count:
        raise ValueError(f"expected a group for each of {count} samples, found {len(groups)}")
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return [np.asarray(indices, np.intp) for indices in members.values()]
