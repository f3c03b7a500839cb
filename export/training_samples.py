"""Inputs and outputs saved when a model was trained, held against what the file computes now.

Only these tell trained weights from others: a generator that was built anew before it was exported
has the right shapes and range, and draws noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.errors import DecoderMismatchError, ModelError, UsageError
from edge.golden import Array, read_arrays
from edge.manifest import Manifest
from edge.runner.base import Runner
from edge.runner.golden import trial
from export.parity import LEAST_SCALE

VERIFIED = "verified"
UNVERIFIED = "unverified"
# Of the output's largest value. Training may have run on a GPU with TF32, which keeps ten bits;
# weights that are not the trained ones are off by as much as the outputs are large.
REFERENCE_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True)
class ReferenceResult:
    """How many samples were compared, and the largest difference, as a part of the scale."""

    samples: int
    max_rel: float


def check_reference(data: bytes, manifest: Manifest, runner: Runner) -> ReferenceResult:
    """Compare the model with samples from its training.

    data: an ``.npz`` with one array for every input and output that the manifest names, any number
    of samples in the first axis; read without pickle. A latent may be [N, dim, 1, 1] there.

    Raises UsageError where it is something else, ModelError where the model computes other outputs.
    """
    arrays = _arrays(data, manifest)
    feeds = {name: arrays[name] for name in manifest.input_names}
    for name, value in feeds.items():
        wanted = next((s.dtype for s in runner.signature.inputs if s.name == name), value.dtype)
        if value.dtype.kind == wanted.kind:
            feeds[name] = value.astype(wanted)
    if manifest.latent is not None:
        flat = feeds[manifest.latent.name]
        # Networks of convolutions take [N, dim, 1, 1]; a bundle's latent is flat.
        if flat.shape[1:2] == (manifest.latent.dim,) and set(flat.shape[2:]) == {1}:
            feeds[manifest.latent.name] = flat.reshape(flat.shape[:2])
    try:
        with trial():
            outputs = runner.infer(feeds)
    except (ModelError, DecoderMismatchError) as exc:
        raise UsageError(
            f"the model does not run on the reference samples: {exc.message}",
            expected=exc.expected,
            found=exc.found,
            remedy="Save the samples as the exported model takes them.",
        ) from exc
    differences = [_difference(name, arrays[name], outputs[name]) for name in manifest.output_names]
    return ReferenceResult(len(next(iter(feeds.values()))), max(differences))


def _arrays(data: bytes, manifest: Manifest) -> dict[str, Array]:
    named = {*manifest.input_names, *manifest.output_names}
    try:
        arrays = read_arrays(data)
    except ValueError as exc:
        raise UsageError(
            "cannot read the reference samples",
            expected="an .npz archive of plain number arrays",
            found=str(exc),
            remedy="Save them with numpy.savez(file, name=array, …).",
        ) from exc
    if set(arrays) != named:
        raise UsageError(
            "the reference samples are not of this model",
            expected=f"arrays {', '.join(sorted(named))}",
            found=", ".join(sorted(arrays)) or "none",
            remedy="Save every input and output under its name in the exported model.",
        )
    return arrays


def _difference(name: str, expected: Array, actual: Array) -> float:
    if expected.shape != actual.shape:
        raise ModelError(
            f"wrong shape: output {name!r} is not shaped as at training",
            expected=str(list(expected.shape)),
            found=str(list(actual.shape)),
            remedy="Export the model as it was trained.",
        )
    first, second = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    scale = float(np.abs(first).max(initial=0))
    if not np.isfinite(first).all() or not scale:
        raise UsageError(
            f"the reference samples of output {name!r} say nothing",
            expected="finite values that are not all zero",
            found="NaN or infinity" if scale else "zeros",
        )
    share = float(np.abs(first - second).max()) / max(scale, LEAST_SCALE)
    if not share <= REFERENCE_TOLERANCE:
        raise ModelError(
            f"reinitialised weights: output {name!r} is not what the model gave at training",
            expected=f"differences of at most {REFERENCE_TOLERANCE:g} of the largest value",
            found=f"{share:.3g}",
            remedy="Load the trained weights before exporting, and save the samples from them.",
        )
    return share
