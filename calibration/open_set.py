"""How well enrolled people are found among strangers: open-set identification.

As in verification every person weighs the same, and intervals come from drawing people anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.bootstrap import Interval
from calibration.metrics import RESAMPLES, exact_where_certain, over_people
from calibration.rates import Counts, Values, trials_needed
from edge.types import FloatArray

_MOST_POINTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class DirAtFar:
    """What is found at a false alarm rate. needed: strangers that it takes to show this rate; with
    fewer, threshold and dir are None."""

    far: float
    needed: int
    threshold: float | None
    dir: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSet:
    """Enrolled people and strangers, searched for in one gallery.

    far: the false alarm rate, how often a stranger's best similarity reaches the threshold. dir:
    the detection and identification rate, how often that of an enrolled person does and is to that
    person. Both by threshold, from the highest down. rank1: dir without any threshold.
    """

    enrolled: int
    strangers: int
    probes: int
    rank1: Interval
    threshold: Values
    far: Values
    dir: Values
    at: tuple[DirAtFar, ...]


def open_set(
    vectors: FloatArray,
    person: Counts,
    *,
    rates: Sequence[float] = (1e-1, 1e-2),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> OpenSet:
    """Enrol half of the people with their first picture, and search for all other pictures.

    vectors: ``[S, D]`` of unit length. person: ``[S]``, whose each is. Whom a draw by ``seed``
    enrols is among those with two pictures or more; everybody else is a stranger. Intervals are
    for this gallery. After Phillips, Grother and Micheals, "Evaluation Methods in Face
    Recognition", Handbook of Face Recognition, 2011. Raises ValueError where nobody can be
    enrolled or nobody is left as a stranger.
    """
    search = _Search(vectors, person, seed)
    low, high = float(search.best.min()), float(search.best.max())
    threshold = np.unique(search.best)[::-1]
    if len(threshold) > _MOST_POINTS:
        threshold = np.linspace(high, low, _MOST_POINTS)
    once = np.ones(search.people)
    return OpenSet(
        enrolled=len(search.enrolled),
        strangers=search.people - len(search.enrolled),
        probes=len(search.best),
        rank1=exact_where_certain(
            over_people(lambda drawn: search.found(drawn, -2.0), search.people, resamples),
            len(search.enrolled),
        ),
        threshold=threshold,
        far=np.asarray([search.alarms(once, one) for one in threshold]),
        dir=np.asarray([search.found(once, one) for one in threshold]),
        at=tuple(search.at(wanted, resamples) for wanted in rates),
    )


class _Search:
    """Every probe's best similarity, and whether that is to whom it shows."""

    def __init__(self, vectors: FloatArray, person: Counts, seed: int) -> None:
        names, codes, counts = np.unique(person, return_inverse=True, return_counts=True)
        several = np.flatnonzero(counts > 1)
        enrolled = min(len(several), (len(names) + 1) // 2, len(names) - 1)
        if enrolled < 1:
            raise ValueError("expected two people or more, one of them with two pictures or more")
        draw = np.random.default_rng(seed).permutation(several)
        self.people = len(names)
        self.enrolled = np.sort(draw[:enrolled])
        first = np.asarray([np.flatnonzero(codes == one)[0] for one in self.enrolled])
        probes = np.setdiff1d(np.arange(len(codes)), first)
        similarity = vectors[probes] @ vectors[first].T
        self.best: Values = similarity.max(axis=1).astype(np.float64)
        self._who = codes[probes]
        self._known = np.isin(self._who, self.enrolled)
        self._right = self._known & (self.enrolled[similarity.argmax(axis=1)] == self._who)
        self._share = 1 / np.bincount(self._who, minlength=self.people)[self._who]

    def alarms(self, drawn: Values, threshold: float) -> float:
        """Share of the strangers' probes that are taken for somebody."""
        return self._mean(drawn, ~self._known, self.best >= threshold)

    def found(self, drawn: Values, threshold: float) -> float:
        """Share of the enrolled people's probes that are taken for whom they show."""
        return self._mean(drawn, self._known, self._right & (self.best >= threshold))

    def threshold_at(self, drawn: Values, wanted: float) -> float:
        """The lowest one at which at most so many strangers are taken for somebody."""
        strangers = np.flatnonzero(~self._known)
        order = strangers[np.argsort(-self.best[strangers], kind="stable")]
        weights = self._share[order] * drawn[self._who[order]]
        total = np.cumsum(weights)
        if not total[-1]:
            return math.nan
        over = np.flatnonzero(total > wanted * (1 + 1e-9) * total[-1])
        # Just above the first stranger who would be one too many.
        return float(np.nextafter(self.best[order[over[0]]], math.inf))

    def at(self, wanted: float, resamples: int) -> DirAtFar:
        needed = trials_needed(wanted)
        if self.people - len(self.enrolled) < needed:
            return DirAtFar(far=wanted, needed=needed, threshold=None, dir=None)

        def rate(drawn: Values) -> float:
            threshold = self.threshold_at(drawn, wanted)
            return math.nan if math.isnan(threshold) else self.found(drawn, threshold)

        return DirAtFar(
            far=wanted,
            needed=needed,
            threshold=self.threshold_at(np.ones(self.people), wanted),
            dir=exact_where_certain(over_people(rate, self.people, resamples), len(self.enrolled)),
        )

    def _mean(self, drawn: Values, whom: NDArray[np.bool_], what: NDArray[np.bool_]) -> float:
        weights = np.where(whom, self._share * drawn[self._who], 0)
        total = float(weights.sum())
        return float(weights[what].sum()) / total if total else math.nan
