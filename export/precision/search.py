"""Which layers have to stay in float so that INT8 is good enough, and what that yields.

A model is rewritten, observed, equalised and quantised; where the judge does not pass it, layers go
back to float, those that lose most alone first, until it passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import onnx

from calibration.observe import Method, Ranges
from export.graph.view import GraphView
from export.judgement import Judgement
from export.precision.calibrating import (
    Calibrated,
    Choice,
    Dataset,
    Feeds,
    Progress,
    Stage,
    calibrate,
    noise_between,
    outputs_of,
    probes,
)
from export.precision.qdq import Int8Files, layers, quantise

# Beyond this share of its layers in float a model is hardly INT8 any more.
_MOST_KEPT = 0.5

Judge = Callable[[bytes], Judgement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One attempt. kept: the layers that stayed in float; judgement: what became of it."""

    kept: tuple[str, ...]
    judgement: Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The outcome. files: of the attempt that was chosen. judgement: of its ``cpu`` file.

    sensitivity: for each layer the noise-to-signal ratio of the model's outputs with this layer
    alone in INT8, most first; empty where everything passed at once. ranges, noises, steps: as
    ``Calibrated`` has them. trials: every attempt, in order.
    """

    files: Int8Files
    judgement: Judgement
    sensitivity: Mapping[str, float]
    ranges: Ranges
    noises: Mapping[Method, float]
    steps: tuple[str, ...]
    trials: tuple[Trial, ...] = field(repr=False)

    @property
    def kept(self) -> tuple[str, ...]:
        """The layers that stay in float, in the model's order."""
        return self.files.kept


def search(
    model: onnx.ModelProto,
    dataset: Dataset,
    judge: Judge,
    *,
    method: Choice = "auto",
    most_trials: int = 12,
    progress: Progress = lambda stage: None,
) -> Found:
    """Quantise ``model`` with as few layers in float as the judge asks for.

    judge: takes the bytes of an ``int8-cpu`` model. As the search stops where it passes, what it
    says then is no verdict: that takes other samples. method: see ``calibrate``. most_trials: how
    often the judge is called at most. Where nothing passes, the best attempt that kept no more than
    half of the layers is given, with its judgement.

    Raises what ``calibrate`` and ``quantise`` raise, and ValueError for less than one trial.
    """
    if most_trials < 1:
        raise ValueError(f"most_trials: expected 1 or more, found {most_trials}")
    ready = calibrate(model, dataset, method=method, progress=progress)
    attempts = _Attempts(ready, judge, most_trials, progress)
    sensitivity: Mapping[str, float] = {}
    if attempts.at(0).passed is not True and most_trials > 1:
        some = probes(dataset, ready.ranges.samples)
        sensitivity = measure_sensitivity(ready, some, progress=progress)
        attempts.order = _units_by_loss(ready.model, sensitivity)
        _narrow(attempts)
    best = attempts.best()
    return Found(
        files=quantise(ready.model, ready.ranges, keep=frozenset(best.kept)),
        judgement=best.judgement,
        sensitivity=sensitivity,
        ranges=ready.ranges,
        noises=ready.noises,
        steps=ready.steps,
        trials=tuple(attempts.made.values()),
    )


def measure_sensitivity(
    ready: Calibrated,
    feeds: Sequence[Feeds],
    *,
    progress: Progress = lambda stage: None,
) -> dict[str, float]:
    """Each layer alone in INT8: how much noise that puts into the outputs, most first."""
    names = layers(ready.model)
    reference = outputs_of(ready.model, feeds)
    found: dict[str, float] = {}
    for number, name in enumerate(names, start=1):
        keep = frozenset(names) - {name}
        files = quantise(ready.model, ready.ranges, keep=keep)
        found[name] = noise_between(outputs_of(files.cpu, feeds), reference)
        progress(Stage("measuring layers", number, len(names)))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


class _Attempts:
    """Tries with the first so many units in float; no number twice, and not too many."""

    def __init__(self, ready: Calibrated, judge: Judge, most: int, progress: Progress) -> None:
        self._ready = ready
        self._judge = judge
        self._most = most
        self._progress = progress
        self.order: list[tuple[str, ...]] = []
        self.made: dict[int, Trial] = {}

    @property
    def is_over(self) -> bool:
        return len(self.made) >= self._most

    def at(self, count: int) -> Judgement:
        """The judgement with the first ``count`` units in float."""
        if count not in self.made:
            keep = frozenset(name for unit in self.order[:count] for name in unit)
            files = quantise(self._ready.model, self._ready.ranges, keep=keep)
            data = files.cpu.SerializeToString(deterministic=True)
            self.made[count] = Trial(kept=files.kept, judgement=self._judge(data))
            self._progress(Stage("judging", len(self.made), self._most))
        return self.made[count].judgement

    def best(self) -> Trial:
        """The one that passed with least in float; else one of which nothing is certain; else the
        one that came furthest, which is the last."""
        rank = {True: 0, None: 1, False: 2}

        def worth(count: int) -> tuple[int, int]:
            place = rank[self.made[count].judgement.passed]
            return place, count if place < 2 else -count

        return self.made[min(self.made, key=worth)]


def _narrow(attempts: _Attempts) -> None:
    """Double what stays in float until it passes, then close in on the least that does."""
    limit = max(1, int(len(attempts.order) * _MOST_KEPT)) if len(attempts.order) > 1 else 0
    failed, count = 0, 1
    while count <= limit and not attempts.is_over:
        if attempts.at(count).passed is True:
            break
        failed = count
        count = min(count * 2, limit) if count < limit else limit + 1
    else:
        return
    while count - failed > 1 and not attempts.is_over:
        middle = (failed + count) // 2
        if attempts.at(middle).passed is True:
            count = middle
        else:
            failed = middle


def _units_by_loss(
    model: onnx.ModelProto, sensitivity: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """Layers that go to float together, the unit with the greatest loss first.

    A layer that runs straight into one that is in float is fused with nothing and gains nothing:
    the two are one unit.
    """
    view = GraphView(model.graph)
    unit_of: dict[str, list[str]] = {}
    for node in model.graph.node:
        if node.name not in sensitivity:
            continue
        maker = view.maker(node.input[0])
        unit = unit_of.get(maker.name) if maker is not None else None
        if unit is None:
            unit = []
        unit.append(node.name)
        unit_of[node.name] = unit
    units = {id(unit): tuple(unit) for unit in unit_of.values()}
    return sorted(units.values(), key=lambda unit: -max(sensitivity[name] for name in unit))
