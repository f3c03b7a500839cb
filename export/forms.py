"""The forms of a model beside FP32: half precision, and INT8 for each runtime from one
calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from edge.cli.console import Stages
from edge.errors import UsageError
from edge.manifest import VariantId
from export.gate import Gate
from export.judging import Base, judge_bytes
from export.samples import Pictures, Samples
from export.verdict import Form

if TYPE_CHECKING:
    import onnx

    from calibration.observe import Ranges
    from export.precision.calibrating import Choice

_MOST_TRIED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Which variants to make besides FP32, and how ranges follow from what is seen: ``minmax``,
    ``percentile``, ``entropy``, or ``auto`` for the best of these. attempts: at INT8, each with
    other layers in float, before the verdict; with 1 all layers are in INT8."""

    fp16: bool = False
    int8: bool = False
    method: Choice = "auto"
    attempts: int = 12

    def require(self, pictures: Pictures | None, *, generates: bool) -> None:
        """Refuse variants that nothing could be said of. Raises UsageError.

        generates: whether the model draws pictures itself, and needs none.
        """
        asked = [f"--{name}" for name in ("fp16", "int8") if getattr(self, name)]
        if asked and pictures is None and not generates:
            raise UsageError(
                "there is nothing to judge the variants on",
                expected="--calibrate or --judge with pictures of what the camera sees",
                found=f"{' '.join(asked)} alone",
            )
        if self.int8 and pictures is not None and not pictures.calibrate and not generates:
            raise UsageError(
                "there is nothing to calibrate INT8 on",
                expected="--calibrate with folders, videos, a generator's bundle, or noise",
                found="--judge alone",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """Forms by name; what the manifest's ``calibration`` says and the ranges that were seen, both
    None without INT8."""

    by_name: Mapping[str, Form] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    ranges: Ranges | None = None

    def lines(self) -> list[str]:
        """What people should know of the calibration, one line each."""
        if self.calibration is None:
            return []
        record = self.calibration
        noises = [f"{name} {value:.3g}" for name, value in record["noise_by_method"].items()]
        compared = f", of noise-to-signal ratios {', '.join(noises)}" if noises else ""
        kept = f"{record['layers']} layers in INT8, {len(record['kept'])} kept in float"
        return [
            f"ranges by {record['method']}{compared}",
            f"{kept}; attempts before the verdict: {record['trials']}",
        ]


def make_forms(base: Base, recipe: Recipe, samples: Samples | None, gate: Gate | None) -> Forms:
    """Every form that ``recipe`` asks for.

    gate: tells which layers have to stay in float for INT8; of ``samples.search``, for what it
    judges on is no longer new to the variant.

    Raises ModelError where the model cannot be taken to another precision, and what reading the
    samples raises.
    """
    if samples is None or not (recipe.fp16 or recipe.int8):
        return Forms()
    import onnx

    model = onnx.load_model_from_string(base.data)
    half = {"fp16": _half(model, samples)} if recipe.fp16 else {}
    if not recipe.int8 or samples.calibrate is None or gate is None:
        return Forms(by_name=half)
    whole = _int8(model, recipe, samples, gate)
    return replace(whole, by_name={**half, **whole.by_name})


def _half(model: onnx.ModelProto, samples: Samples) -> Form:
    from export.precision.fp16 import to_fp16

    half = to_fp16(model, feeds=list(islice(samples.seen.feeds(), _MOST_TRIED)))
    return Form(id="fp16", data=_bytes(half))


def _int8(model: onnx.ModelProto, recipe: Recipe, samples: Samples, gate: Gate) -> Forms:
    from export.precision.search import search

    seen = samples.seen
    with Stages() as stages:
        found = search(
            model,
            seen,
            lambda data: judge_bytes(gate, data),
            method=recipe.method,
            most_trials=recipe.attempts,
            progress=lambda stage: stages.show(stage.text, stage.done, stage.total or seen.count),
        )
    made: dict[VariantId, onnx.ModelProto] = {
        "int8-cpu": found.files.cpu,
        "int8-trt": found.files.trt,
        "int8-trt8": found.files.trt8,
    }
    record = {
        **seen.describe(),
        "method": found.ranges.method,
        "noise_by_method": {name: _figure(noise) for name, noise in found.noises.items()},
        "steps": list(found.steps),
        "layers": len(found.files.layers),
        "kept": list(found.kept),
        "trials": len(found.trials),
        "searched_on": samples.search.describe(),
        "judged_on": samples.judge.describe(),
    }
    return Forms(
        by_name={
            name: Form(
                id=name, data=_bytes(proto), kept=found.kept, sensitivity=dict(found.sensitivity)
            )
            for name, proto in made.items()
        },
        calibration=record,
        ranges=found.ranges,
    )


def _figure(value: float) -> float:
    return float(f"{value:.4g}")


def _bytes(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString(deterministic=True)
    return data
