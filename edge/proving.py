"""A model run the way the camera will run it, before a bundle says that it can be.

What a stage of the camera reads is tried with that stage's own code; of the other roles the
outputs' form is held against the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from edge.errors import DecoderMismatchError, ModelError
from edge.manifest import (
    ClipLogitsDecoder,
    Condition,
    ImageDecoder,
    Input,
    Latent,
    LogitsDecoder,
    Manifest,
    YoloxDecoder,
)
from edge.runner.base import Runner, Signature, Tensor
from edge.runner.golden import make_inputs
from edge.types import Detections
from edge.vision.detector import Detector
from edge.vision.generator import draw_feeds, input_of, to_clips
from edge.vision.landmarks import LandmarkFinder
from edge.vision.recogniser import Recogniser

_SEED = 20261121
_FEWEST_DRAWN, _MOST_DRAWN = 4, 16
_MOST_GOLDEN = 1 << 19  # bytes of what a generator draws; at least one sample


def golden_feeds(
    part: Input | Latent,
    condition: Condition | None,
    signature: Signature,
    *,
    seed: int = _SEED,
) -> dict[str, Tensor]:
    """One batch to record golden outputs with, by tensor name; the same for the same seed.

    Of a generator with a free batch: a few latents, so that pictures that are all alike show, and
    every condition where they are no more than 16; of clips and large pictures as few as take
    half a mebibyte, but one.
    """
    if isinstance(part, Input):
        return make_inputs(part, seed=seed)
    wanted = 1 if condition is None else min(len(condition.labels), _MOST_DRAWN)
    fixed = input_of(signature, part.name).shape[0]
    batch = fixed or max(1, min(max(_FEWEST_DRAWN, wanted), _MOST_GOLDEN // _row_bytes(signature)))
    return draw_feeds(part, condition, signature, batch, np.random.default_rng(seed))


def _row_bytes(signature: Signature) -> int:
    """What one sample's outputs take; axes that are free count as one."""
    sizes = (prod(axis or 1 for axis in spec.shape[1:]) for spec in signature.outputs)
    types = (spec.dtype.itemsize for spec in signature.outputs)
    return max(1, sum(size * each for size, each in zip(sizes, types, strict=True)))


def fresh_feeds(manifest: Manifest, signature: Signature, *, seed: int) -> dict[str, Tensor]:
    """Further inputs of the golden ones' form, by tensor name; the same for the same seed."""
    part = manifest.input or manifest.latent
    assert part is not None  # every manifest has one of them
    return golden_feeds(part, manifest.condition, signature, seed=seed)


def largest(outputs: Mapping[str, Tensor]) -> float:
    """The largest magnitude in any output. Raises ModelError where one is not finite."""
    peaks = [0.0]
    for name, value in outputs.items():
        # A detector that suppresses by itself may give nothing at all.
        peak = float(np.abs(np.asarray(value, np.float64)).max(initial=0))
        if not np.isfinite(peak):
            raise ModelError(
                f"output {name!r} is not a number everywhere",
                expected="finite values",
                found="NaN or infinity",
                remedy="Export the model again.",
            )
        peaks.append(peak)
    return max(peaks)


def try_out(manifest: Manifest, runner: Runner, outputs: Mapping[str, Tensor]) -> None:
    """Hold a model against the part that its manifest gives it.

    outputs: what it gave for the golden inputs. Raises DecoderMismatchError where its outputs are
    not what is read, and what the stages of ``edge.vision`` raise.
    """
    picture = np.random.default_rng(_SEED).integers(0, 256, (96, 128, 3), np.uint8)
    if manifest.role == "detector":
        Detector(runner, manifest).detect([picture])
        _require_classes(manifest, outputs)
    elif manifest.role == "recogniser":
        recogniser = Recogniser(runner, manifest)
        landmarks = np.asarray([[40, 40], [70, 40], [55, 55], [45, 70], [65, 70]], np.float32)
        recogniser.embed([recogniser.align(picture, landmarks)])
    elif manifest.role == "landmarks":
        box = np.asarray([[30, 20, 90, 80]], np.float32)
        face = Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64))
        LandmarkFinder(runner, manifest).add(picture, face)
    elif isinstance(manifest.decoder, LogitsDecoder | ClipLogitsDecoder):
        _require_logits(manifest, outputs)
    elif isinstance(manifest.decoder, ImageDecoder):
        _require_picture(manifest, outputs)


def _require_classes(manifest: Manifest, outputs: Mapping[str, Tensor]) -> None:
    if not isinstance(manifest.decoder, YoloxDecoder):
        return
    classes = next(iter(outputs.values())).shape[-1] - 5
    if classes != len(manifest.labels):
        raise DecoderMismatchError(
            "the model has another number of classes than the labels",
            expected=f"{classes} labels",
            found=f"{len(manifest.labels)}",
            remedy="Name them in the model's order with --labels A,B,C.",
        )


def _require_logits(manifest: Manifest, outputs: Mapping[str, Tensor]) -> None:
    value = outputs[manifest.output_names[0]]
    count = len(manifest.labels)
    floating = np.issubdtype(value.dtype, np.floating)
    if not floating or value.ndim < 2 or value[0].size != count or value.shape[1] != count:
        raise DecoderMismatchError(
            f"the model's output does not fit decoder {manifest.decoder.name!r}",
            expected=f"one value for each of {', '.join(manifest.labels)}: [N, {count}]",
            found=f"{value.dtype}{list(value.shape)}",
            remedy="Name the classes in the model's order with --labels A,B,C.",
        )


def _require_picture(manifest: Manifest, outputs: Mapping[str, Tensor]) -> None:
    """A picture, with values that its range can mean: at most half of it beyond either end."""
    output = manifest.outputs[0]
    assert output.range is not None  # the manifest's own rule for this decoder
    value = outputs[output.name]
    to_clips(value, output.range)
    low, high = output.range
    slack = (high - low) / 2
    least, most = float(np.min(value)), float(np.max(value))
    if least < low - slack or most > high + slack:
        raise DecoderMismatchError(
            "the picture that the model gives is not in its range",
            expected=f"values within {low:g} and {high:g}",
            found=f"values from {least:.4g} to {most:.4g}",
            remedy="State the range of the model's output with --range LOW,HIGH.",
        )
