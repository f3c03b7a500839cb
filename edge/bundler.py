"""From one ONNX file and a template to a bundle that has proved itself once.

The model is loaded and run before anything is written: its shapes settle the manifest's, its
outputs have to fit the decoder, and what it computed is kept as the golden output that every later
load is held against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from edge import __version__
from edge.bundle import Bundle, write_bundle
from edge.errors import DecoderMismatchError, ModelError, UsageError
from edge.golden import pack_golden
from edge.manifest import Input, Manifest, YoloxDecoder, build_manifest
from edge.onnx_file import read_onnx_facts
from edge.runner.base import Runner, Signature, Tensor, TensorSpec
from edge.runner.golden import make_inputs, trial
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.templates import template
from edge.types import Detections
from edge.vision.detector import Detector
from edge.vision.landmarks import LandmarkFinder
from edge.vision.recogniser import Recogniser

_GOLDEN_SEED = 20261121
_GOLDEN_FILE = "golden.npz"
_MODEL_FILE = "fp32.onnx"
# Float32 differs between CPUs by rounding; what a wrong model computes differs by far more.
_GOLDEN_SHARE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRequest:
    """What the user says of a model. size: (width, height), the working size of free axes."""

    model: Path
    template: str
    name: str
    version: str = "1"
    license: str = "unspecified"
    source: str = ""
    size: tuple[int, int] | None = None
    labels: tuple[str, ...] = ()


def make_bundle(request: BundleRequest, out: Path) -> Bundle:
    """Write the bundle of an ONNX model to the new folder ``out``.

    Raises ModelError where the model does not load or run, DecoderMismatchError where it is not of
    the template's family, UsageError for an unknown template or a size that the model cannot take,
    and what writing a bundle raises.
    Nothing is left behind on failure.
    """
    values = template(request.template)
    data = _read(request.model)
    facts = read_onnx_facts(data)
    with OnnxRuntimeRunner(data, name=str(request.model)) as runner:
        values["input"] = fit_input(values["input"], runner.signature, request.size)
        values["outputs"] = [spec.name for spec in runner.signature.outputs]
        if request.labels:
            values["labels"] = list(request.labels)
        feeds = make_inputs(_input(values["input"]), seed=_GOLDEN_SEED)
        with trial():
            outputs = runner.infer(feeds)
        golden = pack_golden(feeds, outputs)
        manifest = _manifest(request, values, data, golden, facts.opset, _largest(outputs))
        with trial():
            _try_out(manifest, runner)
        _check_labels(manifest, outputs)
    return write_bundle(out, manifest, {_MODEL_FILE: data, _GOLDEN_FILE: golden})


def fit_input(
    wanted: Mapping[str, Any], signature: Signature, size: tuple[int, int] | None
) -> dict[str, Any]:
    """The template's input with the model's own name, dtype and fixed axes.

    size: the working (width, height) of axes that the model leaves free. Raises
    DecoderMismatchError where the model takes something else than one picture tensor, UsageError
    where it fixes an axis at another size.
    """
    spec = _only_input(signature)
    shape = list(wanted["shape"])
    if size is not None:
        _require_size(spec, size)
        shape[2:] = [_with_opt(shape[2], size[1]), _with_opt(shape[3], size[0])]
    if spec.shape[1] not in (None, shape[1]):
        raise DecoderMismatchError(
            "the model takes another kind of picture than the template",
            expected=f"[N, {shape[1]}, H, W]",
            found=str(spec),
            remedy="Choose the template that fits the model.",
        )
    fitted = [
        axis if fixed is None else fixed for axis, fixed in zip(shape, spec.shape, strict=True)
    ]
    resize = dict(wanted["resize"])
    if resize["mode"] == "letterbox" and any(
        isinstance(axis, int) and axis % resize["multiple_of"] for axis in fitted[2:]
    ):
        resize["multiple_of"] = 1  # a fixed input sets its own size
    return {
        **wanted,
        "name": spec.name,
        "dtype": spec.dtype.name,
        "shape": fitted,
        "resize": resize,
    }


def _input(values: Mapping[str, Any]) -> Input:
    try:
        return Input.model_validate(values)
    except ValidationError as exc:
        raise UsageError(
            "the template does not fit this model and size",
            found="; ".join(error["msg"] for error in exc.errors()[:3]),
            remedy="Choose another --template or --size.",
        ) from exc


def _only_input(signature: Signature) -> TensorSpec:
    if len(signature.inputs) != 1 or len(signature.inputs[0].shape) != 4:
        raise DecoderMismatchError(
            "the model does not take one picture tensor",
            expected="one input [N, 3, H, W]",
            found=", ".join(map(str, signature.inputs)) or "no input",
        )
    picture = signature.inputs[0]
    if picture.name in (spec.name for spec in signature.outputs):
        raise DecoderMismatchError(
            "the model gives back the picture that it takes",
            expected="outputs under names of their own",
            found=str(picture),
            remedy="Export the model without this output.",
        )
    return picture


def _require_size(spec: TensorSpec, size: tuple[int, int]) -> None:
    fixed = {"width": spec.shape[3], "height": spec.shape[2]}
    if any(axis not in (None, side) for axis, side in zip(fixed.values(), size, strict=True)):
        raise UsageError(
            "the model's size is fixed",
            expected=" and ".join(f"{name} {axis}" for name, axis in fixed.items() if axis),
            found=f"{size[0]}x{size[1]}",
            remedy="Leave out --size, or export the model with free axes.",
        )


def _with_opt(axis: Any, opt: int) -> Any:
    if isinstance(axis, int):
        return opt
    return {"min": min(axis["min"], opt), "opt": opt, "max": max(axis["max"], opt)}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ModelError(
            f"cannot read {path}", expected="an ONNX file", found=exc.strerror or str(exc)
        ) from exc


def _largest(outputs: Mapping[str, Tensor]) -> float:
    """The largest magnitude in any output. Raises ModelError where one is not finite."""
    largest = 0.0
    for name, value in outputs.items():
        # A detector that suppresses by itself may give nothing at all.
        peak = float(np.abs(np.asarray(value, np.float64)).max(initial=0))
        if not np.isfinite(peak):
            raise ModelError(
                f"output {name!r} is not a number everywhere",
                expected="finite values",
                found="NaN or infinity",
                remedy="Export the model again.",
            )
        largest = max(largest, peak)
    return largest


def _manifest(
    request: BundleRequest,
    values: dict[str, Any],
    data: bytes,
    golden: bytes,
    opset: int,
    largest: float,
) -> Manifest:
    files = {_MODEL_FILE: data, _GOLDEN_FILE: golden}
    return build_manifest(
        {
            "format": "1.0",
            "name": request.name,
            "version": request.version,
            **values,
            "files": [
                {"path": path, "bytes": len(content), "sha256": sha256(content).hexdigest()}
                for path, content in files.items()
            ],
            "variants": [
                {
                    "id": "fp32",
                    "file": _MODEL_FILE,
                    "opset": opset,
                    "runner": "onnxruntime",
                    "state": "accepted",
                    "parity": {"max_abs": 0.0},
                    "golden_tolerance": {
                        "max_abs": float(f"{_GOLDEN_SHARE * max(largest, 1):.3g}")
                    },
                }
            ],
            "golden": {"file": _GOLDEN_FILE},
            "training": "unverified",
            "license": request.license,
            "provenance": {
                "source": request.source or request.model.name,
                "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "tool": f"edgewarden {__version__}",
            },
        }
    )


def _check_labels(manifest: Manifest, outputs: Mapping[str, Tensor]) -> None:
    if not isinstance(manifest.decoder, YoloxDecoder):
        return
    classes = next(iter(outputs.values())).shape[-1] - 5
    if classes != len(manifest.labels):
        raise DecoderMismatchError(
            "the model has another number of classes than the labels",
            expected=f"{classes} labels",
            found=f"{len(manifest.labels)}",
            remedy="Name them in the model's order with --labels A,B,C.",
        )


def _try_out(manifest: Manifest, runner: Runner) -> None:
    """Run the model the way the camera will; raises where its outputs are not what is read."""
    picture = np.random.default_rng(_GOLDEN_SEED).integers(0, 256, (96, 128, 3), np.uint8)
    if manifest.role == "detector":
        Detector(runner, manifest).detect([picture])
    elif manifest.role == "recogniser":
        recogniser = Recogniser(runner, manifest)
        landmarks = np.asarray([[40, 40], [70, 40], [55, 55], [45, 70], [65, 70]], np.float32)
        recogniser.embed([recogniser.align(picture, landmarks)])
    elif manifest.role == "landmarks":
        box = np.asarray([[30, 20, 90, 80]], np.float32)
        face = Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64))
        LandmarkFinder(runner, manifest).add(picture, face)
