"""The report of an export or a calibration as one HTML page: variants side by side, what decided,
error by layer, the ranges that were chosen, and the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.plots import BLUE, GREEN, GREY, RED, Bar, Histogram, bars, histograms
from calibration.report import Gallery, Plot, Section, Table, render_page
from edge.types import ByteImage
from edge.vision.generator import to_clips

if TYPE_CHECKING:
    from calibration.dataset import CalibrationSet
    from calibration.observe import Ranges
    from export.judging import Base
    from export.samples import Samples

_MOST_PICTURES = 16
_MOST_HISTOGRAMS = 12
_COLORS = {"accepted": GREEN, "candidate": BLUE, "refused": RED}
_PARTS = (
    ("calibrated on", "calibration"),
    ("layers chosen on", "searched_on"),
    ("judged on", "judged_on"),
)
_MARKS = {"accepted": "good", "candidate": "open", "refused": "bad"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a page shows and JSON does not hold: pictures by caption, and ranges."""

    pictures: Mapping[str, Sequence[ByteImage]] = field(default_factory=dict)
    ranges: Ranges | None = None


def gather_evidence(base: Base, samples: Samples | None, ranges: Ranges | None) -> Evidence:
    """Some of the pictures that were used, and of those that the model draws itself."""
    pictures: dict[str, Sequence[ByteImage]] = {}
    if samples is not None and samples.calibrate is not None:
        pictures[f"calibrated on ({samples.calibrate.kind})"] = _some(samples.calibrate)
    if samples is not None and samples.calibrate is not None and ranges is not None:
        pictures[f"layers chosen on ({samples.search.kind})"] = _some(samples.search)
    if samples is not None:
        pictures[f"judged on ({samples.judge.kind})"] = _some(samples.judge)
    output = base.manifest.outputs[0]
    if output.range is not None:
        drawn = to_clips(base.proof.outputs[output.name], output.range)[:_MOST_PICTURES]
        # Of a clip every fourth frame, side by side.
        strips = [np.concatenate(clip[::4], axis=1) for clip in drawn]
        pictures["golden outputs of fp32"] = strips
    return Evidence(
        pictures={title: shown for title, shown in pictures.items() if shown}, ranges=ranges
    )


def _some(samples: CalibrationSet) -> list[ByteImage]:
    """Pictures from all over a set, as they follow each other."""
    step = max(1, samples.count // _MOST_PICTURES)
    return list(islice(samples.pictures(), 0, step * _MOST_PICTURES, step))


def render(report: Mapping[str, Any], evidence: Evidence) -> bytes:
    """The page of a report as ``Export.to_json`` or ``Recalibration.to_json`` gives it.

    Raises ImportError without Jinja2 and Matplotlib, which the extra ``export`` brings.
    """
    bundle = report["bundle"]
    variants: Sequence[Mapping[str, Any]] = report["variants"]
    sections = [_variants(variants), _decisions(variants)]
    sections += [_layers(one) for one in variants if one["sensitivity"]][:1]
    if evidence.ranges is not None:
        sections += _ranges(evidence.ranges)
    sections += [
        Section(title=title.capitalize(), blocks=[Gallery(pictures=[("", p) for p in shown])])
        for title, shown in evidence.pictures.items()
    ]
    return render_page(
        f"{bundle['name']} {bundle['version']}",
        lead=_lead(variants),
        facts=_facts(report),
        sections=sections,
    )


def render_comparison(report: Mapping[str, Any]) -> bytes:
    """The page of what ``edgewarden calibrate compare`` reports. Raises as ``render``."""
    sections = []
    facts: dict[str, object] = {}
    for one in report["bundles"]:
        name = one["bundle"]["name"]
        for title, key in _PARTS[1:]:
            facts[f"{name} {title}"] = f"{one[key]['count']} samples, {one[key]['kind']}"
        for label, record in one["calibrations"].items():
            facts[f"{name}, {label}"] = f"{record.get('count')} samples, {record.get('kind')}"
        for section in (_variants(one["variants"]), _decisions(one["variants"])):
            sections.append(replace(section, title=f"{name}: {section.title.lower()}"))
    return render_page(
        "INT8 compared",
        lead=" ".join(
            f"{one['bundle']['name']}: {_lead(one['variants'])}" for one in report["bundles"]
        ),
        facts={**facts, **_cost(report)},
        sections=sections,
    )


def _cost(report: Mapping[str, Any]) -> dict[str, object]:
    return {
        "took": f"{report['cost']['seconds']:.1f} s",
        "peak memory": f"{report['cost']['peak_memory_bytes'] / 2**20:.0f} MiB",
    }


def _lead(variants: Sequence[Mapping[str, Any]]) -> str:
    by_state: dict[str, list[str]] = {}
    for one in variants:
        by_state.setdefault(one["state"], []).append(one["name"])
    return "; ".join(f"{', '.join(names)} {state}" for state, names in by_state.items()) + "."


def _facts(report: Mapping[str, Any]) -> dict[str, object]:
    bundle = report["bundle"]
    facts: dict[str, object] = {"role": bundle["role"], "sha256": bundle["sha256"]}
    if "source" in report:
        facts["source"] = report["source"]["framework"]
        facts["graph"] = "; ".join(report["source"]["steps"]) or "as it was"
        facts["parity with the source"] = report["parity"]["max_rel"]
        facts["training"] = report["training"]
    for title, key in _PARTS:
        if (record := report[key]) is not None:
            facts[title] = f"{record.get('count')} samples, {record.get('kind')}"
    speed = report["variants"][0]["speed"]
    facts["timed on"] = f"CPU time of one thread of {speed['cpu']}, {speed['rounds']} rounds"
    return {**facts, **_cost(report)}


def _variants(variants: Sequence[Mapping[str, Any]]) -> Section:
    rows = [
        [
            one["name"],
            round(one["bytes"] / 1000),
            one["speed"]["latency_ms"],
            one["speed"]["speed_up"],
            _agreement(one),
            one["state"],
            one["reason"],
        ]
        for one in variants
    ]
    panels = {
        "size, kB": [
            _bar(one, one["bytes"] / 1000, f"{one['bytes'] / 1000:.0f}") for one in variants
        ],
        "one thread, ms": [
            _bar(one, one["speed"]["latency_ms"], f"{one['speed']['latency_ms']:.2f}")
            for one in variants
        ],
    }
    compared = [one for one in variants if _agreement(one) is not None]
    if compared:
        name = compared[0]["accuracy"]["bounds"][0]["name"]
        panels[name] = [
            _bar(one, _agreement(one) or 0.0, _text(_agreement(one))) for one in variants
        ]
    table = Table(
        headings=["variant", "kB", "ms", "× fp32", "agreement", "state", "reason"],
        rows=rows,
        states=[_MARKS[one["state"]] for one in variants],
    )
    plot = Plot(svg=bars(panels), alt="size, time and agreement of each variant")
    return Section(
        title="Variants",
        text="Milliseconds are medians of one picture, CPU time of one thread, all variants in "
        "turn. Of what TensorRT is to run they say nothing: it stays a candidate until it is "
        "measured on the target.",
        blocks=[table, plot],
    )


def _agreement(one: Mapping[str, Any]) -> float | None:
    bounds = one["accuracy"].get("bounds", ())
    return bounds[0]["value"] if bounds else None


def _text(value: float | None) -> str:
    return "—" if value is None else f"{value:.4f}"


def _bar(one: Mapping[str, Any], value: float, note: str) -> Bar:
    return Bar(name=one["name"], value=value, note=note, color=_COLORS.get(one["state"], GREY))


def _decisions(variants: Sequence[Mapping[str, Any]]) -> Section:
    rows = [
        [
            one["name"],
            bound["name"],
            bound["value"],
            bound["low"],
            bound["high"],
            bound.get("at_least", bound.get("at_most")),
            bound["verdict"],
        ]
        for one in variants
        for bound in one["accuracy"].get("bounds", ())
    ]
    marks = {"passed": "good", "failed": "bad"}
    table = Table(
        headings=["variant", "figure", "value", "low", "high", "tolerance", "verdict"],
        rows=rows,
        states=[marks.get(str(row[-1]), "open") for row in rows],
    )
    text = "Every figure with its one-sided 95 % bounds; where they lie on both sides of the "
    return Section(
        title="What decided",
        text=f"{text}tolerance nothing is claimed.",
        blocks=[table] if rows else [],
    )


def _layers(one: Mapping[str, Any]) -> Section:
    kept = set(one["kept"])
    shown = [
        Bar(
            name=entry["layer"],
            value=entry["loss"],
            color=GREY if entry["layer"] in kept else BLUE,
            note=f"{entry['loss']:.3g}" + (" kept" if entry["layer"] in kept else ""),
        )
        for entry in one["sensitivity"]
    ]
    return Section(
        title="Error by layer",
        text=f"What {one['name']} loses where one layer alone is INT8; those kept in higher "
        "precision say so.",
        blocks=[Plot(svg=bars({"loss": shown}), alt="error of each layer")],
    )


def _ranges(ranges: Ranges) -> list[Section]:
    seen = [(name, one) for name, one in ranges.tensors.items() if one.histogram is not None]
    # Where most was cut off is where a range may be wrong.
    seen.sort(key=lambda item: item[1].threshold / max(-item[1].low, item[1].high, 1e-30))
    shown = [
        Histogram(
            name=name,
            edges=np.linspace(0, one.histogram.limit, len(one.histogram.counts) // 16 + 1),
            counts=one.histogram.counts.reshape(-1, 16).sum(axis=1),
            marks={"127": one.threshold},
        )
        for name, one in seen[:_MOST_HISTOGRAMS]
        if one.histogram is not None
    ]
    if not shown:
        return []
    return [
        Section(
            title="Calibration",
            text=f"Magnitudes of the tensors that {ranges.method} cuts most; the line is what maps "
            "to 127.",
            blocks=[Plot(svg=histograms(shown), alt="histograms of activations")],
        )
    ]
