"""What each recipe is told, at full size and as a toy, and the hash that a bundle states.

Nothing here needs PyTorch, so that the hash of a shipped bundle can be checked anywhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSettings:
    """What every recipe is told.

    revision: raised when the recipe's code changes what is learned from the same settings.
    seed: decides weights, data and order. batch: samples in a step. rate: the learning rate.
    """

    revision: int = 1
    seed: int = 20260
    steps: int
    batch: int
    rate: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, int | float) and value < 0:
                raise ValueError(f"{name}: expected 0 or more, found {value}")
        if self.steps < 1 or self.batch < 2:
            raise ValueError(
                f"expected one step or more of two samples or more, found {self.steps} steps "
                f"of {self.batch}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DcganSettings(RecipeSettings):
    """people: faces to learn from, one of each. latent: length of z. width: channels of the widest
    picture. keep: how much of the averaged generator a step leaves. nuisance: of the faces."""

    people: int
    held_out: int
    nuisance: float = 0.4
    latent: int = 64
    width: int = 24
    keep: float = 0.998


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoganSettings(DcganSettings):
    """categories, codes: of the latent that the pictures are to show. information: weight of the
    bound on the mutual information."""

    categories: int = 8
    codes: int = 2
    information: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RecogniserSettings(RecipeSettings):
    """people, views: to learn from, and of each. held_out: people, never seen, to measure with.

    size: length of a vector. width: channels of the widest picture. scale, angle: of the margin.
    """

    people: int
    views: int
    held_out: int
    held_out_views: int
    size: int = 128
    width: int = 24
    scale: float = 24.0
    angle: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeSettings(RecipeSettings):
    """scenes, held_out: to learn from and to measure with, ``each`` frames of every one, by so many
    cameras (views). size: width and height, multiples of 16. beta: weight of the divergence."""

    scenes: int
    held_out: int
    each: int
    views: int
    size: tuple[int, int] = (160, 96)
    latent: int = 64
    width: int = 16
    beta: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourSettings(RecipeSettings):
    """each, held_out: clips of every behaviour to learn from, and to measure with. width: channels
    that a frame is looked at with."""

    each: int
    held_out: int
    width: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CganSettings(RecipeSettings):
    """each: clips of every behaviour. latent, width, keep: as DCGAN's."""

    each: int
    latent: int = 64
    width: int = 24
    keep: float = 0.998


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings(RecipeSettings):
    """scenes, held_out: six frames of each, to learn from and to measure with. size: width and
    height of a frame, multiples of 32. width: channels of the widest features."""

    scenes: int
    held_out: int
    size: tuple[int, int] = (320, 192)
    width: int = 12


FULL: dict[str, RecipeSettings] = {
    "dcgan": DcganSettings(steps=3500, batch=32, rate=2e-4, people=6000, held_out=1000, width=20),
    "infogan": InfoganSettings(steps=3000, batch=32, rate=2e-4, people=6000, held_out=1000),
    "recogniser": RecogniserSettings(
        steps=5000, batch=96, rate=5e-2, people=1500, views=12, held_out=300, held_out_views=4
    ),
    "detector": DetectorSettings(steps=5000, batch=16, rate=2e-3, scenes=800, held_out=100),
    "vae": VaeSettings(steps=3000, batch=32, rate=1e-3, scenes=160, held_out=80, each=12, views=4),
    "behaviour": BehaviourSettings(steps=2500, batch=32, rate=2e-3, each=250, held_out=60),
    "cgan": CganSettings(steps=3000, batch=32, rate=2e-4, each=250, width=16),
}
TOY: dict[str, RecipeSettings] = {
    "dcgan": DcganSettings(
        steps=16, batch=4, rate=1e-2, people=12, held_out=8, latent=8, width=4, keep=0.5
    ),
    "infogan": InfoganSettings(
        steps=16, batch=4, rate=1e-2, people=12, held_out=8, latent=8, width=4, keep=0.5
    ),
    "recogniser": RecogniserSettings(
        steps=4, batch=8, rate=5e-2, people=4, views=4, held_out=3, held_out_views=2, size=16,
        width=8,
    ),
    "detector": DetectorSettings(
        steps=4, batch=4, rate=2e-3, scenes=1, held_out=1, size=(128, 96), width=4
    ),
    "vae": VaeSettings(
        steps=24, batch=4, rate=1e-2, scenes=2, held_out=4, each=2, views=1, size=(64, 48),
        latent=8, width=4,
    ),
    "behaviour": BehaviourSettings(steps=4, batch=7, rate=1e-3, each=1, held_out=1, width=4),
    "cgan": CganSettings(steps=16, batch=7, rate=1e-2, each=1, latent=8, width=4, keep=0.5),
}  # fmt: skip


def recipe_hash(name: str, settings: RecipeSettings) -> str:
    """SHA-256 of a recipe's name and everything that it is told."""
    text = json.dumps(
        {"recipe": name, "settings": asdict(settings)}, sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(text.encode()).hexdigest()
