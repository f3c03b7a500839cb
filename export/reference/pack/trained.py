"""A training at rest, held against the recipe that it says it is of."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from edge.errors import UsageError
from edge.manifest_parts import Record
from export.reference.recipes.settings import FULL, TOY, RecipeSettings, recipe_hash

WEIGHTS, REFERENCE, SUMMARY = "weights.pt", "reference.npz", "summary.json"
_KEYS = ("recipe", "data", "weights", "figures")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """One training that is done. recipe, data, weights: SHA-256 of the recipe's name and settings,
    of what was learned from and of what was learned. figures: on what it never saw."""

    name: str
    folder: Path
    settings: RecipeSettings
    recipe: str
    data: str
    weights: str
    figures: Record


def read_training(folder: Path, name: str, *, toy: bool = False) -> Trained:
    """The training of a recipe in ``folder/name``.

    Raises UsageError where there is none, it is not done, was told other things than the recipe
    says now, or its weights are not those that it states. toy: of the toy recipe, else refused.
    """
    place = folder / name
    said = _summary(place, name)
    figures = said["figures"]
    assert isinstance(figures, dict)  # _summary looked
    settings = (TOY if toy else FULL)[name]
    wanted, other = recipe_hash(name, settings), recipe_hash(name, (FULL if toy else TOY)[name])
    if said["recipe"] != wanted:
        kinds = ("full", "toy") if toy else ("toy", "full")
        raise UsageError(
            f"{place} is a training by another recipe",
            expected=f"the {kinds[1]} recipe, {wanted[:12]}",
            found=f"the {kinds[0]} recipe"
            if said["recipe"] == other
            else f"{said['recipe']!s:.12}",
            remedy=f"Train it again: edgewarden reference train {name}{' --toy' * toy} --out DIR",
        )
    found = hashlib.sha256(_read(place / WEIGHTS)).hexdigest()
    if found != said["weights"]:
        raise UsageError(
            f"{place / WEIGHTS} are not the weights that were trained there",
            expected=f"sha256 {said['weights']}",
            found=f"sha256 {found}",
            remedy="Go on with the training, which writes them again: --resume",
        )
    return Trained(
        name=name,
        folder=place,
        settings=settings,
        recipe=wanted,
        data=str(said["data"]),
        weights=found,
        figures=figures,
    )


def _summary(place: Path, name: str) -> Record:
    path = place / SUMMARY
    try:
        said = json.loads(path.read_bytes())
    except FileNotFoundError as exc:
        begun = "one that is not done" if place.is_dir() else "none"
        raise UsageError(
            f"there is no training of {name} in {place.parent}",
            expected=f"{path}",
            found=begun,
            remedy=f"Train it: edgewarden reference train {name} --out {place.parent}",
        ) from exc
    except (OSError, ValueError) as exc:
        raise UsageError(
            f"{path} cannot be read", expected="a training's summary", found=str(exc)
        ) from exc
    whole = isinstance(said, dict) and all(key in said for key in _KEYS)
    if not whole or not isinstance(said["figures"], dict):
        raise UsageError(f"{path} is no training's summary", expected=f"keys {', '.join(_KEYS)}")
    found: Record = said
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(
            f"{path} cannot be read", expected="what the training wrote", found=exc.strerror or ""
        ) from exc
