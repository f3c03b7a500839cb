"""Inputs to try a model with, before anything is known of what it is for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx

from edge.errors import InferenceError, ModelError
from edge.runner.base import Runner, Tensor, TensorSpec

# Free heights and widths: multiples of 32 for detectors, small ones first.
_SIDES = (64, 128, 224, 256, 320, 416, 640, 1, 16)
# Pixels as bytes, then as fractions: what is made for the one may overflow on the other.
_TOPS = (255.0, 1.0)


def trial_feeds(runner: Runner, *, batch: int, seed: int = 29) -> list[dict[str, Tensor]]:
    """Two batches that the model runs on with finite outputs: noise as bytes and as fractions.

    Integers are 0 or 1, which any table has. Only one batch where the other's outputs are not
    finite. Raises ModelError where no size or range serves.
    """
    random = np.random.default_rng(seed)
    last: Exception | None = None
    for side in _SIDES if _has_free_side(runner) else _SIDES[:1]:
        try:
            feeds = [
                feed
                for top in _TOPS
                for feed in [_draw(runner, batch, side, top, random)]
                if _is_finite(runner.infer(feed))
            ]
        except InferenceError as exc:
            last = exc
            continue
        if not feeds:
            raise ModelError(
                "the model gives no finite outputs",
                expected="numbers for inputs in 0..255 or 0..1",
                found="NaN or infinity for both",
                remedy="Look at its weights: training may have diverged.",
            )
        return feeds
    raise ModelError(
        "the model runs on no input that was tried",
        expected=f"free axes that may be one of {', '.join(map(str, _SIDES))}",
        found=last.found if isinstance(last, InferenceError) else "",
        remedy="Export it with the sizes that it can take.",
    ) from last


def opened(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that gives every tensor as an output."""
    copy: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    have = {value.name for value in copy.graph.output}
    for node in copy.graph.node:
        for name in node.output:
            if name and name not in have:
                copy.graph.output.append(onnx.ValueInfoProto(name=name))
    return copy


def _has_free_side(runner: Runner) -> bool:
    return any(None in spec.shape[1:] for spec in runner.signature.inputs)


def _draw(
    runner: Runner, batch: int, side: int, top: float, random: np.random.Generator
) -> dict[str, Tensor]:
    return {
        spec.name: _values(spec, (batch, *_rest(spec, side)), top, random)
        for spec in runner.signature.inputs
    }


def _rest(spec: TensorSpec, side: int) -> Iterator[int]:
    yield from (side if axis is None else axis for axis in spec.shape[1:])


def _values(
    spec: TensorSpec, shape: tuple[int, ...], top: float, random: np.random.Generator
) -> Tensor:
    if np.issubdtype(spec.dtype, np.floating):
        return (random.random(shape) * top).astype(spec.dtype)
    if spec.dtype == np.uint8:
        return random.integers(0, int(top) + 1, shape).astype(np.uint8)
    return random.integers(0, 2, shape).astype(spec.dtype)


def _is_finite(outputs: dict[str, Tensor]) -> bool:
    return all(np.isfinite(np.asarray(value, np.float64)).all() for value in outputs.values())
