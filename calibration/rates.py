"""Error rates with honest intervals, where comparisons share people.

The unit that is counted is what is independent of the others, or nearly: a pair of identities for
false matches, an identity for false non-matches. A hundred frames of two people are still one pair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often something goes wrong.

    value: mean over the units. low, high: each is passed by the true rate with a probability of at
    most 1 − CONFIDENCE, so that both together hold with 90 %. units: what was counted. effective:
    how many independent units know as much.
    """

    value: float
    low: float
    high: float
    units: int
    effective: float


def rate(errors: Values, people: Counts) -> Rate:
    """The rate of errors of units that share people.

    errors: ``[N]`` in 0..1, the share of each unit's comparisons that went wrong. people:
    ``[N, C]`` with C of 1 or 2, who is in each unit; no two units have the same two people.

    The interval is Clopper's and Pearson's (Biometrika 26, 1934) for the effective number of units,
    after Korn and Graubard (Survey Methodology 24, 1998). Raises ValueError without units.
    """
    units = len(errors)
    if not units:
        raise ValueError("expected one unit or more")
    value = float(errors.mean())
    effective = units / design_effect(errors, people)
    low, high = binomial_bounds(value * effective, effective)
    return Rate(value=value, low=low, high=high, units=units, effective=effective)


def design_effect(errors: Values, people: Counts) -> float:
    """By what factor the variance exceeds that of independent units; 1 or more.

    The variance is robust to whatever units that share somebody have in common: Fafchamps and
    Gubert, "The formation of risk sharing networks", J. Development Economics 83, 2007, without
    their finite-sample factor. Somebody whom many are mistaken for counts as one person that way.
    """
    units, value = len(errors), float(errors.mean())
    independent = value * (1 - value) / units
    if independent <= 0:  # no error, or nothing but errors: nothing to see a pattern in
        return 1.0
    rest = errors - value
    sums = np.zeros(int(people.max()) + 1)
    for column in people.T:
        sums += np.bincount(column, rest, len(sums))
    # Two different units share at most one person; a unit meets itself once for each of its own.
    variance = (np.square(sums).sum() - (people.shape[1] - 1) * np.square(rest).sum()) / units**2
    return max(1.0, float(variance) / independent)


def binomial_bounds(errors: float, trials: float) -> tuple[float, float]:
    """Lowest and highest rate under which so many errors in so many trials are no surprise.

    Each end is exact for whole numbers, one-sided at CONFIDENCE, and goes over smoothly between
    them. For 0 errors the upper end is 1 − 0.05^(1/n), about 3/n: the rule of three.
    """
    from scipy.stats import beta

    alpha = 1 - CONFIDENCE
    low = float(beta.ppf(alpha, errors, trials - errors + 1)) if errors > 0 else 0.0
    high = float(beta.ppf(1 - alpha, errors + 1, trials - errors)) if errors < trials else 1.0
    return low, high


def trials_needed(wanted: float) -> int:
    """How many independent trials without an error show that a rate is at most ``wanted``."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-wanted))
