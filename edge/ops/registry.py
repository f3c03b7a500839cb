"""Counters, gauges and histograms, and their text for Prometheus.

The format is version 0.0.4 of the text exposition format
(https://prometheus.io/docs/instrumenting/exposition_formats/). May be used from every thread.
"""

from __future__ import annotations

import math
import re
import time
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, Generic, TypeVar

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})
_VALUE_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

Values = tuple[str, ...]
S = TypeVar("S")


class Metric(ABC, Generic[S]):
    """One family: a name, a help text, and a series for every combination of label values.

    Every method takes all labels by keyword; raises ValueError for others. Raises ValueError for
    names that the format does not know.
    """

    kind: str

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        names = [_NAME.fullmatch(name), *(_LABEL.fullmatch(label) for label in labels)]
        if None in names or len(set(labels)) != len(labels):
            raise ValueError(f"no name of a metric and its labels: {name!r}, {list(labels)!r}")
        self.name = name
        self._help = help
        self._labels = tuple(labels)
        self._lock = Lock()
        self._series: dict[Values, S] = {}

    def text(self) -> str:
        """HELP, TYPE and every series, each line with its end."""
        with self._lock:
            samples = list(self._samples())
        head = f"# HELP {self.name} {self._help.translate(_HELP_ESCAPES)}"
        return "".join(f"{line}\n" for line in [head, f"# TYPE {self.name} {self.kind}", *samples])

    def remove(self, **labels: str) -> None:
        """Forget the series of these labels; one that is not there is no mistake."""
        values = self._values(labels)
        with self._lock:
            self._series.pop(values, None)

    @abstractmethod
    def _samples(self) -> Iterator[str]: ...

    def _values(self, labels: dict[str, str]) -> Values:
        if labels.keys() != set(self._labels):
            raise ValueError(
                f"{self.name}: expected labels {list(self._labels)}, found {list(labels)}"
            )
        return tuple(labels[label] for label in self._labels)

    def _line(self, suffix: str, values: Values, number: float, bound: float | None = None) -> str:
        pairs = [*zip(self._labels, values, strict=True)]
        if bound is not None:
            pairs.append(("le", _number(bound)))
        inside = ",".join(f'{label}="{value.translate(_VALUE_ESCAPES)}"' for label, value in pairs)
        series = f"{{{inside}}}" if inside else ""
        return f"{self.name}{suffix}{series} {_number(number)}"


class _Single(Metric[float]):
    """A family whose series are one number each."""

    def value(self, **labels: str) -> float | None:
        """The number of one series; None where there is none yet."""
        values = self._values(labels)
        with self._lock:
            return self._series.get(values)

    def _samples(self) -> Iterator[str]:
        for values, number in self._series.items():
            yield self._line("", values, number)


class Counter(_Single):
    """A number that only grows, until the process ends. Without labels it begins at 0."""

    kind = "counter"

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help, labels)
        if not labels:
            self._series[()] = 0.0

    def inc(self, amount: float = 1.0, **labels: str) -> None:
        """Add ``amount``; 0 makes the series be there. Raises ValueError below 0."""
        if not amount >= 0:
            raise ValueError(f"{self.name}: a counter cannot grow by {amount}")
        values = self._values(labels)
        with self._lock:
            self._series[values] = self._series.get(values, 0.0) + amount


class Gauge(_Single):
    """A number that goes up and down."""

    kind = "gauge"

    def set(self, number: float, **labels: str) -> None:
        """The number as it is now."""
        values = self._values(labels)
        with self._lock:
            self._series[values] = float(number)


class Histogram(Metric[tuple[list[int], list[float]]]):
    """How often numbers fell below fixed bounds, their sum and their count.

    buckets: upper bounds, inclusive, growing, finite; one without bound is added.
    """

    kind = "histogram"

    def __init__(
        self, name: str, help: str, labels: Sequence[str] = (), *, buckets: Sequence[float]
    ) -> None:
        super().__init__(name, help, labels)
        if not buckets or list(buckets) != sorted(set(buckets)) or math.inf in buckets:
            raise ValueError(f"{name}: expected finite bounds that grow, found {list(buckets)}")
        if "le" in labels:
            raise ValueError(f"{name}: the label le belongs to the buckets")
        self._bounds = (*buckets, math.inf)
        if not labels:
            self._series[()] = self._empty()

    def expect(self, **labels: str) -> None:
        """Make the series be there before the first number is."""
        values = self._values(labels)
        with self._lock:
            self._series.setdefault(values, self._empty())

    def observe(self, number: float, **labels: str) -> None:
        """Count one number."""
        values = self._values(labels)
        with self._lock:
            counts, total = self._series.setdefault(values, self._empty())
            counts[bisect_left(self._bounds, number)] += 1
            total[0] += number

    @contextmanager
    def time(self, **labels: str) -> Iterator[None]:
        """Count the seconds that the block takes, whether it succeeds or not."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - began, **labels)

    def _empty(self) -> tuple[list[int], list[float]]:
        return [0] * len(self._bounds), [0.0]

    def _samples(self) -> Iterator[str]:
        for values, (counts, total) in self._series.items():
            below = 0
            for bound, count in zip(self._bounds, counts, strict=True):
                below += count
                yield self._line("_bucket", values, below, bound)
            yield self._line("_sum", values, total[0])
            yield self._line("_count", values, below)


M = TypeVar("M", bound=Metric[Any])


class Registry:
    """All metrics of one process, in the order in which they were added."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric[Any]] = {}

    def add(self, metric: M) -> M:
        """Give a metric back that is now part of the text. Raises ValueError for a taken name."""
        if metric.name in self._metrics:
            raise ValueError(f"there is a metric {metric.name} already")
        self._metrics[metric.name] = metric
        return metric

    def text(self) -> str:
        """Every metric, as Prometheus reads it."""
        return "".join(metric.text() for metric in list(self._metrics.values()))


def _number(number: float) -> str:
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    if math.isnan(number):
        return "NaN"
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)
