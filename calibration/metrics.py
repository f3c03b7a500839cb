"""How well faces are told apart one to one: verification.

Every person, and every pair of people, weighs the same, however many pictures there are of them.
Intervals come from drawing people anew, with all their pictures: Bolle, Ratha and Pankanti, "Error
analysis of pattern recognition systems: the subsets bootstrap", CVIU 93, 2004, of which the form
for two people is Snijders's and Borgatti's vertex bootstrap, Connections 22, 1999.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.bootstrap import Indices, Interval, bootstrap
from calibration.pairs import Comparisons, genuine_of, impostors_of
from calibration.rates import Counts, Values, trials_needed
from edge.types import FloatArray

RESAMPLES = 500
_MOST_POINTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Error rates over all thresholds, from the highest down, thinned to what a plot can show.

    fmr rises and fnmr falls along it. For a ROC draw 1 − fnmr over fmr; for a DET (Martin et al.,
    Eurospeech 1997) fnmr over fmr, both on axes of normal deviates, or logarithmic ones.
    """

    threshold: Values
    fmr: Values
    fnmr: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class FnmrAtFmr:
    """What a false match rate costs. needed: pairs of people that it takes to show this rate; with
    fewer, threshold and fnmr are None: the data cannot resolve it."""

    fmr: float
    needed: int
    threshold: float | None
    fnmr: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Faces compared one to one. people: with two pictures or more; pairs: of different people.

    auc: area under the ROC. eer: the error rate where both kinds are equally frequent.
    """

    people: int
    pairs: int
    genuine: int
    impostor: int
    auc: Interval
    eer: float
    curve: Curve
    at: tuple[FnmrAtFmr, ...]


def verification(
    vectors: FloatArray,
    person: Counts,
    *,
    rates: Sequence[float] = (1e-1, 1e-2, 1e-3),
    resamples: int = RESAMPLES,
) -> Verification:
    """Compare every two faces.

    vectors: ``[S, D]`` of unit length. person: ``[S]``, 0 … P − 1, whose each is. rates: false
    match rates to state the FNMR at. Raises ValueError where nobody has two pictures or there is
    only one person.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    genuine, impostor = genuine_of(vectors, person), impostors_of(vectors, person)
    if not len(genuine) or not len(impostor):
        raise ValueError("expected two people or more, one of them with two pictures or more")
    trial, count = _Trial(genuine, impostor), int(person.max()) + 1
    weights = trial.weights(np.ones(count))
    area = float(roc_auc_score(trial.same, trial.similarity, sample_weight=weights))
    fmr, tmr, threshold = roc_curve(
        trial.same, trial.similarity, sample_weight=weights, drop_intermediate=False
    )
    fnmr = 1 - np.asarray(tmr)
    return Verification(
        people=len(genuine),
        pairs=len(impostor),
        genuine=len(genuine.similarity),
        impostor=len(impostor.similarity),
        auc=replace(over_people(trial.area, count, resamples), value=area),
        eer=float(((fmr + fnmr) / 2)[np.argmin(np.abs(fmr - fnmr))]),
        curve=_thinned(threshold, fmr, fnmr),
        at=tuple(_at(trial, count, wanted, len(impostor), resamples) for wanted in rates),
    )


class _Trial:
    """All comparisons in descending order, for weights that change."""

    def __init__(self, genuine: Comparisons, impostor: Comparisons) -> None:
        similarity = np.concatenate([genuine.similarity, impostor.similarity])
        order = np.argsort(-similarity, kind="stable")
        self.similarity = similarity[order]
        self.same: NDArray[np.bool_] = (np.arange(len(similarity)) < len(genuine.similarity))[order]
        first = np.concatenate([genuine.people[genuine.unit, 0], impostor.people[impostor.unit, 0]])
        second = np.concatenate(
            [genuine.people[genuine.unit, 0], impostor.people[impostor.unit, 1]]
        )
        share = np.concatenate([1 / genuine.sizes[genuine.unit], 1 / impostor.sizes[impostor.unit]])
        self._first, self._second, self._share = first[order], second[order], share[order]
        # The last place of each run of equal similarities: no threshold parts them.
        self._ends = np.append(np.flatnonzero(np.diff(self.similarity)), len(similarity) - 1)

    def weights(self, drawn: Values) -> Values:
        """Of each comparison, where every person was drawn so many times: ``[P]`` to ``[M]``."""
        times = np.where(self.same, 1.0, drawn[self._second])
        weights: Values = self._share * drawn[self._first] * times
        return weights

    def rates(self, drawn: Values) -> tuple[Values, Values]:
        """False and true match rate at each similarity that occurs; NaN where nothing was drawn."""
        weights = self.weights(drawn)
        false = np.cumsum(np.where(self.same, 0, weights))[self._ends]
        true = np.cumsum(np.where(self.same, weights, 0))[self._ends]
        if not false[-1] or not true[-1]:
            return np.full(len(false), math.nan), np.full(len(true), math.nan)
        return false / false[-1], true / true[-1]

    def area(self, drawn: Values) -> float:
        """Area under the ROC."""
        false, true = self.rates(drawn)
        steps = np.diff(false, prepend=0.0)
        return float((steps * (true + np.append(0.0, true[:-1])) / 2).sum())

    def fnmr_at(self, drawn: Values, wanted: float) -> float:
        """FNMR at the lowest threshold whose false match rate is at most ``wanted``."""
        false, true = self.rates(drawn)
        last = _last_within(false, wanted)
        if np.isnan(false[0]):
            return math.nan
        return 1.0 if last is None else float(1 - true[last])

    def threshold_at(self, wanted: float) -> float:
        """That threshold, everybody drawn once; above all where even the highest match is false."""
        false, _ = self.rates(np.ones(int(self._second.max()) + 1))
        last = _last_within(false, wanted)
        return math.inf if last is None else float(self.similarity[self._ends[last]])


def over_people(statistic: Callable[[Values], float], count: int, resamples: int) -> Interval:
    """The interval of a statistic of how often each of ``count`` people was drawn, ``[P]``."""

    def of_draw(drawn: Indices) -> float:
        return statistic(np.bincount(drawn, minlength=count).astype(np.float64))

    return bootstrap(of_draw, count, resamples=resamples)


def _last_within(false: Values, wanted: float) -> int | None:
    """The last place at which the rate is at most ``wanted``; None where it never is."""
    last = int(np.searchsorted(false, wanted * (1 + 1e-9), side="right")) - 1
    return last if last >= 0 else None


def _at(trial: _Trial, people: int, wanted: float, pairs: int, resamples: int) -> FnmrAtFmr:
    needed = trials_needed(wanted)
    if pairs < needed:
        return FnmrAtFmr(fmr=wanted, needed=needed, threshold=None, fnmr=None)
    fnmr = over_people(lambda drawn: trial.fnmr_at(drawn, wanted), people, resamples)
    threshold = trial.threshold_at(wanted)
    return FnmrAtFmr(fmr=wanted, needed=needed, threshold=threshold, fnmr=fnmr)


def _thinned(threshold: Values, fmr: Values, fnmr: Values) -> Curve:
    """At most so many points, close together where the curve is steep on either axis."""
    if len(fmr) > _MOST_POINTS:
        along = np.cumsum(np.abs(np.diff(fmr, prepend=0)) + np.abs(np.diff(fnmr, prepend=1)))
        even = np.linspace(0, along[-1], _MOST_POINTS // 2)
        low = np.geomspace(max(fmr[fmr > 0].min(initial=1.0), 1e-9), 1, _MOST_POINTS // 2)
        places = np.concatenate([np.searchsorted(along, even), np.searchsorted(fmr, low)])
        keep = np.unique(np.concatenate([[0], np.minimum(places, len(fmr) - 1), [len(fmr) - 1]]))
        threshold, fmr, fnmr = threshold[keep], fmr[keep], fnmr[keep]
    return Curve(threshold=threshold, fmr=fmr, fnmr=fnmr)
