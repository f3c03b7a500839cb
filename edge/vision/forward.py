"""Preprocess → forward, alike for every model that takes pictures."""

from __future__ import annotations

from collections.abc import Sequence

from edge.errors import DecoderMismatchError
from edge.manifest import Input
from edge.runner.base import Runner, Tensor
from edge.types import ByteImage
from edge.vision.preprocess import to_tensor


def forward(
    runner: Runner, spec: Input, pictures: Sequence[ByteImage], names: Sequence[str]
) -> list[Tensor]:
    """The outputs ``names`` for a batch of pictures that have the tensor's size already.

    Raises InferenceError where the model fails, ModelError where it takes another input than
    ``spec``, DecoderMismatchError where it lacks an output.
    """
    outputs = runner.infer({spec.name: to_tensor(pictures, spec)})
    if missing := [name for name in names if name not in outputs]:
        raise DecoderMismatchError(
            "the model lacks an output that its manifest names",
            expected=missing[0],
            found=", ".join(outputs) or "no outputs",
            remedy="Build the bundle again with: edgewarden bundle new",
        )
    return [outputs[name] for name in names]
