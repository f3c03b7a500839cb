"""Landmarks, classes and anomaly scores: numbers that are used as the model gives them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from edge.errors import InferenceError
from edge.manifest import LogitsDecoder
from edge.runner.base import Runner, Tensor
from export.judgement import Bound, bound_of
from export.measures.base import Measure, Values

# Landmarks, as parts of the distance between the eyes. A hundredth is half a pixel of the 128 pixel
# crop that they align, less than resampling costs; a twentieth is two pixels.
LANDMARK_MEAN = 0.01
LANDMARK_TAIL = 0.05
# Of probabilities in 0..1: labels may change only where two are nearly equal, and a threshold set
# on the reference has to hold for the variant.
LABEL_AGREEMENT = 0.99
PROBABILITY_MEAN = 0.02
PROBABILITY_TAIL = 0.1
# Lin's coefficient, 1 for equal scores: a shift or a stretch, which would move a threshold, lowers
# it as scatter does.
SCORE_CONCORDANCE = 0.99


class OutputMeasure(Measure):
    """Compares what both give in their first output, one sample after another."""

    def _outputs(self, runner: Runner) -> Iterator[tuple[Mapping[str, Tensor], Values]]:
        """Each sample's inputs, and its output without the batch axis."""
        name = self.manifest.output_names[0]
        for feeds in self.study.samples.feeds():
            value = np.asarray(runner.infer(feeds)[name], np.float64)
            if not np.isfinite(value).all():
                raise InferenceError(
                    f"output {name!r} is not a number everywhere",
                    expected="finite values",
                    found="NaN or infinity",
                )
            yield feeds, value[0]


class LandmarkMeasure(OutputMeasure):
    """Mean distance of five points, as a part of that between the reference's eyes."""

    def _keep(self, reference: Runner) -> int:
        self._reference = self._points(reference)
        return len(self._reference)

    def _points(self, runner: Runner) -> Values:
        points = [value.reshape(-1, 2) for _, value in self._outputs(runner)]
        return np.asarray(points).reshape(len(points), -1, 2)

    def _compare(self, variant: Runner) -> tuple[Mapping[str, float], Sequence[Bound]]:
        eyes = np.linalg.norm(self._reference[:, 0] - self._reference[:, 1], axis=1)
        away = np.linalg.norm(self._points(variant) - self._reference, axis=2).mean(axis=1)
        errors = away / np.maximum(eyes, 0.1)  # no face has its eyes nearer in its own crop
        bounds = (
            self.study.mean("landmark error mean", errors, LANDMARK_MEAN, least=False),
            self.study.tail("landmark error 99th percentile", errors, LANDMARK_TAIL, least=False),
        )
        figures = {"nme_mean": bounds[0].value, "nme_p99": bounds[1].value}
        return figures, bounds


class ClassMeasure(OutputMeasure):
    """Labels, and the probabilities behind them."""

    def _keep(self, reference: Runner) -> int:
        self._reference = self._probabilities(reference)
        return len(self._reference)

    def _probabilities(self, runner: Runner) -> Values:
        decoder = self.manifest.decoder
        activation = decoder.activation if isinstance(decoder, LogitsDecoder) else "softmax"
        rows = [value.reshape(-1) for _, value in self._outputs(runner)]
        return activate(np.asarray(rows).reshape(len(rows), -1), activation)

    def _compare(self, variant: Runner) -> tuple[Mapping[str, float], Sequence[Bound]]:
        found = self._probabilities(variant)
        same = found.argmax(axis=1) == self._reference.argmax(axis=1)
        if found.shape[1] == 1:
            same = (found >= 0.5)[:, 0] == (self._reference >= 0.5)[:, 0]
        away = np.abs(found - self._reference).max(axis=1)
        bounds = (
            self.study.share(
                "labels alike",
                lambda drawn: float(same[drawn].mean()),
                LABEL_AGREEMENT,
                count=self.count,
                trials=self.count,
            ),
            self.study.mean("probability difference mean", away, PROBABILITY_MEAN, least=False),
            self.study.tail(
                "probability difference 99th percentile", away, PROBABILITY_TAIL, least=False
            ),
        )
        figures = {
            "label_agreement": bounds[0].value,
            "probability_mean_abs": bounds[1].value,
            "probability_max_abs": float(away.max()),
        }
        return figures, bounds


class ScoreMeasure(OutputMeasure):
    """Anomaly scores: of a reconstruction its mean squared error, else the output itself."""

    def _keep(self, reference: Runner) -> int:
        self._reference = self._scores(reference)
        return len(self._reference)

    def _scores(self, runner: Runner) -> Values:
        spec = self.manifest.input
        scores = []
        for feeds, value in self._outputs(runner):
            seen = None if spec is None else np.asarray(feeds[spec.name], np.float64)[0]
            rebuilt = self.manifest.decoder.name == "image" and seen is not None
            if rebuilt and seen is not None and seen.shape == value.shape:
                scores.append(float(np.square(value - seen).mean()))
            else:
                scores.append(float(value.mean()))
        return np.asarray(scores)

    def _compare(self, variant: Runner) -> tuple[Mapping[str, float], Sequence[Bound]]:
        found = self._scores(variant)
        interval = self.study.interval(
            lambda drawn: concordance(self._reference[drawn], found[drawn]), self.count
        )
        bound = bound_of(
            "score concordance", interval, tolerance=SCORE_CONCORDANCE, samples=self.count
        )
        return {"score_concordance": bound.value}, (bound,)


def activate(values: Values, activation: Literal["softmax", "sigmoid", "none"]) -> Values:
    """Probabilities ``[N, K]`` from a classifier's values."""
    if activation == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-np.clip(values, -700, 700))))
    if activation == "none":
        return values
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def concordance(first: Values, second: Values) -> float:
    """Lin's concordance correlation (Biometrics 45, 1989); NaN where neither varies."""
    spread = first.var() + second.var() + (first.mean() - second.mean()) ** 2
    if spread == 0:
        return math.nan
    covariance = ((first - first.mean()) * (second - second.mean())).mean()
    return float(2 * covariance / spread)
