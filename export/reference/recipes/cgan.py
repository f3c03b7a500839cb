"""A conditional GAN: from a behaviour to a clip of somebody who does it."""

# mypy: disallow-subclassing-any=False
from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm
from torch.optim import Adam

from edge.types import ByteImage
from export.reference.recipes.behaviour import varied
from export.reference.recipes.clips import FRAMES, clips
from export.reference.recipes.data import Batches, digest, normal, to_pictures, to_tensor
from export.reference.recipes.layers import begin_small, grow, shrink
from export.reference.recipes.learner import Arrays, Learner
from export.reference.recipes.losses import (
    conditional_discriminator_loss,
    follow,
    frozen,
    generator_loss,
)
from export.reference.recipes.pictures import grid
from export.reference.recipes.settings import FULL, TOY, CganSettings, RecipeSettings
from export.reference.world.truth import BEHAVIOURS

_KINDS = len(BEHAVIOURS)
_SHOWN = 2


class ClipGenerator(nn.Module):
    """z ``[N, latent]`` of N(0, I) and behaviour one-hot ``[N, 7]`` to clips ``[N, 16, 3, 48, 48]``
    RGB of −1..1."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.begin = nn.Sequential(
            nn.ConvTranspose2d(latent + _KINDS, 8 * width, 3, bias=False),
            nn.BatchNorm2d(8 * width),
            nn.ReLU(inplace=True),
        )
        self.layers = nn.Sequential(
            grow(8 * width, 6 * width),
            grow(6 * width, 4 * width),
            grow(4 * width, 3 * width),
            nn.ConvTranspose2d(3 * width, 3 * FRAMES, 4, 2, 1),
            nn.Tanh(),
        )
        begin_small(self)

    def forward(self, z: Tensor, behaviour: Tensor) -> Tensor:
        """The clips of these points."""
        whole = torch.cat([z, behaviour], dim=1)[:, :, None, None]
        return self.layers(self.begin(whole)).unflatten(1, (FRAMES, 3))


class ClipDiscriminator(nn.Module):
    """Clips and behaviours to logits ``[N, 1]``: how real a clip seems, and how much of the
    behaviour (Miyato and Koyama, "cGANs with projection discriminator", ICLR 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            shrink(3 * FRAMES, 2 * width, normalised=False),
            shrink(2 * width, 4 * width),
            shrink(4 * width, 8 * width),
            nn.Conv2d(8 * width, 8 * width, 6),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Flatten(1),
        )
        begin_small(self)
        self.score = spectral_norm(nn.Linear(8 * width, 1))
        self.kind = spectral_norm(nn.Linear(_KINDS, 8 * width, bias=False))

    def forward(self, clip: Tensor, behaviour: Tensor) -> Tensor:
        """The logits."""
        features = self.layers(clip.flatten(1, 2))
        return self.score(features) + (self.kind(behaviour) * features).sum(dim=1, keepdim=True)


def network(settings: RecipeSettings = FULL["cgan"]) -> nn.Module:
    """What the weights are of, for ``edgewarden export --factory``; of the full recipe if none is
    named."""
    assert isinstance(settings, CganSettings)
    return ClipGenerator(settings.latent, settings.width)


def toy() -> nn.Module:
    """The same of the toy recipe."""
    return network(TOY["cgan"])


class CganLearner(Learner):
    """Discriminator and generator in turn, both told the behaviour."""

    exported = "average"

    def __init__(self, settings: CganSettings, device: str) -> None:
        self._settings, self._device = settings, device
        self._clips, self._truth = clips(settings.each, seed=settings.seed * 1_000_000)
        self.data = digest(self._clips, self._truth)
        self._batches = Batches(len(self._clips), settings.batch, seed=settings.seed)
        maker = network(settings).to(device)
        critic = ClipDiscriminator(settings.width).to(device)
        average = copy.deepcopy(maker).requires_grad_(False)
        self.networks = {"generator": maker, "discriminator": critic, "average": average}
        self.optimisers = {
            name: Adam(self.networks[name].parameters(), settings.rate, betas=(0.5, 0.999))
            for name in ("generator", "discriminator")
        }

    def step(self, number: int) -> dict[str, Tensor]:
        """One step of the discriminator, then one of the generator through it."""
        settings = self._settings
        maker, critic = self.networks["generator"], self.networks["discriminator"]
        chosen = self._batches.at(number)
        truth = torch.from_numpy(self._truth[chosen])
        clip, kind = varied(to_tensor(self._clips[chosen], self._device)), self._one_hot(truth)
        other = (truth + torch.randint(1, _KINDS, truth.shape)) % _KINDS
        made = maker(normal(len(clip), settings.latent, device=self._device), kind)
        of_critic = conditional_discriminator_loss(
            critic(clip, kind), critic(made.detach(), kind), critic(clip, self._one_hot(other))
        )
        self._descend("discriminator", of_critic)
        with frozen(critic):
            of_maker = generator_loss(critic(made, kind))
            self._descend("generator", of_maker)
        follow(self.networks["average"], maker, keep=settings.keep)
        return {"discriminator": of_critic, "generator": of_maker}

    def _descend(self, name: str, loss: Tensor) -> None:
        self.optimisers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers[name].step()

    def _one_hot(self, kinds: Tensor) -> Tensor:
        return functional.one_hot(kinds, _KINDS).float().to(self._device)

    def draw(self, kinds: Tensor) -> ByteImage:
        """Clips of the averaged generator: uint8 ``[N, 16, 48, 48, 3]``. kinds: int64 ``[N]``."""
        z = normal(len(kinds), self._settings.latent, device=self._device)
        average, parts = self.networks["average"], zip(z.split(64), kinds.split(64), strict=True)
        return np.concatenate([to_pictures(average(a, self._one_hot(b))) for a, b in parts])

    def sheet(self) -> ByteImage:
        """Two clips of each behaviour, every second frame."""
        made = self.draw(torch.arange(_KINDS).repeat_interleave(_SHOWN))[:, ::2]
        return grid(np.concatenate(list(made)), columns=made.shape[1])

    def measure(self) -> dict[str, float]:
        """How much moves: mean difference of neighbouring frames, generated against rendered."""
        made = self.draw(torch.arange(_KINDS).repeat(8))
        return {"motion_generated": _motion(made), "motion_rendered": _motion(self._clips)}

    def samples(self) -> Arrays:
        """A few points and their clips."""
        z = normal(_KINDS, self._settings.latent, device=self._device)
        kind = self._one_hot(torch.arange(_KINDS))
        output: Tensor = self.networks["average"](z, kind)
        return {
            "z": z.cpu().numpy(),
            "behaviour": kind.cpu().numpy(),
            "output": output.detach().cpu().numpy(),
        }


def _motion(pictures: ByteImage) -> float:
    values = pictures[:256].astype(np.int16)
    return float(np.abs(np.diff(values, axis=1)).mean())
