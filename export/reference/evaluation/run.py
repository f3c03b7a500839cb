"""All that is measured, by the names of their recipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from export.reference.evaluation import behaviour, dcgan, detector, recogniser, vae
from export.reference.evaluation.bundles import Pack
from export.reference.evaluation.figures import Measured
from export.reference.evaluation.held_out import FULL, QUICK, Sizes
from export.reference.evaluation.names import NAMES

_MEASURES: dict[str, Callable[[Pack, Sizes], Measured]] = {
    "detector": detector.measure,
    "recogniser": recogniser.measure,
    "dcgan": dcgan.measure,
    "vae": vae.measure,
    "behaviour": behaviour.measure,
    "cgan": behaviour.measure_generated,
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured, one after the other. quick: on so little that it proves nothing."""

    models: tuple[Measured, ...]
    quick: bool

    @property
    def met(self) -> bool:
        """Whether every goal is reached."""
        return all(model.met for model in self.models)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "quick": self.quick,
            "met": self.met,
            "models": {model.name: model.to_json() for model in self.models},
        }


def evaluate(
    pack: Pack, names: Sequence[str] = NAMES, *, quick: bool = False, sizes: Sizes | None = None
) -> Evaluation:
    """Measure these models. sizes: how much on; None for what ``quick`` says.

    Raises what opening bundles raises, InferenceError where a model fails.
    """
    much = sizes or (QUICK if quick else FULL)
    return Evaluation(tuple(_MEASURES[name](pack, much) for name in names), quick)
