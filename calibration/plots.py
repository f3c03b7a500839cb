"""Plots as SVG, for reports that need no other file: bars, curves, histograms, matrices.

Every function returns one ``<svg>`` element, the same for the same values. Colour never carries
meaning alone: states are written beside their bars, curves end in their names.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which people with any kind of colour vision can tell apart
# (https://jfly.uni-koeln.de/color/).
BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#7f8790"
_CYCLE = (BLUE, RED, GREEN, ORANGE, "#cc79a7", "#56b4e9", "#000000")
_STYLE = {
    "axes.edgecolor": "#9aa2ab",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": "#3b4148",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "font.family": "sans-serif",
    "font.size": 9,
    "grid.color": "#e6e9ec",
    "svg.fonttype": "none",  # text stays text: small, sharp, searchable
    "svg.hashsalt": "edgewarden",
    "xtick.color": "#3b4148",
    "ytick.color": "#3b4148",
}
_MOST_BARS = 40
_LONGEST_NAME = 46


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar. note: written at its end; where None, the value. color: one of this module's."""

    name: str
    value: float
    note: str | None = None
    color: str = BLUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One curve. low, high: a band around it, where there is one."""

    name: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value at ``x`` with its interval; points of one name are drawn alike."""

    name: str
    x: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts between edges, one more of these than of those; marks: values drawn as lines."""

    name: str
    edges: ArrayLike
    counts: ArrayLike
    marks: Mapping[str, float]


def bars(panels: Mapping[str, Sequence[Bar]]) -> str:
    """Horizontal bars, the panels side by side over the same names, by their titles.

    Of more than 40 bars the first 40 are drawn.
    """
    shown = {title: list(rows)[:_MOST_BARS] for title, rows in panels.items()}
    most = max((len(rows) for rows in shown.values()), default=0)
    with _figure(width=9.0, height=0.75 + 0.3 * max(most, 1), columns=len(shown)) as (figure, all_):
        for index, (axes, (title, rows)) in enumerate(zip(all_, shown.items(), strict=True)):
            places = np.arange(len(rows))[::-1]
            values = [row.value for row in rows]
            axes.barh(places, values, color=[row.color for row in rows], height=0.62)
            for place, row in zip(places, rows, strict=True):
                text = f"{row.value:.4g}" if row.note is None else row.note
                axes.annotate(
                    text, (row.value, place), xytext=(4, 0), textcoords="offset points", va="center"
                )
            names = [_short(row.name) for row in rows] if index == 0 else [""] * len(rows)
            axes.set_yticks(places, names)
            axes.set_title(title, loc="left")
            axes.grid(visible=False, axis="y")
            axes.margins(x=0.3)
            low = min(0.0, *values) if values else 0.0
            axes.set_xlim(left=low)
        return _svg(figure)


def curves(
    lines: Sequence[Curve],
    *,
    x: str,
    y: str,
    log_x: bool = False,
    log_y: bool = False,
    marks: Mapping[str, tuple[float, float]] | None = None,
) -> str:
    """Curves with their bands in one frame. x, y: names of the axes. marks: named points."""
    with _figure(width=6.2, height=4.0) as (figure, (axes,)):
        for number, line in enumerate(lines):
            color = _CYCLE[number % len(_CYCLE)]
            axes.plot(line.x, line.y, color=color, label=line.name, linewidth=1.6)
            if line.low is not None and line.high is not None:
                axes.fill_between(
                    _array(line.x),
                    _array(line.low),
                    _array(line.high),
                    color=color,
                    alpha=0.15,
                    linewidth=0,
                )
        for name, point in (marks or {}).items():
            axes.plot(*point, marker="o", color="#000000", markersize=5)
            axes.annotate(name, point, xytext=(6, -10), textcoords="offset points")
        if log_x:
            axes.set_xscale("log")
        if log_y:
            axes.set_yscale("log")
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        if len(lines) > 1 or lines[0].name:
            axes.legend(frameon=False)
        return _svg(figure)


def against(points: Sequence[Point], *, x: str, y: str) -> str:
    """Rates with their intervals over those that were asked for, both on logarithmic axes, and the
    line on which they are equal. What is 0 stands at the lower edge. x, y: names of the axes."""
    ends = [value for one in points for value in (one.x, one.low, one.high) if value > 0]
    low, high = 10 ** np.floor(np.log10(min(ends, default=0.1)) - 0.3), 1.0
    with _figure(width=6.2, height=4.2) as (figure, (axes,)):
        axes.plot([low, high], [low, high], color=GREY, linewidth=1.0, linestyle="--")
        axes.annotate("equal", (high, high), xytext=(-30, -44), textcoords="offset points")
        for number, name in enumerate(dict.fromkeys(one.name for one in points)):
            own = [one for one in points if one.name == name]
            # A little aside, so that intervals at one rate do not hide each other.
            places = [one.x * 1.12 ** (number - 0.5) for one in own]
            values = np.maximum([one.value for one in own], low)
            bottoms = np.maximum([one.low for one in own], low)
            axes.errorbar(
                places,
                values,
                yerr=[values - bottoms, np.asarray([one.high for one in own]) - values],
                fmt="os^D"[number % 4],
                color=_CYCLE[number % len(_CYCLE)],
                capsize=4,
                label=name,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        if points:
            axes.legend(frameon=False, loc="upper left")
        return _svg(figure)


def histograms(shown: Sequence[Histogram]) -> str:
    """Small histograms in a grid, four to a row, their counts on a logarithmic axis."""
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    with _figure(width=9.0, height=1.9 * rows, columns=columns, rows=rows) as (figure, all_):
        for axes, one in zip(all_, shown, strict=False):
            edges, counts = _array(one.edges), _array(one.counts)
            axes.stairs(counts, edges, fill=True, color="#9ec5e0")
            for name, value in one.marks.items():
                axes.axvline(value, color=RED, linewidth=1.1, label=name)
            axes.set_yscale("symlog")
            axes.set_title(_short(one.name, 26), loc="left", fontsize=8)
            axes.tick_params(labelsize=7)
        for axes in all_[len(shown) :]:
            axes.set_axis_off()
        return _svg(figure)


def matrix(values: ArrayLike, names: Sequence[str], *, x: str, y: str) -> str:
    """A square matrix of counts with its numbers, rows ``y`` against columns ``x``."""
    counts = _array(values)
    side = 1.4 + 0.62 * len(names)
    with _figure(width=side + 1.2, height=side) as (figure, (axes,)):
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            dark = shares[row, column] > 0.5
            axes.text(
                column,
                row,
                f"{count:g}",
                ha="center",
                va="center",
                color="white" if dark else "#1f2328",
            )
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.grid(visible=False)
        return _svg(figure)


class _figure:  # noqa: N801  # used as a function
    """A figure in the house's style and its axes, row by row; nothing global is touched."""

    def __init__(self, *, width: float, height: float, columns: int = 1, rows: int = 1) -> None:
        self._size = (width, height)
        self._grid = (rows, columns)

    def __enter__(self) -> tuple[Figure, list[Axes]]:
        import matplotlib
        from matplotlib.figure import Figure

        self._context = matplotlib.rc_context(_STYLE)
        self._context.__enter__()
        figure = Figure(figsize=self._size, layout="constrained")
        made: Any = figure.subplots(*self._grid, squeeze=False)
        return figure, list(made.ravel())

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return re.sub(r"\s*\n\s*", "\n", text[text.index("<svg") :]).strip()


def _array(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, np.float64)


def _short(name: str, longest: int = _LONGEST_NAME) -> str:
    """The end of a long name says more than its beginning."""
    return name if len(name) <= longest else f"…{name[1 - longest :]}"
