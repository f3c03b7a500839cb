"""A trained model from any framework: its ONNX form, and the framework itself to compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from edge.runner.base import Tensor

if TYPE_CHECKING:
    import onnx

# Sizes of a tensor's axes; None where the axis is free. Only the first, the batch, should be.
Shape = tuple[int | None, ...]
Run = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRequest:
    """Where a trained model is and how it wants to be called.

    path: an ``.onnx``, ``.pt2`` or ``.keras`` file or the folder of a SavedModel. Instead of it,
    factory: ``module:function`` that makes the network, a torch.nn.Module, and weights: the file of
    its state_dict.
    inputs: name to shape, in the order of the network's arguments; None reads them from the model,
    which a factory cannot. dtypes: those of inputs that are not float32. output_names: what to call
    the outputs, in order; none: the framework's own names. keep_outputs: which of them to keep, in
    this order; none: all.
    latent: a generator's inputs to be joined into one flat latent; uniform: those of them that were
    trained on U(−1, 1) while the latent is normal. condition: the input that says what to make.
    signature: which one of a SavedModel; python: the interpreter that has TensorFlow and tf2onnx.
    """

    path: Path | None = None
    factory: str | None = None
    weights: Path | None = None
    inputs: Mapping[str, Shape] | None = None
    dtypes: Mapping[str, str] = field(default_factory=dict)
    output_names: tuple[str, ...] = ()
    keep_outputs: tuple[str, ...] = ()
    latent: tuple[str, ...] = ()
    uniform: tuple[str, ...] = ()
    condition: str | None = None
    signature: str | None = None
    python: Path | None = None


def _nothing() -> None:
    """A source in this process holds nothing that has to be let go."""


@dataclass(frozen=True, slots=True)
class Source:
    """A model and the framework that it is from.

    model: as ONNX. run: the original, by the same input and output names, in the same order;
    it raises ModelError for other inputs and InferenceError where it fails. framework: name and
    version. notes: what a person should know of the conversion. Use as a context manager, or call
    close, where the framework may be a process of its own.
    """

    model: onnx.ModelProto
    run: Run
    framework: str
    notes: tuple[str, ...] = ()
    release: Callable[[], None] = field(default=_nothing, repr=False)

    def close(self) -> None:
        """Let the framework go. Safe to call twice."""
        self.release()

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
