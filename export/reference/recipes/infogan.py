"""InfoGAN: faces whose codes can be read off them (Chen et al., NeurIPS 2016)."""

# mypy: disallow-subclassing-any=False
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from edge.types import ByteImage
from export.reference.recipes import losses
from export.reference.recipes.data import normal, to_pictures
from export.reference.recipes.dcgan import DcganLearner, Discriminator, Generator
from export.reference.recipes.layers import begin_small
from export.reference.recipes.learner import Arrays
from export.reference.recipes.pictures import grid
from export.reference.recipes.settings import FULL, TOY, InfoganSettings, RecipeSettings

_SAMPLES = 4
_JUDGED = 256


class CodedGenerator(nn.Module):
    """z ``[N, latent]`` of N(0, I), category one-hot ``[N, K]`` and code ``[N, C]`` of U(−1, 1) to
    pictures ``[N, 3, 64, 64]`` RGB of −1..1."""

    def __init__(self, settings: InfoganSettings) -> None:
        super().__init__()
        whole = settings.latent + settings.categories + settings.codes
        self.picture = Generator(whole, settings.width)

    def forward(self, z: Tensor, category: Tensor, code: Tensor) -> Tensor:
        """The pictures of these points."""
        return self.picture(torch.cat([z, category, code], dim=1))


class Reader(nn.Module):
    """Q: the discriminator's features ``[N, F, 4, 4]`` to logits of the category ``[N, K]``, and
    means and log-variances of the codes ``[N, C]``."""

    def __init__(self, settings: InfoganSettings) -> None:
        super().__init__()
        self._sizes = [settings.categories, settings.codes, settings.codes]
        self.layers = nn.Sequential(
            nn.Conv2d(8 * settings.width, 64, 4),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(64, sum(self._sizes), 1),
            nn.Flatten(1),
        )
        begin_small(self)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What seems to have been the codes."""
        return self.layers(features).split(self._sizes, dim=1)  # type: ignore[no-any-return]  # torch is not looked into


def network(settings: RecipeSettings = FULL["infogan"]) -> nn.Module:
    """What the weights are of, for ``edgewarden export --factory``; of the full recipe if none is
    named."""
    assert isinstance(settings, InfoganSettings)
    return CodedGenerator(settings)


def toy() -> nn.Module:
    """The same of the toy recipe."""
    return network(TOY["infogan"])


class InfoganLearner(DcganLearner):
    """As DCGAN, and the generator and Q together raise the bound on the information.

    Q reads the discriminator's features, which learn to tell real from generated alone.
    """

    def __init__(self, settings: InfoganSettings, device: str) -> None:
        self._coded = settings
        super().__init__(settings, device)

    def _make(self) -> None:
        settings = self._coded
        maker, average = (CodedGenerator(settings).to(self._device) for _ in range(2))
        average.load_state_dict(maker.state_dict())
        critic = Discriminator(settings.width).to(self._device)
        reader = Reader(settings).to(self._device)
        self.networks = {
            "generator": maker,
            "discriminator": critic,
            "reader": reader,
            "average": average.requires_grad_(False),
        }
        learned = {
            "generator": [*maker.parameters(), *reader.parameters()],
            "discriminator": critic.parameters(),
        }
        self.optimisers = {
            name: Adam(weights, settings.rate, betas=(0.5, 0.999))
            for name, weights in learned.items()
        }

    def points(self, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """z, the category as a number ``[N]`` and one-hot, and the code."""
        settings = self._coded
        z = normal(count, settings.latent, device=self._device)
        category = torch.randint(settings.categories, (count,)).to(self._device)
        coded = functional.one_hot(category, settings.categories).float()
        code = torch.rand(count, settings.codes).mul(2).sub(1).to(self._device)
        return z, category, coded, code

    def step(self, number: int) -> dict[str, Tensor]:
        """One step of the discriminator, then one of generator and Q."""
        maker, critic = self.networks["generator"], self.networks["discriminator"]
        z, category, coded, code = self.points(self._coded.batch)
        made = maker(z, coded, code)
        of_critic = losses.discriminator_loss(critic(self.real(number)), critic(made.detach()))
        self._descend("discriminator", of_critic)
        with losses.frozen(critic):
            features = critic.features(made)
            of_maker = losses.generator_loss(critic.score(features))
            logits, mean, log_variance = self.networks["reader"](features)
            surprise = losses.category_surprise(logits, category) + losses.code_surprise(
                mean, log_variance, code
            )
            self._descend("generator", of_maker + self._coded.information * surprise)
        losses.follow(self.networks["average"], maker, keep=self._coded.keep)
        return {"discriminator": of_critic, "generator": of_maker, "surprise": surprise}

    def draw(self, count: int) -> ByteImage:
        """Pictures of the averaged generator at points drawn anew."""
        z, _, coded, code = self.points(count)
        average = self.networks["average"]
        parts = zip(z.split(64), coded.split(64), code.split(64), strict=True)
        return np.concatenate([to_pictures(average(*part)) for part in parts])

    def sheet(self) -> ByteImage:
        """A row for each category, then one for each code from −1 to 1, all of the same z."""
        settings, columns = self._coded, 10
        rows = settings.categories + settings.codes
        z = normal(columns, settings.latent, device=self._device).repeat(rows, 1)
        category = torch.zeros(rows, columns, settings.categories, device=self._device)
        code = torch.zeros(rows, columns, settings.codes, device=self._device)
        for row in range(settings.categories):
            category[row, :, row] = 1
        for number in range(settings.codes):
            row = settings.categories + number
            category[row, :, 0] = 1
            code[row, :, number] = torch.linspace(-1, 1, columns)
            z[row * columns : (row + 1) * columns] = z[:1]
        average = self.networks["average"]
        return grid(
            to_pictures(average(z, category.flatten(0, 1), code.flatten(0, 1))), columns=columns
        )

    def measure(self) -> dict[str, float]:
        """As of DCGAN; and how much of the codes Q reads off pictures, in nats."""
        z, category, coded, code = self.points(_JUDGED)
        features = self.networks["discriminator"].features(
            self.networks["generator"](z, coded, code)
        )
        logits, mean, log_variance = self.networks["reader"](features)
        bound = losses.information_bound(
            self._coded.categories,
            self._coded.codes,
            category_surprise=float(losses.category_surprise(logits, category)),
            code_surprise=float(losses.code_surprise(mean, log_variance, code)),
        )
        right = float((logits.argmax(dim=1) == category).float().mean())
        return super().measure() | {"information": bound, "category_read": right}

    def samples(self) -> Arrays:
        """A few points and their pictures, as the bundle has them: z and code are one latent.

        The bundle's latent is normal all over, so a code u stands there as √2·erf⁻¹(u).
        """
        z, _, coded, code = self.points(_SAMPLES)
        output = self.networks["average"](z, coded, code)
        normal_code = torch.erfinv(code) * 2**0.5
        return {
            "latent": torch.cat([z, normal_code], dim=1).cpu().numpy(),
            "category": coded.cpu().numpy(),
            "output": output.cpu().numpy(),
        }
