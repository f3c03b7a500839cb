"""Generators: what they start from, and the pictures that they give.

A latent is drawn from the distribution that the bundle states: ``normal`` is N(0, 1), ``uniform``
is even over -1..1. A condition is one of the bundle's labels, as an index or one-hot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.errors import DecoderMismatchError
from edge.manifest import Condition, Latent
from edge.runner.base import Signature, Tensor, TensorSpec
from edge.types import ByteImage


def draw_feeds(
    latent: Latent,
    condition: Condition | None,
    signature: Signature,
    count: int,
    random: np.random.Generator,
) -> dict[str, Tensor]:
    """One batch of ``count`` latents, and conditions that take turns, by tensor name.

    Raises DecoderMismatchError where the model has no such inputs.
    """
    feeds = {latent.name: draw_latents(latent, input_of(signature, latent.name), count, random)}
    if condition is not None:
        turns = [index % len(condition.labels) for index in range(count)]
        feeds[condition.name] = encode_conditions(
            condition, input_of(signature, condition.name), turns
        )
    return feeds


def draw_latents(
    latent: Latent, spec: TensorSpec, count: int, random: np.random.Generator
) -> Tensor:
    """``count`` latents in the form that the model takes: ``[N, dim]``, ``[N, dim, 1, 1]`` …

    Raises DecoderMismatchError where that form does not hold ``dim`` values.
    """
    shape = (latent.dim, *(1 for _ in spec.shape[2:]))
    fits = len(spec.shape) >= 2 and all(
        axis in (None, side) for axis, side in zip(spec.shape[1:], shape, strict=True)
    )
    if not fits:
        raise DecoderMismatchError(
            "the model takes another latent than its manifest says",
            expected=f"{latent.dim} values in the second axis",
            found=str(spec),
        )
    size = (count, *shape)
    if latent.distribution == "normal":
        return random.standard_normal(size).astype(spec.dtype)
    return random.uniform(-1, 1, size).astype(spec.dtype)


def encode_conditions(condition: Condition, spec: TensorSpec, indices: Sequence[int]) -> Tensor:
    """Labels by index as the model takes them: indices ``[N]`` or ``[N, 1]``, one-hot ``[N, K]``.

    A one-hot row has the further axes of 1 that the model may have.
    """
    rows = np.asarray(indices, np.int64)
    if condition.encoding == "index":
        return rows.reshape(-1, *(1 for _ in spec.shape[1:])).astype(spec.dtype)
    hot = np.eye(len(condition.labels))[rows]
    return hot.reshape(*hot.shape, *(1 for _ in spec.shape[2:])).astype(spec.dtype)


def to_pictures(value: Tensor, limits: tuple[float, float], color: str = "RGB") -> list[ByteImage]:
    """A batch of ``[N, C, H, W]`` or ``[N, H, W, C]``, C of 1 or 3, as uint8 ``[H, W, 3]`` BGR.

    limits: the values of black and white; what lies beyond is cut. color: RGB, the order that
    generators are trained on, or BGR. Raises DecoderMismatchError for another shape.
    """
    if value.ndim != 4:
        raise _no_picture(value, "[N, C, H, W] or [N, H, W, C]")
    return [clip[0] for clip in to_clips(value, limits, color)]


def to_clips(value: Tensor, limits: tuple[float, float], color: str = "RGB") -> list[ByteImage]:
    """A batch of ``[N, T, C, H, W]`` or ``[N, T, H, W, C]`` as uint8 ``[T, H, W, 3]`` BGR.

    Single pictures, as ``to_pictures`` takes them, are clips of one frame. The rest is as there.
    """
    array = np.asarray(value, np.float32)
    if array.ndim == 4:
        array = array[:, None]
    if array.ndim == 5 and array.shape[2] in (1, 3):
        array = np.moveaxis(array, 2, 4)
    if array.ndim != 5 or array.shape[4] not in (1, 3):
        raise _no_picture(value, "[N, C, H, W], [N, H, W, C] or [N, T, C, H, W]")
    low, high = limits
    pixels = np.clip(np.rint((array - low) * (255 / (high - low))), 0, 255).astype(np.uint8)
    if pixels.shape[4] == 1:
        pixels = np.repeat(pixels, 3, axis=4)
    elif color == "RGB":
        pixels = pixels[..., ::-1]
    return [np.ascontiguousarray(clip) for clip in pixels]


def _no_picture(value: Tensor, expected: str) -> DecoderMismatchError:
    return DecoderMismatchError(
        "the model's output is no picture",
        expected=f"{expected} with 1 or 3 channels",
        found=f"{value.dtype}{list(value.shape)}",
    )


def input_of(signature: Signature, name: str) -> TensorSpec:
    """The model's input of that name. Raises DecoderMismatchError where there is none."""
    for spec in signature.inputs:
        if spec.name == name:
            return spec
    raise DecoderMismatchError(
        f"the model has no input {name!r}",
        expected=name,
        found=", ".join(map(str, signature.inputs)) or "no input",
    )
