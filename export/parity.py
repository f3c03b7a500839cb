"""Whether two forms of a model compute the same: the source against the ONNX file, and a file on
other machines against what it computed once.

A difference is measured against the scale of its output, the largest magnitude that the source
gives there over all inputs: 1e-4 of a score in 0..1 and of a logit in −30..30 are the same care,
and neither is asked for more than float32 holds. An output that is near zero on all of them, as the
scores of a detector that finds nothing, is measured against LEAST_SCALE: what it is made of inside
the model is of ordinary size, and so is its rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import ModelError
from edge.manifest import Manifest
from edge.runner.base import Runner, Signature, Tensor
from edge.runner.golden import compare, make_inputs
from edge.vision.generator import draw_feeds

PARITY_TOLERANCE = 1e-4
LEAST_SCALE = 1e-2

# What a variant may be off on another CPU than where it was measured, against what it is off here.
# Kernels without VNNI add in another order and cut sums off earlier; what a broken model computes
# is off by as much as its outputs are large, and is told apart from that below.
GOLDEN_MARGIN = 2.0
# Float32 itself differs between CPUs by rounding, as a share of the largest output.
GOLDEN_ROUNDING = 1e-3

Run = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@dataclass(frozen=True, slots=True)
class OutputParity:
    """One output. scale: its largest magnitude in the source. max_rel: max_abs / scale."""

    max_abs: float
    scale: float
    max_rel: float


@dataclass(frozen=True, slots=True)
class Parity:
    """The largest differences of any output, each output's own, and the batches compared."""

    max_abs: float
    max_rel: float
    outputs: Mapping[str, OutputParity]
    batches: tuple[int, ...]

    def to_record(self) -> dict[str, float]:
        """As a variant's ``parity`` in the manifest."""
        return {"max_abs": _short(self.max_abs), "max_rel": _short(self.max_rel)}


def compare_source(
    source: Run,
    runner: Runner,
    feeds: Iterable[Mapping[str, Tensor]],
    *,
    tolerance: float = PARITY_TOLERANCE,
) -> Parity:
    """Run both on every batch of ``feeds`` and compare output by output.

    tolerance: the largest difference allowed, as a share of the output's scale.

    Raises ModelError where they give other outputs, other shapes, numbers that are not finite or
    that differ by more, naming the output; ValueError without a batch.
    """
    largest: dict[str, float] = {}
    scales: dict[str, float] = {}
    batches = []
    for batch in feeds:
        expected, actual = source(batch), runner.infer(batch)
        if expected.keys() != actual.keys():
            raise ModelError(
                "the exported model has other outputs than its source",
                expected=", ".join(expected),
                found=", ".join(actual),
            )
        size = len(next(iter(batch.values())))
        for name, value in expected.items():
            difference, scale = _difference(name, value, actual[name], size)
            largest[name] = max(largest.get(name, 0.0), difference)
            scales[name] = max(scales.get(name, LEAST_SCALE), scale)
        batches.append(size)
    if not batches:
        raise ValueError("expected at least one batch to compare on")
    outputs = {
        name: OutputParity(value, scales[name], value / scales[name])
        for name, value in largest.items()
    }
    parity = Parity(
        max(one.max_abs for one in outputs.values()),
        max(one.max_rel for one in outputs.values()),
        outputs,
        tuple(batches),
    )
    _require(parity, tolerance)
    return parity


def fresh_batches(
    manifest: Manifest, signature: Signature, *, sizes: Sequence[int] = (1, 2, 5), seed: int = 23
) -> Iterator[dict[str, Tensor]]:
    """Random batches of several sizes to compare on, as far as the manifest allows them."""
    random = np.random.default_rng(seed)
    for size in sizes:
        if manifest.latent is not None:
            yield draw_feeds(manifest.latent, manifest.condition, signature, size, random)
        elif manifest.input is not None and size <= manifest.input.batch.max:
            made = [
                make_inputs(manifest.input, seed=int(random.integers(2**31))) for _ in range(size)
            ]
            yield {
                name: np.concatenate([one[name][:1] for one in made])
                for name in manifest.input_names
            }


def golden_tolerance(
    outputs: Mapping[str, Tensor], golden: Mapping[str, Tensor], others: Mapping[str, Tensor]
) -> float:
    """How far the variant that gave ``outputs`` for the golden inputs may be from ``golden``.

    GOLDEN_MARGIN times what it is off here, and GOLDEN_ROUNDING of the largest golden value.
    others: what it gives for other inputs of the same form, to see that a model which computes
    something else would be found out.

    Raises ModelError where it would not: the variant is then as far from the golden outputs as
    from anything, and what ``compare`` raises.
    """
    largest = max(float(np.abs(np.asarray(v, np.float64)).max(initial=0)) for v in golden.values())
    tolerance = GOLDEN_MARGIN * compare(golden, outputs) + GOLDEN_ROUNDING * max(largest, 1.0)
    nearest = min(largest, compare(golden, others))
    if tolerance >= nearest:
        raise ModelError(
            "the golden outputs could not tell this variant from a broken one",
            expected=f"a difference well below {nearest:.3g}, that of other inputs' outputs",
            found=f"a tolerance of {tolerance:.3g}",
            remedy="Keep more layers in higher precision.",
        )
    return _short(tolerance)


def _difference(name: str, expected: Tensor, actual: Tensor, batch: int) -> tuple[float, float]:
    if expected.shape != actual.shape:
        raise ModelError(
            f"output {name!r} has another shape than in the source, for a batch of {batch}",
            expected=str(list(expected.shape)),
            found=str(list(actual.shape)),
            remedy="Export the model with its batch axis free, or with a batch of 1.",
        )
    first, second = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    for place, values in (("the source", first), ("the exported model", second)):
        if not np.isfinite(values).all():
            raise ModelError(
                f"output {name!r} is not a number everywhere",
                expected="finite values",
                found=f"NaN or infinity from {place}",
            )
    difference = float(np.abs(first - second).max(initial=0.0))
    return difference, float(np.abs(first).max(initial=0.0))


def _require(parity: Parity, tolerance: float) -> None:
    for name, one in parity.outputs.items():
        if one.max_rel > tolerance:
            raise ModelError(
                f"output {name!r} of the exported model is not what its source computes",
                expected=f"differences of at most {tolerance:g} of its scale {one.scale:.3g}",
                found=f"{one.max_rel:.3g} of it, {one.max_abs:.3g}",
                remedy="Export in evaluation mode, without dropout or noise inside the model.",
            )


def _short(value: float) -> float:
    return float(f"{value:.3g}")
