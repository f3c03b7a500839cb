"""The seam to whatever runs a model: load, infer, close.

``Runner`` checks state and shapes once; a backend fills three short hooks. One runner belongs to
one thread at a time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.closing import Closing
from edge.errors import ClosedError, ModelError

Tensor = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output. shape has None where the model leaves an axis free."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[np.generic]

    def __str__(self) -> str:
        axes = ", ".join("?" if n is None else str(n) for n in self.shape)
        return f"{self.name} {self.dtype}[{axes}]"


@dataclass(frozen=True, slots=True)
class Signature:
    """Every input and output of a model."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Runner(Closing):
    """A model that can be run. Use as a context manager, or call load and close.

    max_batch: the largest batch in one call, None for any. Larger batches given to ``infer`` are
    split. A model whose batch axis is fixed is always given just that many: smaller batches are
    filled up.
    """

    def __init__(self, *, max_batch: int | None = None) -> None:
        if max_batch is not None and max_batch < 1:
            raise ValueError(f"max_batch: expected 1 or more, found {max_batch}")
        self._max_batch = max_batch
        self._fixed_batch: int | None = None
        self._signature: Signature | None = None

    def load(self) -> None:
        """Make the model ready.

        Raises ModelError where it cannot be loaded, MissingExtraError without its library.
        """
        if self._signature is not None:
            return
        signature = self._load()
        try:
            self._fixed_batch = _fixed_batch(signature)
        except ModelError:
            self._close()
            raise
        self._signature = signature

    @property
    def signature(self) -> Signature:
        """Inputs and outputs. Raises ClosedError before load and after close."""
        if self._signature is None:
            raise ClosedError(f"{type(self).__name__} is not loaded", remedy="Call load() first.")
        return self._signature

    @property
    def max_batch(self) -> int | None:
        """The largest batch that runs in one call; None for any."""
        return self._fixed_batch or self._max_batch

    def infer(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run the model once for each batch that it can take and join the results on axis 0.

        Raises ModelError where names, ranks or dtypes differ from the model's, or its outputs have
        no batch axis; InferenceError where it fails; ClosedError before load and after close.
        """
        batch = self._check(feeds, self.signature)
        limit = self.max_batch or batch
        if batch <= limit:
            return self._infer_part(feeds, batch)
        parts = []
        for start in range(0, batch, limit):
            part = {name: value[start : start + limit] for name, value in feeds.items()}
            parts.append(self._infer_part(part, min(limit, batch - start)))
        return {name: _join(name, [part[name] for part in parts]) for name in parts[0]}

    def _infer_part(self, feeds: Mapping[str, Tensor], batch: int) -> dict[str, Tensor]:
        fixed = self._fixed_batch
        if fixed is None or batch == fixed:
            return self._infer(feeds)
        filled = {name: _fill_up(value, fixed) for name, value in feeds.items()}
        return {
            name: _cut(name, value, batch, fixed) for name, value in self._infer(filled).items()
        }

    def close(self) -> None:
        """Release the model. Safe to call twice."""
        if self._signature is not None:
            self._signature = None
            self._close()

    def _prepare(self) -> None:
        self.load()

    def _check(self, feeds: Mapping[str, Tensor], signature: Signature) -> int:
        wanted = {spec.name: spec for spec in signature.inputs}
        if feeds.keys() != wanted.keys():
            raise ModelError(
                "wrong inputs for the model",
                expected=", ".join(map(str, signature.inputs)),
                found=", ".join(sorted(feeds)) or "none",
            )
        for name, value in feeds.items():
            spec = wanted[name]
            fits = value.ndim == len(spec.shape) and all(
                axis == 0 or want in (None, have)
                for axis, (want, have) in enumerate(zip(spec.shape, value.shape, strict=True))
            )
            if not fits or value.dtype != spec.dtype:
                raise ModelError(
                    "an input does not fit the model",
                    expected=str(spec),
                    found=f"{value.dtype}{list(value.shape)}",
                )
        sizes = {len(value) for value in feeds.values()}
        if len(sizes) > 1 or 0 in sizes:
            raise ModelError(
                "the inputs must hold one batch of at least one",
                expected="equal first axes of 1 or more",
                found=str(sorted(sizes)),
            )
        return sizes.pop()

    @abstractmethod
    def _load(self) -> Signature: ...

    @abstractmethod
    def _infer(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]: ...

    @abstractmethod
    def _close(self) -> None: ...


def _fixed_batch(signature: Signature) -> int | None:
    """The one batch that the model takes, None where it leaves that free."""
    shapes = [spec.shape for spec in signature.inputs]
    batches = {shape[0] if shape else 0 for shape in shapes}
    if len(batches) != 1 or 0 in batches:
        raise ModelError(
            "the model's inputs do not share one batch axis",
            expected="inputs whose first axes are the same batch",
            found=", ".join(map(str, signature.inputs)) or "no input",
        )
    return batches.pop()


def _fill_up(value: Tensor, batch: int) -> Tensor:
    """``value`` with its last row repeated until it has ``batch`` rows."""
    return np.concatenate([value, np.repeat(value[-1:], batch - len(value), axis=0)])


def _cut(name: str, value: Tensor, batch: int, filled: int) -> Tensor:
    """The rows of the first ``batch`` of ``filled``; an output may have several rows for each."""
    if value.ndim == 0 or len(value) % filled:
        raise _no_batch_axis(name, value)
    return value[: len(value) // filled * batch]


def _join(name: str, parts: list[Tensor]) -> Tensor:
    try:
        return np.concatenate(parts)
    except ValueError as exc:  # scalars, or parts of different shapes
        raise _no_batch_axis(name, parts[-1]) from exc


def _no_batch_axis(name: str, value: Tensor) -> ModelError:
    return ModelError(
        f"output {name!r} cannot be put together from parts of a batch",
        expected="a first axis that is the batch",
        found=f"{value.dtype}{list(value.shape)}",
        remedy="Export the model with a free batch axis.",
    )
