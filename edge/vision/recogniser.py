"""From faces to unit vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from edge.errors import DecoderMismatchError, InferenceError
from edge.manifest import AlignResize, Manifest, embedding_space
from edge.runner.base import Runner, Tensor
from edge.types import ByteImage, Embedding
from edge.vision.crop import align_face
from edge.vision.forward import forward


class Recogniser:
    """Aligns faces to the manifest's template and embeds them with the model behind ``runner``.

    space: the hash that tags its embeddings; only embeddings of one space can be compared.

    Raises DecoderMismatchError where the manifest is no recogniser's.
    """

    def __init__(self, runner: Runner, manifest: Manifest) -> None:
        spec = manifest.input
        if spec is None or not isinstance(spec.resize, AlignResize):
            raise DecoderMismatchError(
                f"bundle {manifest.name} is no recogniser",
                expected='role recogniser with input.resize {"mode": "align"}',
                found=f"role {manifest.role}",
            )
        self._runner = runner
        self._input = spec
        self._template = spec.resize.template
        self._size = (spec.width.opt, spec.height.opt)
        self._output = manifest.output_names[0]
        self.space = embedding_space(manifest)

    def align(self, picture: ByteImage, landmarks: ArrayLike) -> ByteImage:
        """The face with these landmarks (``[5, 2]`` pixels), cut out as the model wants it.

        Raises ValueError where the landmarks coincide.
        """
        return align_face(picture, landmarks, self._template, self._size)

    def embed(self, crops: Sequence[ByteImage]) -> list[Embedding]:
        """One embedding for each aligned crop.

        Raises what ``embed_usable`` raises, and InferenceError where that gives None for a crop.
        """
        embeddings = [one for one in self.embed_usable(crops) if one is not None]
        if len(embeddings) < len(crops):
            raise InferenceError(
                "the recogniser gave no usable vector",
                expected="finite numbers that are not all zero",
                found="NaN, infinity or zeros",
                remedy="Check the model with: edgewarden bundle verify",
            )
        return embeddings

    def embed_usable(self, crops: Sequence[ByteImage]) -> list[Embedding | None]:
        """One embedding for each aligned crop; None where the model gives a vector that is all zero
        or not finite, for one odd face says nothing of the others.

        Raises InferenceError where the model fails, DecoderMismatchError where it does not give
        one vector a crop: floating point, ``[N, D]`` or ``[N, D, 1, 1]`` with D ≥ 2.
        """
        if not crops:
            return []
        (raw,) = forward(self._runner, self._input, crops, [self._output])
        if not _holds_vectors(raw, len(crops)):
            n = len(crops)
            raise DecoderMismatchError(
                "the recogniser's output does not fit decoder 'embedding'",
                expected=f"float[{n}, dimensions] or float[{n}, dimensions, 1, 1]",
                found=f"{raw.dtype}{list(raw.shape)}",
                remedy="Choose the template that fits the model.",
            )
        vectors = np.asarray(raw, np.float32).reshape(len(crops), -1)
        with np.errstate(over="ignore"):
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return [
            Embedding(vector / norm, self.space) if np.isfinite(norm) and norm > 0 else None
            for vector, norm in zip(vectors, norms[:, 0], strict=True)
        ]


def _holds_vectors(raw: Tensor, crops: int) -> bool:
    """Any other form is a feature map or another model's output, however well it would flatten."""
    if not np.issubdtype(raw.dtype, np.floating) or raw.ndim not in (2, 4):
        return False
    return len(raw) == crops and raw.shape[1] >= 2 and raw.shape[2:] in ((), (1, 1))
