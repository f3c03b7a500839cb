"""The forms of a model beside FP32: half precision, and INT8 for each runtime from one
calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.errors import UsageError
from export.judging import Base
from export.samples import Pictures, Samples
from export.verdict import Form

if TYPE_CHECKING:
    import onnx

    from calibration.observe import Ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Which variants to make besides FP32, and how ranges follow from what is seen: ``minmax``,
    ``percentile`` or ``entropy``."""

    fp16: bool = False
    int8: bool = False
    method: str = "minmax"

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
    forms: dict[str, Form] = {}
    if recipe.fp16:
        forms["fp16"] = _half(model)
    return Forms(by_name=forms)


def _half(model: onnx.ModelProto) -> Form:
    from export.precision.fp16 import to_fp16

    return Form(id="fp16", data=to_fp16(model).SerializeToString(deterministic=True))
