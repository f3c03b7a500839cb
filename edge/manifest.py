"""What a bundle says of itself: ``manifest.json`` as frozen, checked values.

Format 1.0 is read strictly: an unknown key is an error. Of a newer minor format the keys that are
not known here are passed over; a newer major format is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from edge.errors import ManifestError, UnsupportedFormatError
from edge.manifest_model import (
    AlignResize,
    Axis,
    ClipLogitsDecoder,
    Condition,
    CropResize,
    Decoder,
    DetectorDecoder,
    EmbeddingDecoder,
    FollowResize,
    ImageDecoder,
    Input,
    JsonOutput,
    Latent,
    LetterboxResize,
    LogitsDecoder,
    Output,
    RegressionDecoder,
    Resize,
    ScrfdDecoder,
    StretchResize,
    UltrafaceDecoder,
    YoloxDecoder,
    YunetDecoder,
)
from edge.manifest_parts import (
    Engine,
    FileEntry,
    GoldenFile,
    GoldenTolerance,
    Id,
    Part,
    Provenance,
    Record,
    Text,
    Threshold,
    Variant,
    VariantId,
    Version,
)
from edge.strict_json import read_strict_json

__all__ = [
    "MAX_MANIFEST_BYTES",
    "AlignResize",
    "Axis",
    "ClipLogitsDecoder",
    "Condition",
    "CropResize",
    "Decoder",
    "DetectorDecoder",
    "EmbeddingDecoder",
    "Engine",
    "FileEntry",
    "FollowResize",
    "GoldenFile",
    "GoldenTolerance",
    "ImageDecoder",
    "Input",
    "Latent",
    "LetterboxResize",
    "LogitsDecoder",
    "Manifest",
    "Output",
    "Provenance",
    "RegressionDecoder",
    "Resize",
    "Role",
    "ScrfdDecoder",
    "StretchResize",
    "Threshold",
    "UltrafaceDecoder",
    "Variant",
    "VariantId",
    "YoloxDecoder",
    "YunetDecoder",
    "build_manifest",
    "embedding_space",
    "parse_manifest",
]

MAX_MANIFEST_BYTES = 1 << 20
_MAJOR, _MINOR = 1, 0
_MOST_PROBLEMS = 5
_TAGGED = ("decoder", "resize")  # parts of several kinds, told apart by a key of theirs

Role = Literal[
    "detector",
    "recogniser",
    "landmarks",
    "liveness",
    "anonymiser",
    "enhancer",
    "anomaly",
    "synthesiser",
    "behaviour",
]

_DECODERS: dict[Role, tuple[str, ...]] = {
    "detector": ("yunet", "scrfd", "ultraface", "yolox"),
    "recogniser": ("embedding",),
    "landmarks": ("regression",),
    "liveness": ("logits",),
    "anonymiser": ("image",),
    "enhancer": ("image",),
    "anomaly": ("image", "logits", "regression"),
    "synthesiser": ("image",),
    "behaviour": ("clip_logits", "logits"),
}
# How the pictures of a role come about; roles not listed take any.
_RESIZES: dict[Role, tuple[str, ...]] = {
    "detector": ("letterbox", "stretch"),
    "recogniser": ("align",),
    "landmarks": ("crop", "stretch", "letterbox"),
    "liveness": ("crop",),
}


class Manifest(Part):
    """The whole manifest. Keys, their order and their meaning are the bundle contract's.

    A generator has ``latent`` (and perhaps ``condition``) instead of ``input``.
    """

    format: Annotated[str, StringConstraints(pattern=r"^1\.(0|[1-9][0-9]{0,3})$")]
    name: Id
    version: Version
    role: Role
    decoder: Annotated[Decoder, Field(discriminator="name")]
    input: Input | None = Field(default=None, exclude_if=lambda value: value is None)
    latent: Latent | None = Field(default=None, exclude_if=lambda value: value is None)
    condition: Condition | None = Field(default=None, exclude_if=lambda value: value is None)
    outputs: tuple[JsonOutput, ...]
    labels: tuple[Text, ...] = ()
    files: tuple[FileEntry, ...]
    variants: tuple[Variant, ...]
    engines: tuple[Engine, ...] = ()
    golden: GoldenFile | None = None
    calibration: Record | None = None
    thresholds: tuple[Threshold, ...] = ()
    training: Text
    license: Text
    provenance: Provenance

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs' tensor names, in the manifest's order."""
        return tuple(output.name for output in self.outputs)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The tensor names that a run has to feed."""
        parts = (self.input, self.latent, self.condition)
        return tuple(part.name for part in parts if part is not None)

    @property
    def reference(self) -> Variant:
        """The variant that others are measured against: fp32, else the first."""
        return next((v for v in self.variants if v.id == "fp32"), self.variants[0])

    def file(self, path: str) -> FileEntry:
        """The entry of a listed file. Raises KeyError for one that is not listed."""
        for entry in self.files:
            if entry.path == path:
                return entry
        raise KeyError(path)

    def variant(self, variant_id: str) -> Variant:
        """The variant of that id. Raises KeyError where there is none."""
        for variant in self.variants:
            if variant.id == variant_id:
                return variant
        raise KeyError(variant_id)

    def to_json(self) -> bytes:
        """``manifest.json``: UTF-8, indented, keys in the contract's order; equal for equals."""
        values = self.model_dump(mode="json")
        text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8") + b"\n"

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        for place in ("outputs", "files", "variants"):
            if not getattr(self, place):
                raise ValueError(f"{place}: expected at least one")
        self._check_role()
        self._check_tensors()
        self._check_labels()
        self._check_files()
        self._check_variants()
        return self

    def _check_role(self) -> None:
        allowed = _DECODERS[self.role]
        if self.decoder.name not in allowed:
            raise ValueError(
                f"decoder: expected {' or '.join(allowed)} for role {self.role}, "
                f"found {self.decoder.name}"
            )
        generates = self.role == "synthesiser"
        if generates and (self.latent is None or self.input is not None):
            raise ValueError("input: expected latent instead of input for role synthesiser")
        if not generates and (self.input is None or self.latent or self.condition):
            raise ValueError(f"input: expected input, no latent or condition, for {self.role}")
        if self.input is not None:
            resizes = _RESIZES.get(self.role, (self.input.resize.mode,))
            if self.input.resize.mode not in resizes:
                raise ValueError(
                    f"input.resize: expected {' or '.join(resizes)} for role {self.role}, "
                    f"found {self.input.resize.mode}"
                )
            if (self.decoder.name == "clip_logits") != (self.input.frames is not None):
                raise ValueError(
                    "input.layout: expected NTCHW for decoder clip_logits, and for no other, "
                    f"found {self.input.layout}"
                )

    def _check_tensors(self) -> None:
        _require_unique("inputs and outputs", (*self.input_names, *self.output_names))
        single = ["embedding", "logits", "clip_logits"]
        if self.role != "anomaly":  # an encoder gives a mean and a variance
            single.append("regression")
        if self.decoder.name in single and len(self.outputs) != 1:
            raise ValueError(
                f"outputs: expected one for decoder {self.decoder.name}, found {len(self.outputs)}"
            )
        if self.decoder.name == "image" and self.outputs[0].range is None:
            raise ValueError('outputs[0]: expected {"name": …, "range": [low, high]}')

    def _check_labels(self) -> None:
        _require_unique("labels", self.labels)
        classifies = ("yunet", "scrfd", "ultraface", "yolox", "logits", "clip_logits")
        if self.decoder.name in classifies and not self.labels:
            raise ValueError(f"labels: expected at least one for decoder {self.decoder.name}")
        if isinstance(self.decoder, LogitsDecoder):
            positive = self.decoder.positive
            if self.role == "liveness" and positive is None:
                raise ValueError("decoder.positive: expected the label that means live")
            if positive is not None and positive not in self.labels:
                raise ValueError(f"decoder.positive: expected one of the labels, found {positive}")

    def _check_files(self) -> None:
        folded = [_fold(entry.path) for entry in self.files]
        _require_unique("files", folded, note=", upper and lower case taken as one")
        for path in folded:
            inside = next((other for other in folded if other.startswith(f"{path}/")), None)
            if inside is not None:
                raise ValueError(f"files: {path} is listed as a file and, by {inside}, as a folder")
        listed = {entry.path for entry in self.files}
        named = [(f"variants[{i}].file", v.file) for i, v in enumerate(self.variants)]
        named += [(f"engines[{i}].file", e.file) for i, e in enumerate(self.engines)]
        if self.golden is not None:
            named.append(("golden.file", self.golden.file))
        for place, path in named:
            if path not in listed:
                raise ValueError(f"{place}: expected a path listed in files, found {path}")

    def _check_variants(self) -> None:
        ids = [variant.id for variant in self.variants]
        _require_unique("variants", ids)
        for index, engine in enumerate(self.engines):
            if engine.variant not in ids:
                raise ValueError(
                    f"engines[{index}].variant: expected one of {', '.join(ids)}, "
                    f"found {engine.variant}"
                )
        for index, variant in enumerate(self.variants):
            usable = variant.state != "refused"
            if usable and self.golden is not None and variant.golden_tolerance is None:
                raise ValueError(
                    f"variants[{index}].golden_tolerance: expected one, as there is a golden file"
                )


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _require_unique(place: str, values: Iterable[str], note: str = "") -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{place}: {value} is there twice{note}")
        seen.add(value)


def parse_manifest(raw: bytes) -> Manifest:
    """The manifest that the bytes of a ``manifest.json`` hold.

    Raises UnsupportedFormatError for a major format other than 1, ManifestError for everything
    else that does not keep the contract; the message names the place.
    """
    try:
        values = read_strict_json(raw, limit=MAX_MANIFEST_BYTES)
    except ValueError as exc:
        raise ManifestError(
            "the manifest is not plain JSON",
            expected=f"one JSON object of at most {MAX_MANIFEST_BYTES} bytes",
            found=str(exc),
            remedy="Build the bundle again with: edgewarden bundle new",
        ) from exc
    if not isinstance(values, dict):
        raise ManifestError(
            "the manifest is no JSON object", expected="{…}", found=type(values).__name__
        )
    return build_manifest(values)


def build_manifest(values: Mapping[str, object]) -> Manifest:
    """The manifest with these values, shaped as in ``manifest.json``. Raises like parse_manifest.

    Unknown keys are passed over only in a minor format newer than this version's.
    """
    minor = _require_format(values.get("format"))
    try:
        return Manifest.model_validate(values, extra="ignore" if minor > _MINOR else "forbid")
    except ValidationError as exc:
        raise ManifestError(
            f"the manifest does not keep format {_MAJOR}.{_MINOR}",
            found=_problems(exc),
            remedy="Mend these values, or build the bundle again with: edgewarden bundle new",
        ) from exc


def _require_format(found: object) -> int:
    match = re.fullmatch(r"(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})", str(found), re.ASCII)
    if not isinstance(found, str) or match is None:
        raise ManifestError(
            "the manifest does not say its format",
            expected=f'"format": "{_MAJOR}.{_MINOR}"',
            found=f"{found!r:.80}" if found is not None else "no key 'format'",
        )
    if int(match[1]) != _MAJOR:
        raise UnsupportedFormatError(
            "the bundle is of a major format that is not known here",
            expected=f"{_MAJOR}.x",
            found=found,
            remedy="Use a version of Edgewarden that reads it, or build the bundle again.",
        )
    return int(match[2])


def _problems(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    texts = []
    for problem in problems[:_MOST_PROBLEMS]:
        place = _place(problem["loc"])
        if problem["type"] == "extra_forbidden":
            texts.append(f"unknown key {place}")
        elif problem["type"] == "missing":
            texts.append(f"no key {place}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            texts.append(f"{place}: {message}" if place else message)
    left = len(problems) - len(texts)
    return "; ".join(texts) + (f"; and {left} more" if left else "")


def _place(location: tuple[int | str, ...]) -> str:
    text = ""
    for before, step in zip(("", *location), location, strict=False):
        if before not in _TAGGED:  # what follows is which kind it is, no key of the file
            text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text[:200].removeprefix(".")


def embedding_space(manifest: Manifest) -> str:
    """The hash that embeddings of this model are tagged with: equal only where they compare.

    SHA-256 of what decides the numbers: preprocessing, decoder, output and the reference variant's
    file. A new signature, label, threshold or variant keeps it, and with it the enrolments. A key
    that a later format adds to these parts must stay out of their JSON while it is unset.
    """
    reference = manifest.file(manifest.reference.file)
    values = {
        "input": None if manifest.input is None else manifest.input.model_dump(mode="json"),
        "decoder": manifest.decoder.model_dump(mode="json"),
        "outputs": manifest.output_names,
        "model": reference.sha256,
    }
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
