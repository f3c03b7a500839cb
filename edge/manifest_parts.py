"""The manifest's files, variants, engines and thresholds, and the plain values in all its parts.

Each part is frozen and checked at construction; ``edge.manifest`` checks what they have to do with
each other.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    StringConstraints,
    model_validator,
)

from edge.ids import ID_RULE

_UNSAFE = re.compile(r"[\\:\x00-\x1f\x7f-\x9f]")
_RESERVED = ("manifest.json", "manifest.sig")
_LONGEST_PATH = 200


def _safe_path(text: str) -> str:
    parts = text.split("/")
    if _UNSAFE.search(text) or any(part in ("", ".", "..") for part in parts):
        raise ValueError("expected a relative path with / between its parts and no '.' or '..'")
    if any(part != part.strip() for part in parts):
        raise ValueError("expected a path without spaces around its parts")
    if text.casefold() in _RESERVED:
        raise ValueError(f"{text} belongs to the bundle itself and is never listed")
    return text


def _finite_record(record: dict[str, JsonValue]) -> dict[str, JsonValue]:
    json.dumps(record, allow_nan=False)  # raises ValueError
    return record


# No control characters: these texts are printed on terminals.
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
]
TensorName = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
]
Id = Annotated[str, StringConstraints(pattern=ID_RULE)]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$")]
SafePath = Annotated[
    str, StringConstraints(min_length=1, max_length=_LONGEST_PATH), AfterValidator(_safe_path)
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Whole = Annotated[int, Strict(), Field(ge=1, le=2**31 - 1)]
Real = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Fraction = Annotated[float, Strict(), Field(ge=0, le=1)]
# What a tool measured or how it worked: kept for people, never acted on.
Record = Annotated[dict[str, JsonValue], AfterValidator(_finite_record)]


class Part(BaseModel):
    """What all parts have in common: frozen, and no key that the contract does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(Part):
    """One file of the bundle. path: relative, with ``/``. sha256: lower-case hexadecimal."""

    path: SafePath
    bytes: Annotated[int, Strict(), Field(ge=0, le=2**40)]
    sha256: Sha256


class GoldenTolerance(Part):
    """How far a run may be from the golden outputs. max_abs: largest absolute difference."""

    max_abs: Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]


VariantId = Literal["fp32", "fp16", "int8-cpu", "int8-trt", "int8-trt8"]


class Variant(Part):
    """One form of the model, in one ONNX file.

    state: accepted; candidate (its accuracy passed, its speed on the target is not measured yet);
    refused, with ``reason``. accuracy and parity: what was measured when it was made.
    """

    id: VariantId
    file: SafePath
    opset: Whole
    runner: Literal["onnxruntime", "tensorrt"]
    state: Literal["accepted", "candidate", "refused"]
    reason: Text | None = Field(default=None, exclude_if=lambda value: value is None)
    accuracy: Record = Field(default_factory=dict)
    parity: Record = Field(default_factory=dict)
    golden_tolerance: GoldenTolerance | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Variant:
        if self.state == "refused" and self.reason is None:
            raise ValueError("expected a reason for state refused")
        if self.id == "int8-cpu" and self.runner != "onnxruntime":
            raise ValueError(f"expected runner onnxruntime for int8-cpu, found {self.runner}")
        if self.id.startswith("int8-trt") and self.runner != "tensorrt":
            raise ValueError(f"expected runner tensorrt for {self.id}, found {self.runner}")
        return self


class Engine(Part):
    """An engine that ships with the bundle, for one TensorRT version and one compute capability.

    sm: 87 for 8.7.
    """

    file: SafePath
    variant: VariantId
    tensorrt: Version
    sm: Whole


class GoldenFile(Part):
    """Where inputs and the outputs they gave are kept."""

    file: SafePath


class Threshold(Part):
    """An operating point: a match is a similarity ≥ ``value``.

    fmr and fnmr: false match and false non-match rate measured there. ci: the 95 % confidence
    interval of the rates' estimate. data: what it was measured on.
    """

    metric: Id
    value: Real
    fmr: Fraction | None = None
    fnmr: Fraction | None = None
    ci: tuple[Real, ...] | None = None
    data: Text

    @model_validator(mode="after")
    def _cosine_in_range(self) -> Threshold:
        if self.metric == "cosine" and not -1 <= self.value <= 1:
            raise ValueError(f"expected a cosine in -1..1, found {self.value}")
        return self


class Provenance(Part):
    """Where the model is from, when the bundle was made and by what."""

    source: Text
    created: Text
    tool: Text
