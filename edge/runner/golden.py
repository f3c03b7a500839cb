"""Golden outputs: what a model computed once, held against what it computes here and now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from edge.errors import InferenceError, ModelError
from edge.manifest import Axis, Input, LetterboxResize
from edge.runner.base import Runner, Tensor
from edge.types import ByteImage
from edge.vision.preprocess import to_tensor

_SMALL = 128
_WAVES = 4


@dataclass(frozen=True, slots=True)
class GoldenResult:
    """max_abs: the largest absolute difference of any output. passed: it is within tolerance."""

    max_abs: float
    passed: bool


def make_inputs(spec: Input, *, seed: int) -> dict[str, Tensor]:
    """One plausible batch for ``spec``, by tensor name; the same for the same seed.

    The pictures are smooth waves under pixel noise, 0..255, normalised as ``spec`` says: a model
    then works in the range that it was trained for. Frames of a clip drift. A free height or width
    is at most 128 pixels where that is legal, so that the arrays stay small; a free batch is as
    small as may be.
    """
    random = np.random.default_rng(seed)
    size = (_small(spec.width, spec), _small(spec.height, spec))
    pictures = [_picture(random, size) for _ in range(spec.batch.min)]
    if spec.frames is not None:
        pictures = [_drifting(random, picture, spec.frames) for picture in pictures]
    return {spec.name: to_tensor(pictures, spec)}


def blank(spec: Input) -> ByteImage:
    """A black picture, or clip, at the working size of ``spec``."""
    side = (spec.height.opt, spec.width.opt, 3)
    return np.zeros(side if spec.frames is None else (spec.frames, *side), np.uint8)


def warm_up(runner: Runner, spec: Input) -> None:
    """Run the model once at its working size, so that no frame has to wait for its buffers.

    Raises what ``runner.infer`` raises, as ``trial`` translates it.
    """
    with trial():
        runner.infer({spec.name: to_tensor([blank(spec)] * spec.batch.opt, spec)})


@contextmanager
def trial() -> Iterator[None]:
    """Around a model's run on made inputs: one that fails even there has to be built anew.

    Raises ModelError in place of InferenceError.
    """
    try:
        yield
    except InferenceError as exc:
        raise ModelError(
            f"the model does not run here: {exc.message}",
            expected=exc.expected,
            found=exc.found,
            remedy="Export the model again, or report this machine's ONNX Runtime.",
        ) from exc


def compare(expected: Mapping[str, Tensor], actual: Mapping[str, Tensor]) -> float:
    """The largest absolute difference between outputs of one name; others in ``actual`` are free.

    Raises ModelError where an output is missing, has another shape, or is not finite, and where
    nothing is expected at all.
    """
    if not expected:
        raise ModelError("no golden outputs to compare with", expected="at least one output")
    return max(_difference(name, value, actual.get(name)) for name, value in expected.items())


def replay(
    runner: Runner, inputs: Mapping[str, Tensor], expected: Mapping[str, Tensor], tolerance: float
) -> GoldenResult:
    """Run the model on golden inputs and compare; passed where max_abs ≤ ``tolerance``.

    Raises what ``compare`` raises, and ``runner.infer`` as ``trial`` translates it.
    """
    with trial():
        outputs = runner.infer(inputs)
    max_abs = compare(expected, outputs)
    return GoldenResult(max_abs, max_abs <= tolerance)


def _difference(name: str, expected: Tensor, actual: Tensor | None) -> float:
    if actual is None or actual.shape != expected.shape:
        raise ModelError(
            f"the model does not give golden output {name!r}",
            expected=str(list(expected.shape)),
            found="no such output" if actual is None else str(list(actual.shape)),
            remedy="Build the bundle again with: edgewarden bundle new",
        )
    first, second = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    for place, values in (("the golden file", first), ("the model", second)):
        if not np.isfinite(values).all():
            raise ModelError(
                f"output {name!r} is not a number everywhere",
                expected="finite values",
                found=f"NaN or infinity from {place}",
            )
    return float(np.abs(first - second).max(initial=0.0))


def _small(axis: Axis, spec: Input) -> int:
    """The largest legal length up to 128 pixels, else the least."""
    step = spec.resize.multiple_of if isinstance(spec.resize, LetterboxResize) else 1
    longest = min(axis.opt, _SMALL)
    return axis.min + max(0, longest - axis.min) // step * step


def _drifting(random: np.random.Generator, picture: ByteImage, frames: int) -> ByteImage:
    """The picture, moved by up to three pixels a frame, as a clip."""
    step = tuple(int(value) for value in random.integers(-3, 4, 2))
    moved = [
        np.roll(picture, (step[0] * frame, step[1] * frame), (0, 1)) for frame in range(frames)
    ]
    return np.stack(moved)


def _picture(random: np.random.Generator, size: tuple[int, int]) -> ByteImage:
    """A few long waves in each channel, the strongest first, and noise on top."""
    x, y = (np.arange(side, dtype=np.float64) / side for side in size)
    waves = np.zeros((size[1], size[0], 3))
    for order in range(1, _WAVES + 1):
        across, down, phase = random.uniform(-order, order, (3, 3))
        turns = y[:, None, None] * down + x[None, :, None] * across + phase
        waves += np.cos(2 * np.pi * turns) / order
    noise = random.normal(0, 8, waves.shape)
    return np.clip(127.5 + 60 * waves + noise, 0, 255).astype(np.uint8)
