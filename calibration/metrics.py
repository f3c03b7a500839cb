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

from calibration.bootstrap import Indices, Interval, bootstrap
from calibration.pairs import Comparisons, genuine_of, impostors_of
from calibration.rates import Counts, Values, trials_needed
from edge.types import FloatArray

RESAMPLES = 500
_MOST_POINTS = 400
_BINS = 60
_DIGITS = 12  # beyond these a rate is rounding


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
class Spread:
    """How similarities are spread: shares ``[B]`` of each kind between ``edges [B + 1]``."""

    edges: Values
    genuine: Values
    impostor: Values


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
    spread: Spread
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
    trial, count = Trial(genuine, impostor), int(person.max()) + 1
    same = np.repeat([True, False], [len(trial.genuine), len(trial.impostor)])
    similarity = np.concatenate([trial.genuine, trial.impostor])
    weights = np.concatenate(trial.weights(np.ones(count)))
    area = float(roc_auc_score(same, similarity, sample_weight=weights))
    fmr, tmr, threshold = roc_curve(
        same, similarity, sample_weight=weights, drop_intermediate=False
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
        spread=_spread(trial, count),
        at=tuple(_at(trial, count, wanted, genuine, impostor, resamples) for wanted in rates),
    )


class Trial:
    """All comparisons, ready for weights that change with who is drawn how often.

    Both kinds are in descending order of similarity.
    """

    def __init__(self, genuine: Comparisons, impostor: Comparisons) -> None:
        down = np.argsort(-genuine.similarity, kind="stable")
        unit = genuine.unit[down]
        self.genuine = genuine.similarity[down]
        self._own, self._own_share = genuine.people[unit, 0], 1 / genuine.sizes[unit]
        down = np.argsort(-impostor.similarity, kind="stable")
        unit = impostor.unit[down]
        self.impostor = impostor.similarity[down]
        self._first, self._second = impostor.people[unit].T.copy()
        self._share = 1 / impostor.sizes[unit]
        # The last place of each run of equal similarities: no threshold parts them.
        self._ends = np.append(np.flatnonzero(np.diff(self.impostor)), len(self.impostor) - 1)
        # How many impostors are above each genuine similarity, and how many not below it.
        self._above = np.searchsorted(-self.impostor, -self.genuine, side="left")
        self._reach = np.searchsorted(-self.impostor, -self.genuine, side="right")

    def weights(self, drawn: Values) -> tuple[Values, Values]:
        """Of each genuine and each impostor comparison, where every person was drawn so many times:
        ``[P]``. Nobody is an impostor to themselves, however often they were drawn."""
        genuine: Values = self._own_share * drawn[self._own]
        impostor: Values = self._share * drawn[self._first] * drawn[self._second]
        return genuine, impostor

    def area(self, drawn: Values) -> float:
        """Area under the ROC; NaN where a kind was not drawn."""
        genuine, impostor = self.weights(drawn)
        passed = np.append(0.0, np.cumsum(impostor))
        total = passed[-1] * genuine.sum()
        below = passed[-1] - (passed[self._above] + passed[self._reach]) / 2
        return float(genuine @ below / total) if total else math.nan

    def fnmr_at(self, drawn: Values, wanted: float) -> float:
        """FNMR at the lowest threshold whose false match rate is at most ``wanted``; NaN where a
        kind was not drawn."""
        genuine, impostor = self.weights(drawn)
        first = self._first_over(impostor, wanted)
        total = genuine.sum()
        if first is None or not total:
            return math.nan
        missed = np.searchsorted(-self.genuine, -self.impostor[first], side="left")
        return round(float(genuine[missed:].sum() / total), _DIGITS)

    def threshold_at(self, wanted: float) -> float:
        """That threshold with everybody drawn once: just above the first impostor too many."""
        _, impostor = self.weights(np.ones(int(self._second.max()) + 1))
        first = self._first_over(impostor, wanted)
        assert first is not None  # everybody was drawn
        return float(np.nextafter(self.impostor[first], np.float32(2)))

    def _first_over(self, impostor: Values, wanted: float) -> int | None:
        """Where the matches become too many; None where there is no impostor."""
        passed = np.cumsum(impostor)[self._ends]
        if not passed[-1]:
            return None
        limit = wanted * (1 + 1e-9) * passed[-1]
        return int(self._ends[np.searchsorted(passed, limit, side="right")])


def over_people(statistic: Callable[[Values], float], count: int, resamples: int) -> Interval:
    """The interval of a statistic of how often each of ``count`` people was drawn, ``[P]``."""

    def of_draw(drawn: Indices) -> float:
        return statistic(np.bincount(drawn, minlength=count).astype(np.float64))

    return bootstrap(of_draw, count, resamples=resamples)


def exact_where_certain(interval: Interval, people: int) -> Interval:
    """The interval of a rate; the exact one for so many people where none or all go wrong.

    Drawing anew those with whom nothing went wrong shows nothing of those with whom it would.
    """
    if interval.value not in (0.0, 1.0) or interval.low < interval.high:
        return interval
    most = 1 - ((1 - interval.confidence) / 2) ** (1 / people)
    low, high = (0.0, most) if interval.value == 0 else (1 - most, 1.0)
    return replace(interval, low=low, high=high)


def _at(
    trial: Trial,
    count: int,
    wanted: float,
    genuine: Comparisons,
    impostor: Comparisons,
    resamples: int,
) -> FnmrAtFmr:
    needed = trials_needed(wanted)
    if len(impostor) < needed:
        return FnmrAtFmr(fmr=wanted, needed=needed, threshold=None, fnmr=None)
    fnmr = over_people(lambda drawn: trial.fnmr_at(drawn, wanted), count, resamples)
    return FnmrAtFmr(
        fmr=wanted,
        needed=needed,
        threshold=trial.threshold_at(wanted),
        fnmr=exact_where_certain(fnmr, len(genuine)),
    )


def _spread(trial: Trial, count: int) -> Spread:
    low = math.floor(float(min(trial.genuine[-1], trial.impostor[-1])) * 20) / 20
    edges = np.linspace(low, 1.0, _BINS + 1)
    genuine, impostor = (
        np.histogram(similarity, edges, weights=weights / weights.sum())[0]
        for similarity, weights in zip(
            (trial.genuine, trial.impostor), trial.weights(np.ones(count)), strict=True
        )
    )
    return Spread(edges=edges, genuine=genuine, impostor=impostor)


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
