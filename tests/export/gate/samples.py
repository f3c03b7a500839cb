"""Samples from pictures at hand, and for generators from latents that are drawn."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import DecoderMismatchError
from edge.manifest import Manifest
from edge.runner.base import Signature, Tensor
from edge.types import ByteImage
from edge.vision.generator import draw_feeds
from edge.vision.preprocess import to_tensor


@dataclass(frozen=True, slots=True)
class PictureSamples:
    """Pictures that have the size the model takes, or, for a detector, any size.

    groups: to which clip or track each belongs.
    """

    manifest: Manifest
    given: Sequence[ByteImage]
    groups: Sequence[Hashable] | None = None

    def pictures(self) -> Iterator[ByteImage]:
        """The pictures as they were given."""
        yield from self.given

    def feeds(self) -> Iterator[dict[str, Tensor]]:
        """Each picture as the input of a batch of 1."""
        spec = self.manifest.input
        if spec is None:
            raise DecoderMismatchError(
                f"bundle {self.manifest.name} takes no pictures",
                expected="a role with an input",
                found=f"role {self.manifest.role}",
            )
        for picture in self.given:
            yield {spec.name: to_tensor([picture], spec)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentSamples:
    """``count`` latents of a generator, the same for the same seed; conditions take turns."""

    manifest: Manifest
    signature: Signature
    count: int
    seed: int = 0

    @property
    def groups(self) -> None:
        """None: each latent is drawn by itself."""

    def pictures(self) -> Iterator[ByteImage]:
        """None: a generator takes no pictures."""
        yield from ()

    def feeds(self) -> Iterator[dict[str, Tensor]]:
        """Each latent, and its condition where there is one, as a batch of 1."""
        latent = self.manifest.latent
        if latent is None:
            raise DecoderMismatchError(
                f"bundle {self.manifest.name} is no generator",
                expected="a bundle with role synthesiser",
                found=f"role {self.manifest.role}",
            )
        random = np.random.default_rng(self.seed)
        drawn = draw_feeds(latent, self.manifest.condition, self.signature, self.count, random)
        for index in range(self.count):
            yield {name: value[index : index + 1] for name, value in drawn.items()}
