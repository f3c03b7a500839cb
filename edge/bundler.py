"""From a model and a template to a bundle that has proved itself once.

The model is loaded and run before anything is written: its shapes settle the manifest's, its
outputs have to fit the decoder, and what it computed is kept as the golden output that every later
load is held against. ``assemble`` puts a bundle of any number of variants together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from edge import __version__
from edge.bundle import Bundle, write_bundle
from edge.errors import ModelError, UsageError
from edge.fitting import Wishes, fit, input_part
from edge.golden import pack_golden
from edge.manifest import Condition, Latent, Manifest, VariantId, build_manifest
from edge.onnx_file import read_onnx_facts
from edge.proving import golden_feeds, largest, try_out
from edge.runner.base import Runner, Tensor
from edge.runner.golden import trial
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.templates import template

GOLDEN_FILE = "golden.npz"
# Float32 differs between CPUs by rounding; what a wrong model computes differs by far more.
_GOLDEN_SHARE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a bundle is called and where it is from.

    created: ISO 8601 in UTC; None for now. Fixed, the same model gives the same bytes.
    """

    name: str
    version: str = "1"
    license: str = "unspecified"
    source: str
    created: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVariant:
    """One form of the model and what was found out about it; as in the manifest.

    tolerance: how far it may be from the golden outputs.
    """

    id: VariantId
    data: bytes = field(repr=False)
    tolerance: float
    runner: Literal["onnxruntime", "tensorrt"] = "onnxruntime"
    state: Literal["accepted", "candidate", "refused"] = "accepted"
    reason: str | None = None
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A model that ran: the manifest's values that fit it, and its golden inputs and outputs."""

    values: Mapping[str, Any]
    feeds: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    @property
    def tolerance(self) -> float:
        """How far the same file may be from the golden outputs on another machine."""
        return float(f"{_GOLDEN_SHARE * max(largest(self.outputs), 1):.3g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRequest:
    """What the user says of a model: the template's name, and where the model differs from it."""

    model: Path
    template: str
    about: About
    wishes: Wishes = field(default_factory=Wishes)


def make_bundle(request: BundleRequest, out: Path) -> Bundle:
    """Write the bundle of an ONNX model to the new folder ``out``.

    Raises ModelError where the model does not load or run, DecoderMismatchError where it is not of
    the template's family, UsageError for an unknown template or for words that the model does not
    bear out, and what writing a bundle raises.
    Nothing is left behind on failure.
    """
    return make_bundle_of(read_model(request.model), request, out)


def make_bundle_of(data: bytes, request: BundleRequest, out: Path) -> Bundle:
    """Like ``make_bundle``, of a model that has been read; its path is only a name here."""
    read_onnx_facts(data)
    with OnnxRuntimeRunner(data, name=str(request.model)) as runner:
        proof = prove(template(request.template), runner, request.wishes)
        variant = ModelVariant(
            id="fp32", data=data, tolerance=proof.tolerance, parity={"max_abs": 0.0}
        )
        manifest, files = assemble(proof, request.about, [variant])
        with trial():
            try_out(manifest, runner, proof.outputs)
    return write_bundle(out, manifest, files)


def prove(values: Mapping[str, Any], runner: Runner, wishes: Wishes) -> Proof:
    """Fit template values to a loaded model and run it once.

    Raises what ``edge.fitting.fit`` raises, and ModelError where the model does not run or gives
    what is no number.
    """
    fitted = fit(values, runner.signature, wishes)
    if "latent" in fitted:
        latent, condition = _generator_parts(fitted)
        feeds = golden_feeds(latent, condition, runner.signature)
    else:
        feeds = golden_feeds(input_part(fitted["input"]), None, runner.signature)
    with trial():
        outputs = runner.infer(feeds)
    largest(outputs)
    return Proof(values=fitted, feeds=feeds, outputs=outputs)


def assemble(
    proof: Proof,
    about: About,
    variants: Sequence[ModelVariant],
    *,
    calibration: Mapping[str, Any] | None = None,
    training: str = "unverified",
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of a bundle and the files that it lists, by path.

    Each variant's file is ``<id>.onnx``. Raises ManifestError where the parts contradict each
    other, ModelError where a variant's file is no ONNX model.
    """
    golden = pack_golden(dict(proof.feeds), dict(proof.outputs))
    files = {f"{variant.id}.onnx": variant.data for variant in variants} | {GOLDEN_FILE: golden}
    manifest = build_manifest(
        {
            "format": "1.0",
            "name": about.name,
            "version": about.version,
            **proof.values,
            "files": [
                {"path": path, "bytes": len(content), "sha256": sha256(content).hexdigest()}
                for path, content in files.items()
            ],
            "variants": [_variant(variant) for variant in variants],
            "golden": {"file": GOLDEN_FILE},
            "calibration": None if calibration is None else dict(calibration),
            "training": training,
            "license": about.license,
            "provenance": {
                "source": about.source,
                "created": about.created or _now(),
                "tool": f"edgewarden {__version__}",
            },
        }
    )
    return manifest, files


def read_model(path: Path) -> bytes:
    """The bytes of a model's file. Raises ModelError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ModelError(
            f"cannot read {path}", expected="an ONNX file", found=exc.strerror or str(exc)
        ) from exc


def _variant(variant: ModelVariant) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": variant.id,
        "file": f"{variant.id}.onnx",
        "opset": read_onnx_facts(variant.data).opset,
        "runner": variant.runner,
        "state": variant.state,
        "accuracy": dict(variant.accuracy),
        "parity": dict(variant.parity),
        "golden_tolerance": {"max_abs": variant.tolerance},
    }
    return values if variant.reason is None else {**values, "reason": variant.reason}


def _generator_parts(values: Mapping[str, Any]) -> tuple[Latent, Condition | None]:
    condition = values.get("condition")
    try:
        return (
            Latent.model_validate(values["latent"]),
            None if condition is None else Condition.model_validate(condition),
        )
    except ValidationError as exc:
        raise UsageError(
            "the generator's inputs cannot be described as asked",
            expected="a distribution of normal or uniform, and plain labels",
            found="; ".join(error["msg"] for error in exc.errors()[:3]),
        ) from exc


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
