"""A model made ready to be quantised: rewritten, equalised, and its ranges chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol

import numpy as np
import onnx

from calibration.observe import METHODS, Method, Ranges, observe, observe_all
from edge.runner.base import Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner
from export.precision.equalise import equalise
from export.precision.qdq import observed, quantise
from export.precision.rewrites import rewrite

Choice = Literal["auto", "minmax", "percentile", "entropy"]
CHOICES: tuple[Choice, ...] = ("auto", *METHODS)

# On how many samples a method's or a layer's noise is measured.
_PROBES = 8
# An output that is zero all over has no noise to speak of.
_TINY = 1e-30

Feeds = Mapping[str, Tensor]
Outputs = Sequence[Mapping[str, Tensor]]


class Dataset(Protocol):
    """What to calibrate on; a CalibrationSet is one."""

    def feeds(self) -> Iterator[dict[str, Tensor]]:
        """One batch of 1 each, the same every time."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How far the work is: what is done, and how many steps of it are done of how many."""

    text: str
    done: int
    total: int | None = None


Progress = Callable[[Stage], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A model that is ready to be quantised: rewritten and equalised, with its ranges.

    noises: by method, how much noise INT8 puts into the outputs of the calibration samples; empty
    where the method was given. steps: what was done to the graph.
    """

    model: onnx.ModelProto
    ranges: Ranges
    noises: Mapping[Method, float]
    steps: tuple[str, ...]


def calibrate(
    model: onnx.ModelProto,
    dataset: Dataset,
    *,
    method: Choice = "auto",
    progress: Progress = lambda stage: None,
) -> Calibrated:
    """Rewrite a model, equalise its channels and gather its ranges; two passes over the dataset.

    method: ``auto`` takes the ranges whose INT8 model comes nearest to the float one on samples
    from all over the dataset: which that is depends on the model, and no method is best for all.

    Raises what ``rewrite``, ``observe`` and ``quantise`` raise.
    """
    rewritten = rewrite(model)
    tensors = observed(rewritten.model)

    def watch(text: str) -> Callable[[], None]:
        count = iter(range(1, 1 << 62))
        return lambda: progress(Stage(text, next(count)))

    first = observe(
        rewritten.model, dataset.feeds(), tensors=tensors, step=watch("observing channels")
    )
    equal, count = equalise(rewritten.model, first)
    ranges = observe_all(
        equal,
        dataset.feeds(),
        methods=METHODS if method == "auto" else (method,),
        tensors=tensors,
        step=watch("observing ranges"),
    )
    noises = _noises(equal, ranges, probes(dataset, first.samples)) if method == "auto" else {}
    return Calibrated(
        model=equal,
        ranges=ranges[min(noises, key=noises.__getitem__) if method == "auto" else method],
        noises=noises,
        steps=(*rewritten.steps, *([f"{count} pairs of layers equalised"] if count else [])),
    )


def probes(dataset: Dataset, count: int) -> list[dict[str, Tensor]]:
    """A few of a dataset's ``count`` samples, from all over it."""
    step = max(1, count // _PROBES)
    return list(islice(dataset.feeds(), 0, step * _PROBES, step))


def outputs_of(model: onnx.ModelProto, feeds: Iterable[Feeds]) -> Outputs:
    """What a model computes of each feed. Raises what loading and running it raise."""
    with OnnxRuntimeRunner(model.SerializeToString(), name="a quantised model") as runner:
        return [runner.infer(feed) for feed in feeds]


def noise_between(found: Outputs, reference: Outputs) -> float:
    """The power of the difference over that of the reference, the mean over outputs: 0.01 is a
    signal-to-noise ratio of 20 dB."""
    ratios = []
    for name in reference[0]:
        pairs = [(one[name], true[name]) for one, true in zip(found, reference, strict=True)]
        apart = sum(_power(np.subtract(*pair, dtype=np.float64)) for pair in pairs)
        ratios.append(apart / max(sum(_power(true) for _, true in pairs), _TINY))
    return float(np.mean(ratios))


def _noises(
    model: onnx.ModelProto, ranges: Mapping[Method, Ranges], feeds: Sequence[Feeds]
) -> dict[Method, float]:
    reference = outputs_of(model, feeds)
    return {
        method: noise_between(outputs_of(quantise(model, one).cpu, feeds), reference)
        for method, one in ranges.items()
    }


def _power(values: Tensor) -> float:
    return float(np.square(values.astype(np.float64)).sum())
