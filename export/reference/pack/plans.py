"""Which bundles the reference pack has: of which recipe, by which network, and as what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.errors import UsageError
from edge.fitting import Wishes
from edge.pack import NAMES
from export.reference.recipes.settings import (
    CganSettings,
    DcganSettings,
    RecipeSettings,
    VaeSettings,
)
from export.reference.world.truth import BEHAVIOURS
from export.sources.base import Shape

Inputs = Callable[[RecipeSettings], Mapping[str, Shape]]
Kind = Literal["faces", "people"]
Rendered = Kind | Literal["crops"]

CLIP_FRAMES, CLIP_SIDE = 16, 48
CROP_SIDE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One bundle. network, toy: functions of the recipe's module that make its network.

    inputs: their names and shapes. recorded: whether the training kept samples of this network's
    outputs. rendered: what of the world INT8 is calibrated and judged on; None without INT8.
    """

    name: str
    recipe: str
    network: str = "network"
    toy: str = "toy"
    template: str
    inputs: Inputs
    wishes: Wishes = field(default_factory=Wishes)
    recorded: bool = True
    rendered: Rendered | None = None


def _frames(settings: RecipeSettings) -> Mapping[str, Shape]:
    return {"input": (None, 3, None, None)}


def _crops(settings: RecipeSettings) -> Mapping[str, Shape]:
    return {"input": (None, 3, CROP_SIDE, CROP_SIDE)}


def _clips(settings: RecipeSettings) -> Mapping[str, Shape]:
    return {"input": (None, CLIP_FRAMES, 3, CLIP_SIDE, CLIP_SIDE)}


def _faces_latent(settings: RecipeSettings) -> Mapping[str, Shape]:
    assert isinstance(settings, DcganSettings)
    return {"z": (None, settings.latent)}


def _clips_latent(settings: RecipeSettings) -> Mapping[str, Shape]:
    assert isinstance(settings, CganSettings)
    return {"z": (None, settings.latent), "behaviour": (None, len(BEHAVIOURS))}


def _scenes(settings: RecipeSettings) -> Mapping[str, Shape]:
    assert isinstance(settings, VaeSettings)
    width, height = settings.size
    return {"input": (None, 3, height, width)}


PLANS = (
    Plan(
        name="world-face",
        recipe="detector",
        network="faces",
        toy="toy_faces",
        template="world-face",
        inputs=_frames,
        rendered="faces",
    ),
    Plan(
        name="world-person",
        recipe="detector",
        network="people",
        toy="toy_people",
        template="world-person",
        inputs=_frames,
        recorded=False,
        rendered="people",
    ),
    Plan(
        name="world-recogniser",
        recipe="recogniser",
        template="world-recogniser",
        inputs=_crops,
        rendered="crops",
    ),
    Plan(
        name="world-behaviour",
        recipe="behaviour",
        template="clip-classifier",
        inputs=_clips,
        wishes=Wishes(labels=BEHAVIOURS),
    ),
    Plan(name="world-faces", recipe="dcgan", template="generator", inputs=_faces_latent),
    Plan(
        name="world-clips",
        recipe="cgan",
        template="generator",
        inputs=_clips_latent,
        wishes=Wishes(latent="z", condition="behaviour", condition_labels=BEHAVIOURS),
    ),
    Plan(name="world-scenes", recipe="vae", template="autoencoder", inputs=_scenes),
)
assert tuple(plan.name for plan in PLANS) == NAMES


def plans_of(names: tuple[str, ...]) -> tuple[Plan, ...]:
    """The plans of these bundles, in the pack's order; all where none is named.

    Raises UsageError for a name that is none of the pack's.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UsageError(
            "no such bundle in the pack", expected=", ".join(NAMES), found=", ".join(unknown)
        )
    return tuple(plan for plan in PLANS if not names or plan.name in names)
