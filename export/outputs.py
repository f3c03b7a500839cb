"""Faults that a model's outputs show: what a checkpoint carries over from a training gone wrong.

The inputs are the module's own, fresh and seeded. Each fault has a name, so that a refusal says
what is wrong with the model and not only that something is.

- A layer reshaped to what it does not fill: wrong batch. A convolution without padding that shrinks
  28 pixels to 24, or another reshape: wrong shape, where the shape is known.
- No gradients, a loss that pulls the wrong way, one optimiser for both networks: the generator
  stays as it was drawn, or draws one picture: wrong range, latent ignored, mode collapse. A loss
  that became infinite: not finite.
- An activation missing or another than stated: wrong range.
- A generator that was built anew before it was saved: nothing here can tell, for it draws as many
  different pictures as a trained one. ``export.training_samples`` can.

A sound model of the wrong thing, digits called faces or a decoder that was never made to take its
prior, has no fault here; evaluating it shows that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.manifest import Condition, Latent, Manifest
from edge.runner.base import Runner, Tensor
from edge.runner.golden import make_inputs, trial
from edge.vision.generator import draw_latents, encode_conditions, input_of

FaultName = Literal[
    "not finite",
    "not deterministic",
    "wrong batch",
    "coupled batch",
    "wrong shape",
    "wrong range",
    "constant output",
    "latent ignored",
    "condition ignored",
    "mode collapse",
]

# Inputs to look at: enough for 120 pairs, few enough for a slow model.
_INPUTS = 16
_SEED = 17
# What two runs of one model, or one input in two batches, may differ by, as a part of the output's
# largest value: the order of sums and no more.
_SAME = 1e-4
# A quarter of a grey level, as a part of the range: no display tells two such pictures apart.
_INDISTINCT = 0.25 / 255
_MOST_ALIKE = 0.25
# A generator ends in tanh or sigmoid, which cannot leave their range; what only mends pictures
# often ends in nothing, and overshoots at edges.
_OVERSHOOT = 0.02
_OVERSHOOT_OF_MENDING = 0.5
# Of a wrong range one half is never used, or all but a 255th; an untrained generator stays grey.
_LEAST_USED = 0.02

_Arrays = Mapping[str, Tensor]
_Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, the output that shows it, what was expected and found, and what to do."""

    name: FaultName
    output: str
    expected: str
    found: str
    remedy: str


def check_outputs(
    runner: Runner,
    manifest: Manifest,
    feeds: Iterable[_Arrays] = (),
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Refuse a model whose outputs show a fault.

    feeds: real inputs, one batch of 1 each, looked at besides the fresh ones. shapes: the shape of
    one sample that an output has to have, by name, where it is known: ``{"image": (1, 28, 28)}``.

    Raises ModelError that names the first fault, and what ``runner.infer`` raises, as ``trial``
    translates it.
    """
    for fault in find_faults(runner, manifest, feeds, shapes=shapes):
        raise ModelError(
            f"{fault.name}: output {fault.output!r}",
            expected=fault.expected,
            found=fault.found,
            remedy=fault.remedy,
        )


def find_faults(
    runner: Runner,
    manifest: Manifest,
    feeds: Iterable[_Arrays] = (),
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Iterator[Fault]:
    """The faults of a model, the most basic first; arguments and errors as ``check_outputs``."""
    inputs = [*_fresh_inputs(manifest, runner), *feeds]
    with trial():
        outputs = [runner.infer(batch) for batch in inputs]
        again = runner.infer(inputs[0])
    for name, wanted in (shapes or {}).items():
        yield from _shape(name, wanted, outputs[0][name])
    broken = [*_not_finite(outputs), *_batch(outputs)]
    yield from broken
    if broken:
        return
    yield from _differs("not deterministic", outputs[0], again)
    if manifest.latent is None:
        yield from _constant(manifest, outputs)
    if manifest.decoder.name == "image":
        yield from _range(manifest, outputs)
    yield from _coupled(runner, inputs, outputs)
    if manifest.latent is not None:
        yield from _generator(runner, manifest, manifest.latent)


def _fresh_inputs(manifest: Manifest, runner: Runner) -> list[dict[str, Tensor]]:
    """Batches of 1; of a generator different latents under conditions that take turns."""
    if manifest.input is not None:
        made = [make_inputs(manifest.input, seed=_SEED + index) for index in range(_INPUTS)]
        return [{name: value[:1] for name, value in one.items()} for one in made]
    assert manifest.latent is not None  # the manifest's own rule
    random = np.random.default_rng(_SEED)
    latents = _latents(runner, manifest.latent, _INPUTS, random)
    turns = range(_INPUTS)
    return [
        _with_condition(runner, manifest.condition, manifest.latent.name, latents[i : i + 1], turn)
        for i, turn in enumerate(turns)
    ]


def _latents(runner: Runner, latent: Latent, count: int, random: np.random.Generator) -> Tensor:
    return draw_latents(latent, input_of(runner.signature, latent.name), count, random)


def _with_condition(
    runner: Runner, condition: Condition | None, name: str, latents: Tensor, turn: int
) -> dict[str, Tensor]:
    feeds = {name: latents}
    if condition is not None:
        spec = input_of(runner.signature, condition.name)
        labels = [turn % len(condition.labels)] * len(latents)
        feeds[condition.name] = encode_conditions(condition, spec, labels)
    return feeds


def _shape(name: str, wanted: Sequence[int], value: Tensor) -> Iterator[Fault]:
    if list(value.shape[1:]) != list(wanted):
        yield Fault(
            "wrong shape",
            name,
            f"{list(wanted)} for each sample",
            str(list(value.shape[1:])),
            "Look for a reshape to another size, or a convolution without padding.",
        )


def _not_finite(outputs: Sequence[_Arrays]) -> Iterator[Fault]:
    for name in outputs[0]:
        values = [np.asarray(batch[name], np.float64) for batch in outputs]
        if not all(np.isfinite(value).all() for value in values):
            yield Fault(
                "not finite",
                name,
                "numbers",
                "NaN or infinity",
                "The training diverged: train again with a lower learning rate.",
            )


def _batch(outputs: Sequence[_Arrays]) -> Iterator[Fault]:
    for name, value in outputs[0].items():
        if value.ndim == 0 or len(value) == 0 or (value.ndim >= 4 and len(value) != 1):
            yield Fault(
                "wrong batch",
                name,
                "1 row for 1 sample",
                str(list(value.shape)),
                "A reshape moves values between samples: keep the batch axis out of it.",
            )


def _differs(name: FaultName, first: _Arrays, second: _Arrays) -> Iterator[Fault]:
    for output, value in first.items():
        a, b = np.asarray(value, np.float64), np.asarray(second[output], np.float64)
        if a.shape != b.shape:
            continue
        share = float(np.abs(a - b).max(initial=0)) / max(float(np.abs(a).max(initial=0)), 1e-6)
        if share > _SAME:
            yield Fault(
                name,
                output,
                "the same numbers for the same input",
                f"a difference of {share:.2g} of the largest",
                "Export in evaluation mode: dropout off, batch statistics fixed.",
            )


def _constant(manifest: Manifest, outputs: Sequence[_Arrays]) -> Iterator[Fault]:
    """All outputs alike for all inputs; one of several may be a table of anchors."""
    spreads = {name: _spread([batch[name] for batch in outputs]) for name in outputs[0]}
    wanted = (
        manifest.output_names if manifest.decoder.name != "image" else manifest.output_names[:1]
    )
    alike = [name for name in wanted if spreads.get(name, 1.0) <= 1e-6]
    if len(alike) == len(wanted):
        yield Fault(
            "constant output",
            alike[0],
            f"different outputs for {len(outputs)} different inputs",
            "the same for all",
            "The model does not look at its input: its units are dead, or training collapsed.",
        )


def _spread(values: Sequence[Tensor]) -> float:
    """How far outputs are from the first, as a part of the largest value; 1 for other shapes."""
    first = np.asarray(values[0], np.float64)
    if any(value.shape != first.shape for value in values):
        return 1.0
    largest = max(float(np.abs(np.asarray(v, np.float64)).max(initial=0)) for v in values)
    away = max(float(np.abs(np.asarray(v, np.float64) - first).max(initial=0)) for v in values)
    return away / largest if largest else 0.0


def _range(manifest: Manifest, outputs: Sequence[_Arrays]) -> Iterator[Fault]:
    output = manifest.outputs[0]
    assert output.range is not None  # the manifest's own rule for this decoder
    low, high = output.range
    span, middle = high - low, (low + high) / 2
    least = min(float(batch[output.name].min()) for batch in outputs)
    most = max(float(batch[output.name].max()) for batch in outputs)
    found = f"values from {least:.4g} to {most:.4g}"
    drawn = manifest.latent is not None
    slack = (_OVERSHOOT if drawn else _OVERSHOOT_OF_MENDING) * span
    if least < low - slack or most > high + slack:
        remedy = "State the range of the model's last activation: --range LOW,HIGH."
    elif drawn and most - least < _LEAST_USED * span:
        remedy = "The model is untrained, or its range is another: --range LOW,HIGH."
        found += f", {(most - least) / span:.1%} of the range"
    elif least >= middle - _OVERSHOOT * span or most <= middle + _OVERSHOOT * span:
        remedy = "One half is never used: state the range of the last activation: --range LOW,HIGH."
    else:
        return
    yield Fault("wrong range", output.name, f"pictures from {low:g} to {high:g}", found, remedy)


def _coupled(
    runner: Runner, inputs: Sequence[_Arrays], outputs: Sequence[_Arrays]
) -> Iterator[Fault]:
    """Whether a sample's output depends on what else is in its batch; one fault is enough."""
    pair = [one for one in inputs if all(one[n].shape == inputs[0][n].shape for n in one)][:2]
    if len(pair) < 2:
        return
    joined = {name: np.concatenate([one[name] for one in pair]) for name in pair[0]}
    with trial():
        both = runner.infer(joined)
    for name, alone in outputs[0].items():
        value = both[name]
        if len(value) != 2 * len(alone):
            yield Fault(
                "wrong batch",
                name,
                f"{2 * len(alone)} rows for 2 samples",
                str(list(value.shape)),
                "A reshape moves values between samples: keep the batch axis out of it.",
            )
            return
    first = {name: both[name][: len(alone)] for name, alone in outputs[0].items()}
    yield from list(_differs("coupled batch", outputs[0], first))[:1]


def _generator(runner: Runner, manifest: Manifest, latent: Latent) -> Iterator[Fault]:
    output = manifest.outputs[0]
    assert output.range is not None  # the manifest's own rule for this decoder
    span = output.range[1] - output.range[0]
    latents = _latents(runner, latent, _INPUTS, np.random.default_rng(_SEED + 1))

    def draw(rows: Tensor, turn: int) -> _Rows:
        with trial():
            feeds = _with_condition(runner, manifest.condition, latent.name, rows, turn)
            value = runner.infer(feeds)[output.name]
        return np.asarray(value, np.float64).reshape(len(rows), -1) / span

    under_one = draw(latents, 0)
    distances = _pair_distances(under_one)
    if distances.max() <= _INDISTINCT:
        yield Fault(
            "latent ignored",
            output.name,
            f"different pictures for {_INPUTS} latents",
            f"pictures at most {distances.max() * 255:.2g} grey levels apart",
            "The generator makes one picture: train it again, or export the right input.",
        )
    elif (alike := float((distances <= _INDISTINCT).mean())) > _MOST_ALIKE:
        yield Fault(
            "mode collapse",
            output.name,
            f"at most {_MOST_ALIKE:.0%} of pairs of pictures alike",
            f"{alike:.0%} of them",
            "The generator makes few pictures: train it again.",
        )
    condition = manifest.condition
    if condition is not None and len(condition.labels) > 1:
        others = [draw(latents[:1], turn) for turn in range(len(condition.labels))]
        if _pair_distances(np.concatenate(others)).max() <= _INDISTINCT:
            yield Fault(
                "condition ignored",
                output.name,
                f"different pictures for {len(condition.labels)} conditions",
                "the same picture for all",
                "Export the generator that was trained with the condition.",
            )


def _pair_distances(rows: _Rows) -> _Rows:
    """Root mean square difference of every two rows."""
    first, second = np.triu_indices(len(rows), 1)
    return np.asarray(
        [
            float(np.sqrt(np.square(rows[a] - rows[b]).mean()))
            for a, b in zip(first, second, strict=True)
        ]
    )
