"""What was measured: figures with their intervals and goals, tables, and pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from calibration.bootstrap import Interval
from calibration.report import Plot, Sheet, Table

_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number. low, high: its 95 % interval, None where it has none.

    at_least, at_most: the goal, at most one of them; None where there is nothing to reach. surely:
    the whole interval has to reach it, not only the value.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    surely: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without one. What is no number reaches none."""
        low, high = (self.low, self.high) if self.surely else (self.value, self.value)
        if self.at_least is not None:
            return low is not None and low >= self.at_least
        return None if self.at_most is None else high is not None and high <= self.at_most

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "value": plain(self.value),
            "low": plain(self.low),
            "high": plain(self.high),
            "at_least": self.at_least,
            "at_most": self.at_most,
            "surely": self.surely,
            "met": self.met,
        }


def figure(
    name: str,
    interval: Interval,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    surely: bool = False,
) -> Figure:
    """A figure of what a bootstrap gave."""
    return Figure(
        name=name,
        value=interval.value,
        low=plain(interval.low),
        high=plain(interval.high),
        at_least=at_least,
        at_most=at_most,
        surely=surely,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A bundle that was measured. sha256: of its manifest. variant: which of its files ran.

    recipe: what it was trained by. recipe_sha256, data_sha256: of the recipe's settings, and of
    what was learned from.
    """

    name: str
    version: str
    variant: str
    sha256: str
    recipe: str
    recipe_sha256: str
    data_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One model. data: what it was measured on, in a sentence. plots, sheets: by file name without
    its ending."""

    name: str
    title: str
    data: str
    bundles: tuple[Used, ...]
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...] = ()
    plots: Mapping[str, Plot] = field(default_factory=dict)
    sheets: Mapping[str, Sheet] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether every goal is reached."""
        return all(figure.met is not False for figure in self.figures)

    def to_json(self) -> dict[str, Any]:
        """Plain values; of pictures what they show, by name."""
        return {
            "title": self.title,
            "data": self.data,
            "met": self.met,
            "bundles": [asdict(used) for used in self.bundles],
            "figures": [figure.to_json() for figure in self.figures],
            "tables": [
                {
                    "caption": table.caption,
                    "headings": list(table.headings),
                    "rows": [[plain(cell) for cell in row] for row in table.rows],
                }
                for table in self.tables
            ],
            "plots": {name: plot.alt for name, plot in self.plots.items()},
            "sheets": {name: sheet.alt for name, sheet in self.sheets.items()},
        }


def plain(value: Any) -> Any:
    """A number as a report holds it: None for what is none, and no digits that mean nothing."""
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    return value
