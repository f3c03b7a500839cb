"""What a model cannot rebuild is not as it always is: how odd a picture is, and where.

The model behind it is an autoencoder of pictures that show nothing wrong, such as a VAE (Kingma and
Welling, "Auto-encoding variational Bayes", ICLR 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.errors import DecoderMismatchError
from edge.manifest import Input, Manifest
from edge.runner.base import Runner
from edge.types import ByteImage, FloatArray
from edge.vision.forward import forward
from edge.vision.generator import to_pictures
from edge.vision.preprocess import place, place_in_tensor

# Looks at a camera that are held against each other, some seconds from first to last.
LOOKS = 5
_BLUR, _PART = 2.0, 0.03


@dataclass(frozen=True, slots=True, eq=False)
class Oddity:
    """How odd a picture is. score: 0..1, to be compared with that of normal pictures of its camera.

    residual: float32 ``[H, W]``, where it is odd, of the size that the model works at. difference:
    float32 ``[H, W, 3]``, of which that is the size. rebuilt: uint8 ``[H, W, 3]`` BGR, what the
    model makes of it.
    """

    score: float
    residual: FloatArray
    difference: FloatArray
    rebuilt: ByteImage


def difference(picture: ByteImage, rebuilt: ByteImage) -> FloatArray:
    """What two pictures of 0..1 differ by, with its sign, blurred: float32 ``[H, W, 3]``.

    What a model rebuilds a little unsharp is too light beside too dark and cancels out; smoke, or a
    thing that is not there, does not.
    """
    apart = (picture.astype(np.float32) - rebuilt) / 255
    return np.asarray(cv2.GaussianBlur(apart, (0, 0), _BLUR), np.float32)


def oddity_of(difference: FloatArray, rebuilt: ByteImage) -> Oddity:
    """Score and residual of one difference."""
    residual = np.asarray(np.abs(difference).mean(axis=2), np.float32)
    return Oddity(anomaly_score(residual), residual, difference, rebuilt)


def lasting(looks: Sequence[Oddity]) -> Oddity:
    """What stays odd over a camera's last looks: the median of their differences, pixel by pixel.

    Who walks by is odd to a model of empty rooms, and gone at the next look; what somebody left
    there, an open door or smoke stays. ``LOOKS`` of them are enough. The last one's rebuilt picture
    is kept. Raises ValueError without any look.
    """
    if not looks:
        raise ValueError("expected at least one look")
    median = np.median(np.stack([look.difference for look in looks]), axis=0)
    return oddity_of(np.asarray(median, np.float32), looks[-1].rebuilt)


def anomaly_score(residual: FloatArray) -> float:
    """Mean of the largest 3 % of a residual.

    Of the whole picture a small thing is too little, and one pixel alone is noise.
    """
    flat = residual.ravel()
    most = max(1, round(_PART * flat.size))
    return float(np.partition(flat, -most)[-most:].mean())


class AnomalyFinder:
    """Scores pictures with the autoencoder behind ``runner``, as its manifest says.

    Raises DecoderMismatchError where the manifest is of no model that rebuilds pictures.
    """

    def __init__(self, runner: Runner, manifest: Manifest) -> None:
        limits = manifest.outputs[0].range
        if manifest.role != "anomaly" or manifest.input is None or limits is None:
            raise DecoderMismatchError(
                f"bundle {manifest.name} does not rebuild pictures",
                expected="a bundle with role anomaly and decoder image",
                found=f"role {manifest.role} with decoder {manifest.decoder.name}",
            )
        self._runner = runner
        self._input: Input = manifest.input
        self._output = manifest.outputs[0].name
        self._limits = limits

    def look(self, pictures: Sequence[ByteImage]) -> list[Oddity]:
        """How odd each picture is: uint8 ``[H, W, 3]`` BGR, all of one size.

        Raises InferenceError where the model fails, DecoderMismatchError where what it gives is no
        picture of the size that it was given.
        """
        if not pictures:
            return []
        placement = place(pictures[0].shape[1::-1], self._input)
        placed = [place_in_tensor(picture, placement, self._input) for picture in pictures]
        (raw,) = forward(self._runner, self._input, placed, [self._output])
        color = "BGR" if self._input.color == "BGR" else "RGB"
        found = []
        for picture, rebuilt in zip(placed, to_pictures(raw, self._limits, color), strict=True):
            if rebuilt.shape != picture.shape:
                raise DecoderMismatchError(
                    "the model rebuilds pictures of another size",
                    expected=f"{picture.shape[1]} × {picture.shape[0]}",
                    found=f"{rebuilt.shape[1]} × {rebuilt.shape[0]}",
                )
            found.append(oddity_of(difference(picture, rebuilt), rebuilt))
        return found
