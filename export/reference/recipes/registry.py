"""Which recipes there are, and the class of each; loads PyTorch only when one is made."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from edge.errors import UsageError
from export.reference.recipes.settings import FULL, TOY, RecipeSettings

if TYPE_CHECKING:
    from export.reference.recipes.learner import Learner

_PACKAGE = "export.reference.recipes"
_LEARNERS = {
    "dcgan": "DcganLearner",
    "infogan": "InfoganLearner",
    "recogniser": "RecogniserLearner",
    "detector": "DetectorLearner",
    "vae": "VaeLearner",
    "behaviour": "BehaviourLearner",
    "cgan": "CganLearner",
}
NAMES = tuple(_LEARNERS)


def settings_of(name: str, *, toy: bool = False) -> RecipeSettings:
    """What a recipe is told. Raises UsageError for a name that is none."""
    if name not in _LEARNERS:
        raise UsageError("no such recipe", expected=", ".join(NAMES), found=name)
    return (TOY if toy else FULL)[name]


def make_learner(name: str, settings: RecipeSettings, device: str) -> Learner:
    """The recipe's networks, fresh, and its data. The caller seeds PyTorch first."""
    module = importlib.import_module(f"{_PACKAGE}.{name}")
    learner: Learner = getattr(module, _LEARNERS[name])(settings, device)
    return learner
