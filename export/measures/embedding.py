"""Recognisers: how alike the vectors are that both give for one face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.errors import InferenceError
from edge.runner.base import Runner
from edge.vision.recogniser import Recogniser
from export.judgement import Bound
from export.measures.base import Measure, batches

# An identity threshold has room for some 0.01; a view that is off by more than 0.03 may be the one
# that decides.
COSINE_MEAN = 0.99
COSINE_TAIL = 0.97
_BATCH = 8


class EmbeddingMeasure(Measure):
    """Cosines between the embeddings that both give for one face."""

    def _keep(self, reference: Runner) -> int:
        self._reference = self._embed(reference)
        if any(one is None for one in self._reference):
            raise InferenceError(
                "the reference gives no usable vector for some of the samples",
                expected="finite numbers that are not all zero",
                found="NaN, infinity or zeros",
            )
        return len(self._reference)

    def _embed(self, runner: Runner) -> list[NDArray[np.float32] | None]:
        recogniser = Recogniser(runner, self.manifest)
        found: list[NDArray[np.float32] | None] = []
        for batch in batches(self.study.samples.pictures(), _BATCH):
            found += [None if one is None else one.vector for one in recogniser.embed_usable(batch)]
        return found

    def _compare(self, variant: Runner) -> tuple[Mapping[str, float], Sequence[Bound]]:
        pairs = zip(self._reference, self._embed(variant), strict=True)
        cosines = np.asarray([_cosine(first, second) for first, second in pairs])
        bounds = (
            self.study.mean("cosine mean", cosines, COSINE_MEAN),
            self.study.tail("cosine 1st percentile", cosines, COSINE_TAIL),
        )
        figures = {
            "cosine_mean": bounds[0].value,
            "cosine_p1": bounds[1].value,
            "cosine_min": float(cosines.min()),
        }
        return figures, bounds


def _cosine(first: NDArray[np.float32] | None, second: NDArray[np.float32] | None) -> float:
    """Of unit vectors; -1 where the variant gives no vector at all."""
    if first is None or second is None:
        return -1.0
    return float(np.dot(first.astype(np.float64), second.astype(np.float64)))
