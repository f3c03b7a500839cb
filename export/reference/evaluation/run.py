"""All that is measured, by the names of their recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from export.reference.evaluation import behaviour, dcgan, detector, recogniser, vae
from export.reference.evaluation.bundles import Pack
from export.reference.evaluation.figures import Measured
from export.reference.evaluation.held_out import FULL, QUICK, Sizes
from export.reference.evaluation.names import NAMES, NEEDS

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
    """What was measured, one after the other. quick: on so little that it proves nothing.

    left_out: models that were not, and the bundles that the pack lacks for them.
    """

    models: tuple[Measured, ...]
    quick: bool
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether every goal is reached."""
        return all(model.met for model in self.models)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "quick": self.quick,
            "met": self.met,
            "left_out": {name: list(lacking) for name, lacking in self.left_out.items()},
            "models": {model.name: model.to_json() for model in self.models},
        }


def evaluate(
    pack: Pack,
    names: Sequence[str] | None = None,
    *,
    quick: bool = False,
    sizes: Sizes | None = None,
) -> Evaluation:
    """Measure these models; None for all that the pack has bundles for. sizes: how much on; None
    for what ``quick`` says.

    Raises BundleError, before anything is measured, where the pack lacks a bundle of a model that
    is named, what opening bundles raises, and InferenceError where a model fails.
    """
    left_out = {}
    if names is None:
        left_out = {name: lack for name in NAMES if (lack := pack.lacks(NEEDS[name]))}
        names = [name for name in NAMES if name not in left_out]
    for name in names:
        pack.require(NEEDS[name])
    much = sizes or (QUICK if quick else FULL)
    return Evaluation(tuple(_MEASURES[name](pack, much) for name in names), quick, left_out)
