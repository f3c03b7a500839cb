"""The ranges of a model's activations, seen while it runs on calibration samples.

One pass, and memory that does not grow with the number of samples: of each tensor only its least
and greatest value are kept and, where the method asks for it, a histogram whose range doubles when
a value falls outside, two bins becoming one.

INT8 is symmetric everywhere here, so a range is one number: the magnitude that maps to 127.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.config import forbid_telemetry
from edge.errors import InferenceError, UsageError
from edge.extras import needing
from edge.runner.base import Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner, SessionSettings

if TYPE_CHECKING:
    from onnx import ModelProto

Method = Literal["minmax", "percentile", "entropy"]
METHODS: tuple[Method, ...] = ("minmax", "percentile", "entropy")

BINS = 8192
# Of all values but zeros, the share that stays inside the range.
PERCENTILE = 0.9999
# A range so small that its scale, a 127th, is still an ordinary float32.
_LEAST = float(np.finfo(np.float32).tiny) * 2**20
_LEVELS = 128
_STEP = 64
_FLOAT = 1


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often each magnitude was seen. counts: int64 ``[BINS]``, equal bins from 0 to limit;
    exact zeros, which any scale represents, are left out.
    """

    counts: NDArray[np.int64]
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRange:
    """One activation. low, high: the least and greatest value seen. threshold: the magnitude that
    maps to 127, never 0. peaks: float64 ``[C]``, the greatest magnitude of each channel (axis 1),
    None where the tensor has none or their number varies. histogram: None for ``minmax``.
    """

    low: float
    high: float
    threshold: float
    peaks: NDArray[np.float64] | None = field(default=None, repr=False)
    histogram: Histogram | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """What ``observe`` saw. samples: how many feeds; tensors: by name."""

    method: Method
    samples: int
    tensors: Mapping[str, TensorRange]


class Observer:
    """Gathers one tensor's range, batch after batch, in constant memory."""

    def __init__(self, *, histogram: bool) -> None:
        self._low = np.inf
        self._high = -np.inf
        self._limit = 0.0
        self._counts = np.zeros(BINS, np.int64) if histogram else None
        self._peaks: NDArray[np.float64] | None = None
        self._has_channels = True

    def add(self, values: Tensor) -> None:
        """Take in more values. Raises ValueError where they are not finite."""
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError(f"expected finite values, found {low} to {high}")
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._reach(values)
        if self._counts is not None:
            self._count(values, max(-low, high))

    def _reach(self, values: Tensor) -> None:
        channels = values.shape[1] if values.ndim > 1 else 0
        if self._peaks is None and self._has_channels and channels:
            self._peaks = np.zeros(channels)
        if self._peaks is None or len(self._peaks) != channels:
            self._peaks, self._has_channels = None, False
            return
        others = tuple(axis for axis in range(values.ndim) if axis != 1)
        reached = np.maximum(values.max(axis=others), -values.min(axis=others))
        self._peaks = np.maximum(self._peaks, reached)

    def _count(self, values: Tensor, greatest: float) -> None:
        assert self._counts is not None
        if greatest == 0:
            return
        self._limit = self._limit or greatest
        while greatest > self._limit:
            halved = self._counts.reshape(-1, 2).sum(axis=1)
            self._counts[: BINS // 2], self._counts[BINS // 2 :] = halved, 0
            self._limit *= 2
        magnitudes = np.abs(values[values != 0])
        places = magnitudes.astype(np.float64) / self._limit * BINS
        bins = np.minimum(places.astype(np.int64), BINS - 1)
        self._counts += np.bincount(bins, minlength=BINS)

    def range(self, method: Method) -> TensorRange:
        """What follows from all values so far. Raises ValueError where there were none, or where
        the method needs a histogram and none was kept."""
        if self._low > self._high:
            raise ValueError("expected values, found none")
        greatest = max(-self._low, self._high)
        histogram = None
        threshold = greatest
        if method != "minmax":
            if self._counts is None:
                raise ValueError(f"expected a histogram for {method}, found none")
            if greatest > 0:
                histogram = Histogram(self._counts.copy(), self._limit)
                found = percentile(histogram) if method == "percentile" else entropy(histogram)
                threshold = min(found, greatest)
        return TensorRange(
            low=self._low,
            high=self._high,
            # What was always zero on these samples need not be so on others: 1 lets it through.
            threshold=max(threshold, _LEAST) if greatest > 0 else 1.0,
            peaks=self._peaks,
            histogram=histogram,
        )


def percentile(histogram: Histogram, share: float = PERCENTILE) -> float:
    """The magnitude below which ``share`` of the counted values lie: the end of that bin."""
    total = np.cumsum(histogram.counts)
    index = int(np.searchsorted(total, share * total[-1]))
    return (min(index, BINS - 1) + 1) * histogram.limit / BINS


def entropy(histogram: Histogram) -> float:
    """The magnitude to clip at so that 128 levels tell least from what they replace.

    The range with the least Kullback-Leibler divergence between the clipped distribution and its
    quantised form (Migacz, 8-bit inference with TensorRT, GTC 2017).
    """
    counts = histogram.counts.astype(np.float64)
    best, least = BINS, np.inf
    for end in range(_LEVELS, BINS + 1, _STEP):
        divergence = _divergence(counts, end)
        if divergence < least:
            best, least = end, divergence
    return best * histogram.limit / BINS


def _divergence(counts: NDArray[np.float64], end: int) -> float:
    clipped = counts[:end].copy()
    clipped[-1] += counts[end:].sum()
    level = np.arange(end) * _LEVELS // end
    filled = counts[:end] > 0
    mass = np.bincount(level, weights=counts[:end], minlength=_LEVELS)
    width = np.bincount(level, weights=filled, minlength=_LEVELS)
    quantised = np.where(filled, (mass / np.maximum(width, 1))[level], 0.0)
    if not quantised.any():
        return np.inf
    p, q = clipped / clipped.sum(), quantised / quantised.sum()
    # The last bin may hold nothing but what was clipped: an outcome that q must not exclude.
    q = np.maximum(q, np.finfo(np.float64).tiny)
    seen = p > 0
    return float(np.sum(p[seen] * np.log(p[seen] / q[seen])))


def observe(
    model: ModelProto,
    feeds: Iterable[Mapping[str, Tensor]],
    *,
    method: Method = "minmax",
    tensors: Iterable[str] | None = None,
    step: Callable[[], None] = lambda: None,
) -> Ranges:
    """The ranges by one method; arguments and errors as ``observe_all``."""
    return observe_all(model, feeds, methods=(method,), tensors=tensors, step=step)[method]


def observe_all(
    model: ModelProto,
    feeds: Iterable[Mapping[str, Tensor]],
    *,
    methods: Sequence[Method] = METHODS,
    tensors: Iterable[str] | None = None,
    step: Callable[[], None] = lambda: None,
) -> dict[Method, Ranges]:
    """Run ``model`` on every feed once and gather the ranges of its float activations, by method.

    tensors: which, by name; None for all whose type the file tells. step: called after each feed.

    Raises UsageError where there are no feeds or a feed makes a tensor that is not finite,
    ModelError where the model does not load, and what running it raises.
    """
    names = _activations(model) if tensors is None else sorted(set(tensors))
    if not methods or set(methods).difference(METHODS):
        raise ValueError(f"expected some of {', '.join(METHODS)}, found {methods!r}")
    inputs = {value.name for value in model.graph.input}
    made = [name for name in names if name not in inputs]
    observers = {name: Observer(histogram=set(methods) != {"minmax"}) for name in names}
    samples = 0
    with OnnxRuntimeRunner(
        _showing(model, made), name="the model with its activations", settings=SessionSettings()
    ) as runner:
        for feed in feeds:
            values = {**feed, **runner.infer(feed)}
            _take(observers, values)
            samples += 1
            step()
    if not samples:
        raise UsageError(
            "there is nothing to calibrate on",
            expected="at least one usable sample",
            found="none",
            remedy="Name pictures of what the model is to see.",
        )
    return {
        method: Ranges(
            method=method,
            samples=samples,
            tensors={name: observer.range(method) for name, observer in observers.items()},
        )
        for method in methods
    }


def _take(observers: Mapping[str, Observer], values: Mapping[str, Tensor]) -> None:
    for name, observer in observers.items():
        try:
            observer.add(values[name])
        except ValueError as exc:
            raise InferenceError(
                f"the model's tensor {name!r} cannot be calibrated", found=str(exc)
            ) from exc


def _activations(model: ModelProto) -> list[str]:
    """The float inputs, and the float tensors that nodes make of them, by name."""
    onnx = _import()
    inferred = onnx.shape_inference.infer_shapes(model)
    graph = inferred.graph
    constant = {tensor.name for tensor in graph.initializer}
    constant |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    known = (*graph.input, *graph.value_info, *graph.output)
    floats = {value.name for value in known if value.type.tensor_type.elem_type == _FLOAT}
    return sorted(floats - constant)


def _showing(model: ModelProto, names: Iterable[str]) -> bytes:
    """The model with more outputs, which ONNX Runtime gives types itself."""
    onnx = _import()
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    have = {value.name for value in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in have)
    data: bytes = copy.SerializeToString()
    return data


def _import() -> Any:
    forbid_telemetry()
    with needing("calibrating a model"):
        import onnx
    return onnx
