"""What the gate says of a variant: figures, the bounds that decide, and the words for them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calibration.bootstrap import Interval

_MOST_NEEDED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One figure against its tolerance.

    value: as measured. low, high: one-sided 95 % bounds; NaN where the data give none.
    least: the figure has to be at least, otherwise at most, ``tolerance``. needed: roughly how many
    samples it would take to decide; None where it is decided, or no number of them would.
    """

    name: str
    value: float
    low: float
    high: float
    tolerance: float
    least: bool
    needed: int | None = None

    @property
    def passed(self) -> bool | None:
        """Whether both bounds lie on the good side of the tolerance; None where they straddle."""
        if math.isnan(self.value) or math.isnan(self.low) or math.isnan(self.high):
            return None
        low, high = (self.low, self.high) if self.least else (-self.high, -self.low)
        tolerance = self.tolerance if self.least else -self.tolerance
        if low >= tolerance:
            return True
        return False if high < tolerance else None

    def __str__(self) -> str:
        sign = ("≥" if self.least else "≤") if self.passed else ("<" if self.least else ">")
        if self.passed is not None:
            return f"{self.name} {self.value:.4g} {sign} {self.tolerance:g}"
        between = f" between {self.low:.4g} and {self.high:.4g}" * (not math.isnan(self.low))
        wanted = f"{'≥' if self.least else '≤'} {self.tolerance:g}"
        return f"{self.name} {self.value:.4g}{between}, {wanted} wanted"


def bound_of(
    name: str, interval: Interval, *, tolerance: float, samples: int, least: bool = True
) -> Bound:
    """The bound that an interval gives; ``needed`` from its width, which falls with √samples."""
    bound = Bound(
        name=name,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        tolerance=tolerance,
        least=least,
    )
    if bound.passed is not None:
        return bound
    return Bound(
        name=name,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        tolerance=tolerance,
        least=least,
        needed=_needed(interval, tolerance, samples),
    )


def _needed(interval: Interval, tolerance: float, samples: int) -> int | None:
    room = interval.value - tolerance
    reach = interval.value - interval.low if room >= 0 else interval.high - interval.value
    if math.isnan(room) or math.isnan(reach) or room == 0:
        return None
    needed = samples * (reach / room) ** 2
    return math.ceil(max(needed, samples + 1)) if needed < _MOST_NEEDED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a variant agrees with its reference well enough.

    passed: None where the data cannot resolve the tolerance. kind: ``accuracy`` where it was
    measured against what is known of the pictures, else ``agreement`` with the reference.
    figures: everything measured, by name. bounds: those that decide. text: one line for people.
    samples, groups: how many there were, and how many independent ones among them.
    """

    passed: bool | None
    kind: Literal["accuracy", "agreement"]
    figures: Mapping[str, float]
    bounds: tuple[Bound, ...]
    text: str
    samples: int
    groups: int

    def to_record(self) -> dict[str, Any]:
        """As a variant's ``accuracy`` in the manifest: plain JSON, no NaN."""
        verdicts = {True: "passed", False: "failed", None: "not resolvable"}
        return {
            "kind": self.kind,
            "verdict": verdicts[self.passed],
            "samples": self.samples,
            "groups": self.groups,
            **{name: _plain(value) for name, value in self.figures.items()},
            "bounds": [
                {
                    "name": bound.name,
                    "value": _plain(bound.value),
                    "low": _plain(bound.low),
                    "high": _plain(bound.high),
                    "at_least" if bound.least else "at_most": bound.tolerance,
                    "verdict": verdicts[bound.passed],
                }
                for bound in self.bounds
            ],
        }


def judgement_of(
    bounds: Sequence[Bound],
    figures: Mapping[str, float],
    *,
    kind: Literal["accuracy", "agreement"],
    samples: int,
    groups: int,
) -> Judgement:
    """The judgement that follows: one failed bound fails, else one that is open leaves it open."""
    failed = [bound for bound in bounds if bound.passed is False]
    open_ = [bound for bound in bounds if bound.passed is None]
    among = f"{samples} samples" + (f" from {groups} files or tracks" if groups != samples else "")
    if failed:
        text = "; ".join(map(str, failed))
    elif open_:
        text = f"not resolvable: {'; '.join(map(str, open_))}"
        needed = [bound.needed for bound in open_]
        if None not in needed:
            more = max(n for n in needed if n is not None) - samples
            text += f"; about {max(more, 1)} more samples would tell"
    else:
        text = "; ".join(map(str, bounds))
    return Judgement(
        passed=False if failed else None if open_ else True,
        kind=kind,
        figures=figures,
        bounds=tuple(bounds),
        text=f"{text} ({among}, {kind})",
        samples=samples,
        groups=groups,
    )


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
