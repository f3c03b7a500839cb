"""One model's FP32, FP16 and INT8 side by side, INT8 from several calibrations, judged on the same
pictures and timed in the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.bundle import Bundle
from edge.errors import UsageError
from edge.runner.base import Signature
from edge.runner.onnxruntime import OnnxRuntimeRunner
from export.forms import Forms, Recipe, make_forms
from export.judging import Base, Judged, judge_forms, open_gate
from export.recalibrate import base_of
from export.samples import Pictures, Samples, calibration_only, open_samples
from export.summary import variants_json
from export.verdict import Form

_SHOWN = ("int8-cpu", "int8-trt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One bundle's variants. calibrated: what each INT8 one was calibrated on, by its name."""

    bundle: Bundle
    samples: Samples
    judged: Judged
    calibrated: Mapping[str, str]
    forms: Mapping[str, Forms]

    @property
    def records(self) -> dict[str, Mapping[str, Any]]:
        """What is known of each calibration, by the name of its pictures."""
        return {label: made.calibration or {} for label, made in self.forms.items()}

    def lines(self) -> list[str]:
        """What people should know, one line each."""
        lines = self.samples.lines(calibrated=True)
        for label, made in self.forms.items():
            lines += [f"{label}: {line}" for line in made.lines()]
        return lines

    def to_json(self) -> dict[str, Any]:
        """As a report holds it."""
        return {
            "bundle": {
                "name": self.bundle.manifest.name,
                "role": self.bundle.manifest.role,
                "sha256": self.bundle.sha256,
            },
            "searched_on": self.samples.search.describe(),
            "judged_on": self.samples.judge.describe(),
            "calibrations": {name: dict(record) for name, record in self.records.items()},
            "variants": [
                {**entry, "calibrated_on": self.calibrated.get(entry["name"])}
                for entry in variants_json(self.judged)
            ],
        }


def compare_calibrations(
    bundle: Bundle, named: Mapping[str, Pictures], *, recipe: Recipe
) -> Comparison:
    """Make, judge and time the variants of a bundle's model; nothing is written.

    named: what to calibrate on, by a name for the table. All are judged on what the first names
    under ``judge``, else on a part of what it calibrates on, on which nothing is then calibrated.
    Raises what ``export.recalibrate.recalibrate`` raises.
    """
    if not named:
        raise UsageError("there is nothing to compare", expected="--with NAME=WHAT", found="none")
    base = base_of(bundle)
    with OnnxRuntimeRunner(base.data, name=bundle.manifest.name) as runner:
        sets = _sets(base, named, runner.signature)
    first = next(iter(sets.values()))
    search = open_gate(base, first.search)
    forms: dict[str, Form] = {}
    calibrated: dict[str, str] = {}
    made_by: dict[str, Forms] = {}
    for index, (label, samples) in enumerate(sets.items()):
        made = make_forms(base, replace(recipe, fp16=recipe.fp16 and index == 0), samples, search)
        made_by[label] = made
        for name, form in made.by_name.items():
            if name in _SHOWN:
                calibrated[f"{name} {label}"] = label
                forms[f"{name} {label}"] = form
            elif name == "fp16":
                forms[name] = form
    judged = judge_forms(base, forms, open_gate(base, first.judge), kind=first.kind)
    return Comparison(
        bundle=bundle, samples=first, judged=judged, calibrated=calibrated, forms=made_by
    )


def _sets(base: Base, named: Mapping[str, Pictures], signature: Signature) -> dict[str, Samples]:
    """What to calibrate on by name, all with the first one's samples to search and judge on."""
    (label, judged), *others = named.items()
    first = open_samples(judged, base.manifest, signature)
    assert first is not None  # pictures are named
    sets = {label: first}
    for label, pictures in others:
        calibrate = calibration_only(pictures, base.manifest, signature, judged=judged)
        sets[label] = replace(first, calibrate=calibrate)
    return sets
