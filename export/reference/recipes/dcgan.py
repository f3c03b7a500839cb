"""DCGAN: faces from noise (Radford, Metz and Chintala, ICLR 2016)."""

# mypy: disallow-subclassing-any=False
from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from edge.types import ByteImage
from export.reference.recipes import judges
from export.reference.recipes.data import Batches, digest, normal, to_pictures, to_tensor
from export.reference.recipes.faces import HELD_OUT, crops
from export.reference.recipes.layers import begin_small, grow, shrink
from export.reference.recipes.learner import Arrays, Learner
from export.reference.recipes.losses import discriminator_loss, follow, frozen, generator_loss
from export.reference.recipes.pictures import grid
from export.reference.recipes.settings import FULL, TOY, DcganSettings, RecipeSettings

_SHOWN = 48
_SAMPLES = 4


class Generator(nn.Module):
    """z ``[N, latent]`` of N(0, I) to pictures ``[N, 3, 64, 64]`` RGB of −1..1."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.ConvTranspose2d(latent, 8 * width, 4, 1, 0, bias=False),
            nn.BatchNorm2d(8 * width),
            nn.ReLU(inplace=True),
        )
        self.layers = nn.Sequential(
            grow(8 * width, 4 * width),
            grow(4 * width, 2 * width),
            grow(2 * width, width),
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
            nn.Tanh(),
        )
        begin_small(self)

    def forward(self, z: Tensor) -> Tensor:
        """The pictures of these points."""
        return self.layers(self.first(z[:, :, None, None]))


class Discriminator(nn.Module):
    """Pictures ``[N, 3, 64, 64]`` to features ``[N, 8·width, 4, 4]`` and logits ``[N, 1]``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            shrink(3, width, normalised=False),
            shrink(width, 2 * width),
            shrink(2 * width, 4 * width),
            shrink(4 * width, 8 * width),
        )
        self.score = nn.Conv2d(8 * width, 1, 4)
        begin_small(self)

    def forward(self, picture: Tensor) -> Tensor:
        """The logits, positive where a picture seems real."""
        return self.score(self.features(picture)).flatten(1)


def network(settings: RecipeSettings = FULL["dcgan"]) -> nn.Module:
    """What the weights are of, for ``edgewarden export --factory``; of the full recipe if none is
    named."""
    assert isinstance(settings, DcganSettings)
    return Generator(settings.latent, settings.width)


def toy() -> nn.Module:
    """The same of the toy recipe."""
    return network(TOY["dcgan"])


class DcganLearner(Learner):
    """Discriminator and generator in turn, and an average of the generator, which is exported."""

    exported = "average"

    def __init__(self, settings: DcganSettings, device: str) -> None:
        self._settings, self._device = settings, device
        self._faces, self._held_out = (
            crops(first, people, 1, seed=settings.seed, nuisance=settings.nuisance)
            for first, people in ((0, settings.people), (HELD_OUT, settings.held_out))
        )
        self.data = digest(self._faces)
        self._batches = Batches(len(self._faces), settings.batch, seed=settings.seed)
        self._make()

    def _make(self) -> None:
        settings = self._settings
        maker = Generator(settings.latent, settings.width).to(self._device)
        critic = Discriminator(settings.width).to(self._device)
        average = copy.deepcopy(maker).requires_grad_(False)
        self.networks = {"generator": maker, "discriminator": critic, "average": average}
        self.optimisers = {
            name: Adam(self.networks[name].parameters(), settings.rate, betas=(0.5, 0.999))
            for name in ("generator", "discriminator")
        }

    def real(self, number: int) -> Tensor:
        """The batch of a step, half of it mirrored."""
        pictures = to_tensor(self._faces[self._batches.at(number)], self._device)
        half = len(pictures) // 2
        return torch.cat([pictures[:half].flip(3), pictures[half:]])

    def step(self, number: int) -> dict[str, Tensor]:
        """One step of the discriminator, then one of the generator through it."""
        maker, critic = self.networks["generator"], self.networks["discriminator"]
        made = maker(normal(self._settings.batch, self._settings.latent, device=self._device))
        of_critic = discriminator_loss(critic(self.real(number)), critic(made.detach()))
        self._descend("discriminator", of_critic)
        with frozen(critic):
            of_maker = generator_loss(critic(made))
            self._descend("generator", of_maker)
        follow(self.networks["average"], maker, keep=self._settings.keep)
        return {"discriminator": of_critic, "generator": of_maker}

    def _descend(self, name: str, loss: Tensor) -> None:
        self.optimisers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers[name].step()

    def draw(self, count: int) -> ByteImage:
        """Pictures of the averaged generator: uint8 ``[count, 64, 64, 3]``."""
        z = normal(count, self._settings.latent, device=self._device)
        parts = [to_pictures(self.networks["average"](part)) for part in z.split(64)]
        return np.concatenate(parts)

    def sheet(self) -> ByteImage:
        """Generated faces; below them, real ones of the training set."""
        shown = min(_SHOWN // 2, len(self._faces))
        return grid(np.concatenate([self.draw(_SHOWN), self._faces[:shown]]), columns=12)

    def measure(self) -> dict[str, float]:
        """How near to training faces, and how well a classifier tells generated from real."""
        made = self.draw(len(self._held_out))
        return judges.nearest(made, self._held_out, self._faces) | judges.told_apart(
            made, self._held_out
        )

    def samples(self) -> Arrays:
        """A few points and their pictures."""
        z = normal(_SAMPLES, self._settings.latent, device=self._device)
        output = self.networks["average"](z)
        return {"z": z.cpu().numpy(), "output": output.cpu().numpy()}
