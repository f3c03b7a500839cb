"""A VAE of scenes: what it cannot rebuild is not as it always is."""

# mypy: disallow-subclassing-any=False
from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam

from calibration.likeness import compare_pictures
from edge.types import ByteImage
from edge.vision.anomaly import LOOKS, difference, lasting, oddity_of
from export.reference.recipes.data import Batches, digest, normal, to_pictures, to_tensor
from export.reference.recipes.layers import conv, grow
from export.reference.recipes.learner import Arrays, Learner
from export.reference.recipes.losses import reparameterise, vae_loss
from export.reference.recipes.pictures import grid
from export.reference.recipes.scenes import frames, windows
from export.reference.recipes.settings import FULL, TOY, RecipeSettings, VaeSettings
from export.reference.world.baselines import auroc

_SAMPLES, _SHOWN = 4, 12


class Vae(nn.Module):
    """Pictures ``[N, 3, H, W]`` RGB of 0..1 to what they are rebuilt as from the latent's mean."""

    def __init__(self, size: tuple[int, int], latent: int, width: int) -> None:
        super().__init__()
        self.coarse = (2 * width, size[1] // 16, size[0] // 16)
        cells = int(np.prod(self.coarse))
        self.encoder = nn.Sequential(
            conv(3, width, stride=2),
            conv(width, 2 * width, stride=2),
            conv(2 * width, 4 * width, stride=2),
            conv(4 * width, 8 * width, stride=2),
            conv(8 * width, 2 * width, side=1),  # else nearly all weights would be of the next
            nn.Flatten(1),
        )
        self.mean = nn.Linear(cells, latent)
        self.log_variance = nn.Linear(cells, latent)
        self.begin = nn.Sequential(nn.Linear(latent, cells), nn.ReLU(inplace=True))
        self.decoder = nn.Sequential(
            conv(2 * width, 8 * width, side=1),
            grow(8 * width, 4 * width),
            grow(4 * width, 2 * width),
            grow(2 * width, width),
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
            nn.Sigmoid(),
        )

    def encode(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latent, ``[N, latent]`` each."""
        features = self.encoder(picture)
        return self.mean(features), self.log_variance(features)

    def decode(self, z: Tensor) -> Tensor:
        """Pictures of points of the latent."""
        return self.decoder(self.begin(z).unflatten(1, self.coarse))

    def forward(self, picture: Tensor) -> Tensor:
        """The pictures rebuilt, without chance."""
        return self.decode(self.encode(picture)[0])


def network(settings: RecipeSettings = FULL["vae"]) -> nn.Module:
    """What the weights are of, for ``edgewarden export --factory``; of the full recipe if none is
    named."""
    assert isinstance(settings, VaeSettings)
    return Vae(settings.size, settings.latent, settings.width)


def toy() -> nn.Module:
    """The same of the toy recipe."""
    return network(TOY["vae"])


class VaeLearner(Learner):
    """Reconstruction and β·KL, of frames that show nothing wrong."""

    exported = "vae"

    def __init__(self, settings: VaeSettings, device: str) -> None:
        self._settings, self._device = settings, device
        size, views, each = settings.size, settings.views, settings.each
        self._known, _ = frames(settings.scenes, each, views=views, size=size, seed=settings.seed)
        self._asked, kinds = frames(
            settings.held_out, each, views=views, size=size, seed=settings.seed + 1, wrong=True
        )
        self._wrong = kinds >= 0
        self.data = digest(self._known)
        self._batches = Batches(len(self._known), settings.batch, seed=settings.seed)
        vae = network(settings).to(device, memory_format=torch.channels_last)
        self.networks = {"vae": vae}
        self.optimisers = {"all": Adam(vae.parameters(), settings.rate)}

    def step(self, number: int) -> dict[str, Tensor]:
        """One step on a batch."""
        settings, vae, optimiser = self._settings, self.networks["vae"], self.optimisers["all"]
        picture = self._picture(self._known[self._batches.at(number)])
        picture = picture.contiguous(memory_format=torch.channels_last)
        mean, log_variance = vae.encode(picture)
        noise = normal(*mean.shape, device=self._device)
        rebuilt = vae.decode(reparameterise(mean, log_variance, noise))
        loss = vae_loss(picture, rebuilt, mean, log_variance, beta=settings.beta)
        optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        optimiser.step()
        return {"reconstruction": loss.reconstruction, "divergence": loss.divergence}

    def _picture(self, pictures: ByteImage) -> Tensor:
        return (to_tensor(pictures, self._device) + 1) / 2

    def rebuild(self, pictures: ByteImage) -> ByteImage:
        """The pictures as the network gives them."""
        parts = self._picture(pictures).split(64)
        return np.concatenate([to_pictures(self.networks["vae"](part) * 2 - 1) for part in parts])

    def sheet(self) -> ByteImage:
        """Frames with something wrong, how they are rebuilt, and frames of the latent alone."""
        shown = self._asked[self._wrong][:_SHOWN]
        z = normal(len(shown), self._settings.latent, device=self._device)
        made = to_pictures(self.networks["vae"].decode(z) * 2 - 1)
        sheet = np.concatenate([shown, self.rebuild(shown), made])
        return grid(sheet, columns=min(6, len(shown)))

    def measure(self) -> dict[str, float]:
        """How well what stays odd tells anomalies (area under the ROC), and SSIM of normal
        frames."""
        rebuilt = self.rebuild(self._asked)
        pairs = list(zip(self._asked, rebuilt, strict=True))
        looks = [oddity_of(difference(*pair), pair[1]) for pair in pairs]
        starts = windows(len(looks), self._settings.each, min(LOOKS, self._settings.each))
        scores: NDArray[np.float64] = np.asarray(
            [lasting(looks[start:end]).score for start, end in starts]
        )
        alike = [
            compare_pictures(*pair, name="a frame").ssim
            for pair, wrong in zip(pairs, self._wrong, strict=True)
            if not wrong
        ]
        return {
            "auroc": auroc(scores, self._wrong[[end - 1 for _, end in starts]]),
            "ssim": float(np.mean(alike)),
            "frames": float(len(looks)),
        }

    def samples(self) -> Arrays:
        """A few frames and what they are rebuilt as."""
        picture = self._picture(self._asked[:_SAMPLES])
        output: Tensor = self.networks["vae"](picture)
        return {"input": picture.cpu().numpy(), "output": output.detach().cpu().numpy()}
