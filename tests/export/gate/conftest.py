"""Models that compute what they are told to, and manifests for every role."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from edge.manifest import Manifest
from edge.runner.base import Runner, Signature, Tensor, TensorSpec
from edge.types import ByteImage

MakeManifest = Callable[..., Manifest]
Answer = Callable[[Tensor], Tensor]


class Answering(Runner):
    """A model that is a Python function of its picture, called for each batch."""

    def __init__(self, answer: Answer, shape: Sequence[int | None], *, output: str) -> None:
        super().__init__()
        self._answer, self._shape, self._output = answer, tuple(shape), output

    def _load(self) -> Signature:
        single = np.dtype(np.float32)
        return Signature(
            (TensorSpec("input", self._shape, single),),
            (TensorSpec(self._output, (None,), single),),
        )

    def _infer(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {self._output: np.asarray(self._answer(feeds["input"]), np.float32)}

    def _close(self) -> None: ...


@pytest.fixture
def answering() -> Callable[..., Runner]:
    """``answering(function, output="y")``: a loaded runner for float32 ``[N, C, H, W]``."""

    def make(answer: Answer, *, output: str = "y") -> Runner:
        runner = Answering(answer, (None, None, None, None), output=output)
        runner.load()
        return runner

    return make


@pytest.fixture
def numbered() -> Callable[..., list[ByteImage]]:
    """``numbered(count, (width, height))``: pictures that carry their number in the first pixel."""

    def make(count: int, size: tuple[int, int]) -> list[ByteImage]:
        pictures = []
        for index in range(count):
            picture = np.zeros((size[1], size[0], 3), np.uint8)
            picture[0, 0] = index // 256, index % 256, 0
            pictures.append(picture)
        return pictures

    return make
