"""The forms of a model beside FP32: half precision, and INT8 for each runtime from one
calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from edge.cli.console import Progress
from edge.errors import UsageError
from edge.manifest import VariantId
from export.judging import Base
from export.samples import Pictures, Samples
from export.verdict import Form

if TYPE_CHECKING:
    import onnx

    from calibration.dataset import CalibrationSet
    from calibration.observe import Method, Ranges

_MOST_TRIED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Which variants to make besides FP32, and how ranges follow from what is seen: ``minmax``,
    ``percentile`` or ``entropy``."""

    fp16: bool = False
    int8: bool = False
    method: Method = "minmax"

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


def make_forms(base: Base, recipe: Recipe, samples: Samples | None) -> Forms:
    """Every form that ``recipe`` asks for.

    Raises ModelError where the model cannot be taken to another precision, and what reading the
    samples raises.
    """
    if samples is None or not (recipe.fp16 or recipe.int8):
        return Forms()
    import onnx

    model = onnx.load_model_from_string(base.data)
    half = {"fp16": _half(model, samples)} if recipe.fp16 else {}
    if not recipe.int8 or samples.calibrate is None:
        return Forms(by_name=half)
    whole = _int8(model, recipe, samples.calibrate)
    return replace(whole, by_name={**half, **whole.by_name})


def _half(model: onnx.ModelProto, samples: Samples) -> Form:
    from export.precision.fp16 import to_fp16

    seen = samples.calibrate or samples.judge
    half = to_fp16(model, feeds=list(islice(seen.feeds(), _MOST_TRIED)))
    return Form(id="fp16", data=_bytes(half))


def _int8(model: onnx.ModelProto, recipe: Recipe, seen: CalibrationSet) -> Forms:
    from calibration.observe import observe
    from export.precision.qdq import observed, quantise
    from export.precision.rewrites import rewrite

    rewritten = rewrite(model)
    with Progress("calibrating", seen.count) as progress:
        ranges = observe(
            rewritten.model,
            seen.feeds(),
            method=recipe.method,
            tensors=observed(rewritten.model),
            step=progress.step,
        )
    files = quantise(rewritten.model, ranges)
    made: dict[VariantId, onnx.ModelProto] = {
        "int8-cpu": files.cpu,
        "int8-trt": files.trt,
        "int8-trt8": files.trt8,
    }
    record = {
        **seen.describe(),
        "method": recipe.method,
        "rewrites": list(rewritten.steps),
        "layers": len(files.layers),
        "kept": list(files.kept),
    }
    return Forms(
        by_name={
            name: Form(id=name, data=_bytes(proto), kept=files.kept) for name, proto in made.items()
        },
        calibration=record,
        ranges=ranges,
    )


def _bytes(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString(deterministic=True)
    return data
