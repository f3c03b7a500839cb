"""Comparisons of faces, sorted by whom they compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.rates import Counts, Rate, Values, rate
from edge.types import FloatArray

# Similarities that are held before the lowest of them are dropped.
_AT_ONCE = 1 << 21


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Similarities, each of one unit: of two people (impostors) or of one (genuine).

    similarity: float32 ``[M]``, cosines. unit: int64 ``[M]``, indices of units. people: int64
    ``[N, C]``, who is in each unit, C of 2 or 1. sizes: int64 ``[N]``, how many comparisons a unit
    has, 1 or more; those of less than ``floor`` may be left out of ``similarity``.

    A unit weighs 1 however many comparisons it has.
    """

    similarity: FloatArray
    unit: Counts
    people: Counts
    sizes: Counts
    floor: float = -1.0

    def __len__(self) -> int:
        return len(self.people)

    @property
    def identities(self) -> int:
        """How many people are in these comparisons."""
        return len(np.unique(self.people))

    def at_least(self, threshold: float) -> Values:
        """Share of each unit's comparisons that reach a threshold: ``[N]``, for one that is above
        ``floor``."""
        # In doubles, as the camera compares: a threshold cut to single precision is another one.
        high = self.similarity.astype(np.float64) >= threshold
        return np.bincount(self.unit[high], minlength=len(self)) / self.sizes

    def false_matches(self, threshold: float) -> Rate:
        """The false match rate of impostors. Raises ValueError without any."""
        return rate(self.at_least(threshold), self.people)

    def false_non_matches(self, threshold: float) -> Rate:
        """The false non-match rate of genuine comparisons. Raises ValueError without any."""
        return rate(1 - self.at_least(threshold), self.people)


def impostors_of(vectors: FloatArray, person: Counts, *, keep: float | None = None) -> Comparisons:
    """Every sample of somebody against every sample of everybody else.

    vectors: ``[S, D]`` of unit length. person: ``[S]``, whose each is. keep: units' worth of the
    highest similarities that are kept; None keeps all. Memory grows with the samples, the pairs of
    people and what is kept, not with the number of comparisons.
    """
    order = np.argsort(person, kind="stable")
    vectors, person = vectors[order], person[order]
    names, starts, counts = np.unique(person, return_index=True, return_counts=True)
    ends = starts + counts
    first, second = np.triu_indices(len(names), 1)
    sizes = (counts[first] * counts[second]).astype(np.int64)
    rank = np.searchsorted(names, person)
    tail = _Tail(1 / sizes, keep)
    offset = 0
    for row in range(len(names) - 1):
        cosines = vectors[starts[row] : ends[row]] @ vectors[ends[row] :].T
        units = np.broadcast_to(offset + rank[ends[row] :] - row - 1, cosines.shape)
        offset += len(names) - 1 - row
        tail.add(cosines, units)
    similarity, unit = tail.result()
    people = np.column_stack([names[first], names[second]]).astype(np.int64)
    return Comparisons(np.clip(similarity, -1, 1), unit, people, sizes, tail.floor)


def genuine_of(vectors: FloatArray, person: Counts) -> Comparisons:
    """Every two samples of each person who has two or more, in the order of ``impostors_of``."""
    units: dict[tuple[int, ...], list[float]] = {}
    for name in np.unique(person):
        own = vectors[person == name]
        if len(own) > 1:
            first, second = np.triu_indices(len(own), 1)
            units[int(name),] = np.einsum("ij,ij->i", own[first], own[second]).tolist()
    return _grouped(units, columns=1)


def impostors_seen(pairs: Sequence[tuple[int, int, float]], identity: Sequence[int]) -> Comparisons:
    """Samples of which is known that they are two people's: (sample, sample, similarity) each.

    identity: whose each sample is held to be; pairs of samples of the same two people are one unit.
    """
    units: dict[tuple[int, ...], list[float]] = {}
    for first, second, similarity in pairs:
        low, high = sorted((identity[first], identity[second]))
        units.setdefault((low, high), []).append(similarity)
    return _grouped(units, columns=2)


def most_alike(impostors: Comparisons, count: int) -> list[tuple[int, int, float]]:
    """The pairs of people with the highest similarities, each with its own: the highest first."""
    found: dict[int, float] = {}
    for place in np.argsort(-impostors.similarity, kind="stable"):
        found.setdefault(int(impostors.unit[place]), float(impostors.similarity[place]))
        if len(found) == count:
            break
    return [(*impostors.people[unit].tolist(), similarity) for unit, similarity in found.items()]


def genuine_halves(pairs: Sequence[tuple[int, float]]) -> Comparisons:
    """Samples of which is known that they are one person's: (person, similarity) each."""
    units: dict[int, list[float]] = {}
    for person, similarity in pairs:
        units.setdefault(person, []).append(similarity)
    return _grouped({(person,): values for person, values in units.items()}, columns=1)


def _grouped(units: Mapping[tuple[int, ...], Sequence[float]], *, columns: int) -> Comparisons:
    sizes = [len(values) for values in units.values()]
    return Comparisons(
        np.clip([one for values in units.values() for one in values], -1, 1).astype(np.float32),
        np.repeat(np.arange(len(units)), sizes),
        np.asarray(list(units), np.int64).reshape(-1, columns),
        np.asarray(sizes, np.int64),
    )


class _Tail:
    """The highest similarities, until they weigh ``keep``; floor: the lowest that still counts."""

    def __init__(self, weights: Values, keep: float | None) -> None:
        self._weights = weights
        self._keep = keep
        self._held: list[tuple[FloatArray, Counts]] = []
        self._count = 0
        self.floor = -1.0

    def add(self, similarity: FloatArray, unit: Counts) -> None:
        high = similarity >= self.floor
        self._held.append((similarity[high], unit[high]))
        self._count += int(high.sum())
        if self._keep is not None and self._count > _AT_ONCE:
            self._prune(self._keep)

    def result(self) -> tuple[FloatArray, Counts]:
        if self._keep is not None:
            self._prune(self._keep)
        return self._joined()

    def _joined(self) -> tuple[FloatArray, Counts]:
        nothing = (np.zeros(0, np.float32), np.zeros(0, np.int64))
        similarity, unit = zip(*self._held, nothing, strict=True)
        return np.concatenate(similarity), np.concatenate(unit)

    def _prune(self, keep: float) -> None:
        similarity, unit = self._joined()
        order = np.argsort(-similarity)
        total = np.cumsum(self._weights[unit[order]])
        if len(total) and total[-1] > keep:
            self.floor = float(similarity[order[int(np.searchsorted(total, keep))]])
        high = similarity >= self.floor
        self._held, self._count = [(similarity[high], unit[high])], int(high.sum())
