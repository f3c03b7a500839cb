"""Small networks of every family that Edgewarden exports, each made the same every time.

A factory makes a network as a training script would; its weights are random but far from those of
a fresh network, and its batch statistics are as if it had been trained.
"""

# mypy: disallow-subclassing-any=False
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

LATENT, LABELS, CODES, SIDE = 16, 10, 2, 16


class Mean(NamedTuple):
    mean: Tensor
    log_variance: Tensor


class Dcgan(nn.Module):
    """The generator of DCGAN: transposed convolutions from a latent of 1 × 1, and tanh."""

    def __init__(self, channels: int = LATENT) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(channels, 16, 4, 1, 0, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Gan(nn.Module):
    """The first GAN's generator: fully connected, a picture by its shape alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(LATENT, 32),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.5),
            nn.Linear(32, 64),
            nn.BatchNorm1d(64, 0.8),
            nn.LeakyReLU(0.2),
            nn.Linear(64, SIDE * SIDE),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).view(z.size(0), 1, SIDE, SIDE)


class IndexedGan(nn.Module):
    """A conditional GAN whose label is an index into an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(LABELS, 8)
        self.rest = Dcgan(LATENT + 8)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        joined = torch.cat([z, self.embedding(label)], dim=1)
        return self.rest(joined[:, :, None, None])


class OneHotGan(nn.Module):
    """A conditional GAN whose label is one-hot."""

    def __init__(self) -> None:
        super().__init__()
        self.rest = Dcgan(LATENT + LABELS)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.rest(torch.cat([z, label], dim=1)[:, :, None, None])


class InfoGan(nn.Module):
    """InfoGAN: noise, a categorical code and continuous codes, the noise in DCGAN's own shape."""

    def __init__(self) -> None:
        super().__init__()
        self.rest = Dcgan(LATENT + LABELS + CODES)

    def forward(self, z: Tensor, category: Tensor, code: Tensor) -> Tensor:
        codes = torch.cat([category, code], dim=1)[:, :, None, None]
        return self.rest(torch.cat([z, codes], dim=1))


class Encoder(nn.Module):
    """A VAE's encoder: mean and logarithm of the variance."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 4, 2, 1), nn.ReLU(), nn.Flatten()
        )
        self.mean = nn.Linear(16 * SIDE, LATENT)
        self.log_variance = nn.Linear(16 * SIDE, LATENT)

    def forward(self, picture: Tensor) -> Mean:
        features = self.layers(picture)
        return Mean(self.mean(features), self.log_variance(features))


class Decoder(nn.Module):
    """A VAE's decoder: pictures in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(LATENT, 16 * SIDE)
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(16, 8, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 3, 4, 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(self.first(z).view(-1, 16, 4, 4))


class Vae(nn.Module):
    """Both halves; in training it samples, otherwise it reconstructs from the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        mean, log_variance = self.encoder(picture)
        z = mean
        if self.training:
            z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return {"picture": self.decoder(z), "mean": mean, "log_variance": log_variance}


class SamplingVae(Vae):
    """A VAE that samples whenever it is asked."""

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        mean, log_variance = self.encoder(picture)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return {"picture": self.decoder(z)}


class UNet(nn.Module):
    """Image to image, as pix2pix: skip connections, instance normalisation, any size of picture."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(3, 8, 4, 2, 1)
        self.down2 = nn.Sequential(
            nn.LeakyReLU(0.2), nn.Conv2d(8, 16, 4, 2, 1, bias=False), nn.InstanceNorm2d(16)
        )
        self.up2 = nn.Sequential(
            nn.ReLU(), nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8)
        )
        self.up1 = nn.Sequential(nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(16, 3, 3, 1, 1))

    def forward(self, picture: Tensor) -> Tensor:
        first = self.down1(picture)
        second = self.down2(first)
        return torch.tanh(self.up1(torch.cat([first, self.up2(second)], dim=1)))


class Discriminator(nn.Module):
    """What a DCGAN is trained against: one logit, real or not."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.utils.spectral_norm(nn.Conv2d(3, 8, 4, 2, 1, bias=False)),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(8, 16, 4, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(16, 1, 4, 1, 0, bias=False),
            nn.Flatten(),
        )

    def forward(self, picture: Tensor) -> Tensor:
        return self.layers(picture)


class Attention(nn.Module):
    """A layer that is used twice, a name with a hyphen, and an operator that is told by a text."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({"head-1": nn.Linear(LATENT, LATENT)})

    def forward(self, z: Tensor) -> Tensor:
        once = functional.gelu(self.heads["head-1"](z), approximate="tanh")
        twice = self.heads["head-1"](once)
        return torch.einsum("bi,bj->bij", once, twice)


class AlwaysDropping(nn.Module):
    """Dropout that forgot to ask whether it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(LATENT, 4)

    def forward(self, z: Tensor) -> Tensor:
        return functional.dropout(self.layer(z), 0.5)


class BatchTaught(nn.Module):
    """Batch normalisation without running statistics: the others in the batch decide."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(LATENT, 4)
        self.norm = nn.BatchNorm1d(4, track_running_stats=False)

    def forward(self, z: Tensor) -> Tensor:
        return self.norm(self.layer(z))


class Inverse(nn.Module):
    """An operator that ONNX has not."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(LATENT, LATENT)

    def forward(self, z: Tensor) -> Tensor:
        matrix = self.layer(z)[:, :, None] * z[:, None, :] + torch.eye(LATENT)
        return torch.linalg.eigvalsh(matrix)


class Nested(nn.Module):
    """What comes out is no row of tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(LATENT, 4)

    def forward(self, z: Tensor) -> dict[str, list[Tensor]]:
        return {"pyramid": [self.layer(z)]}


def trained(network: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and statistics of some size, as training leaves them."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if not value.is_floating_point():
                continue
            noise = torch.randn(value.shape, generator=random)
            if name.endswith("running_var"):
                value.copy_(0.5 + noise.abs())
            elif value.dim() == 1:
                value.copy_(0.1 * noise + (1.0 if name.endswith("weight") else 0.0))
            else:
                value.copy_(noise * (2 / max(value[0].numel(), 1)) ** 0.5)
    return network


def broken_factory() -> nn.Module:
    raise RuntimeError("no such layer")


def not_a_network() -> str:
    return "network"
