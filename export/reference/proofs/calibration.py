"""What INT8 is worth that was calibrated without real faces: on generated ones, or on noise.

The variants are made by ``export.comparison``, every layer in INT8, so that nothing but the
pictures differs; they are judged here by what is known of people and scenes that none of them saw.
Figures of two variants are compared on the same draws of a bootstrap (Efron and Tibshirani, 1993,
chapter 16), since one set of faces is easier for all of them than another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calibration.bootstrap import Indices, Interval, bootstrap
from calibration.metrics import exact_where_certain
from edge.bundle import Bundle
from edge.runner.base import Runner
from edge.runner.onnxruntime import OnnxRuntimeRunner
from export.comparison import Comparison, compare_calibrations
from export.forms import Recipe
from export.samples import Pictures

FP32, NOISE = "fp32", "noise"
GENERATED = ("generated", "generated on empty places")
VARIANTS = ("int8-cpu", "int8-trt")

Statistic = Callable[[Indices], float]
Verdict = Literal["better than noise", "no better than noise", "worse than noise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """One figure of a variant, as a statistic of ``count`` independent units (people, scenes or
    clips) by their indices. more: whether more is better. is_rate: a share of these units that goes
    wrong, of which none is no proof that there are none."""

    name: str
    of: Statistic
    count: int
    more: bool = True
    is_rate: bool = False


# From a loaded variant to its figures, the same ones for each. The reference comes first.
Judge = Callable[[Runner], Sequence[Trait]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model to measure. pictures: what to calibrate on, by name, the first real or rendered ones.

    judge: makes a judge once the comparison is there. data: what it judges with, in a sentence.
    """

    title: str
    bundle: Bundle
    pictures: Mapping[str, Pictures]
    judge: Callable[[Comparison], Judge]
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One variant: its figures by name, each with its 95 % interval."""

    calibrated_on: str
    variant: str
    figures: Mapping[str, Interval]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplift:
    """By how much calibrating on something else than noise betters a figure; above 0 is better."""

    calibrated_on: str
    variant: str
    figure: str
    gain: Interval

    @property
    def verdict(self) -> Verdict:
        """What the interval says; where it holds 0, nothing is claimed."""
        if self.gain.low > 0:
            return "better than noise"
        return "worse than noise" if self.gain.high < 0 else "no better than noise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One model: rows, the reference first; what every kind of picture gains over noise."""

    title: str
    bundle: str
    sha256: str
    data: str
    layers: int
    rows: tuple[Row, ...]
    uplifts: tuple[Uplift, ...]

    @property
    def conclusion(self) -> str:
        """What the generator is worth here, in one plain sentence."""
        own = [one for one in self.uplifts if one.calibrated_on in GENERATED]
        won = sorted({f"{one.calibrated_on} ({one.figure})" for one in own
                      if one.verdict == "better than noise"})  # fmt: skip
        lost = sorted({f"{one.calibrated_on} ({one.figure})" for one in own
                       if one.verdict == "worse than noise"})  # fmt: skip
        parts = [f"better than noise: {', '.join(won)}"] if won else []
        parts += [f"worse than noise: {', '.join(lost)}"] if lost else []
        return "; ".join(parts) or "the generator is no better than noise"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "title": self.title,
            "bundle": self.bundle,
            "sha256": self.sha256,
            "judged_with": self.data,
            "layers": self.layers,
            "rows": [
                {
                    "calibrated_on": row.calibrated_on,
                    "variant": row.variant,
                    "figures": {name: plain(one) for name, one in row.figures.items()},
                }
                for row in self.rows
            ],
            "uplifts": [
                {
                    "calibrated_on": one.calibrated_on,
                    "variant": one.variant,
                    "figure": one.figure,
                    "gain": plain(one.gain),
                    "verdict": one.verdict,
                }
                for one in self.uplifts
            ],
            "conclusion": self.conclusion,
        }


def measure(subject: Subject, *, resamples: int) -> Measured:
    """Make every variant, judge it, and hold it against the one that was calibrated on noise.

    Raises what ``compare_calibrations`` raises.
    """
    recipe = Recipe(int8=True, attempts=1)
    made = compare_calibrations(subject.bundle, subject.pictures, recipe=recipe)
    judge = subject.judge(made)
    manifest = subject.bundle.manifest
    fp32 = _traits(judge, subject.bundle.read(manifest.reference.file), FP32)
    rows, uplifts = [_row(fp32, "nothing", FP32, resamples)], []
    for variant in VARIANTS:
        found = {
            label: _traits(judge, forms.by_name[variant].data, f"{variant} {label}")
            for label, forms in made.forms.items()
        }
        rows += [_row(traits, label, variant, resamples) for label, traits in found.items()]
        uplifts += [
            Uplift(
                calibrated_on=label,
                variant=variant,
                figure=one.name,
                gain=gain(one, other, resamples=resamples),
            )
            for label, traits in found.items()
            if label != NOISE
            for one, other in zip(traits, found[NOISE], strict=True)
        ]
    record = next(iter(made.records.values()))
    return Measured(
        title=subject.title,
        bundle=manifest.name,
        sha256=subject.bundle.sha256,
        data=subject.data,
        layers=int(record["layers"]),
        rows=tuple(rows),
        uplifts=tuple(uplifts),
    )


def gain(one: Trait, other: Trait, *, resamples: int) -> Interval:
    """By how much the first is better than the second, both on the same units of every draw."""
    sign = 1.0 if one.more else -1.0
    return bootstrap(
        lambda drawn: sign * (one.of(drawn) - other.of(drawn)), one.count, resamples=resamples
    )


def plain(interval: Interval) -> dict[str, float | None]:
    """An interval for JSON, in which there is no NaN."""
    ends = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {name: None if value != value else round(value, 6) for name, value in ends.items()}


def _traits(judge: Judge, data: bytes, name: str) -> Sequence[Trait]:
    with OnnxRuntimeRunner(data, name=name) as runner:
        return judge(runner)


def _row(traits: Sequence[Trait], label: str, variant: str, resamples: int) -> Row:
    return Row(
        calibrated_on=label,
        variant=variant,
        figures={one.name: _interval(one, resamples) for one in traits},
    )


def _interval(one: Trait, resamples: int) -> Interval:
    found = bootstrap(one.of, one.count, resamples=resamples)
    return exact_where_certain(found, one.count) if one.is_rate else found
