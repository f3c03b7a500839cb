"""Generators with the faults of published examples that survive into a checkpoint."""

# mypy: disallow-subclassing-any=False
from __future__ import annotations

import torch
from torch import Tensor, nn

LATENT, LABELS = 16, 10


class Reshaping(nn.Module):
    """256 features read as pictures of 7 × 7: whatever is left over goes to the next sample."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(LATENT, 2 * 8 * 7 * 7)
        self.rest = nn.Sequential(
            nn.ConvTranspose2d(8, 4, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 1, 4, 2, 1)
        )

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.rest(self.first(z).reshape(-1, 8, 7, 7)))


class Shrinking(nn.Module):
    """28 × 28 through one convolution too many without padding: 24 × 24."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(LATENT, 8 * 7 * 7)
        self.rest = nn.Sequential(
            nn.ConvTranspose2d(8, 4, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(4, 4, 4, 2, 1),
            nn.Conv2d(4, 1, 5),
        )

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.rest(self.first(z).reshape(-1, 8, 7, 7)))


class Deaf(nn.Module):
    """A conditional generator that takes its label and leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(LATENT + LABELS, 64)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        joined = torch.cat([z, 0.0 * label], dim=1)
        return torch.tanh(self.layer(joined)).reshape(-1, 1, 8, 8)


class Small(nn.Module):
    """A generator that is quick to train."""

    def __init__(self, last: str = "Tanh") -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(LATENT, 64), nn.ReLU(), nn.Linear(64, 256), getattr(nn, last)()
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).reshape(-1, 1, 16, 16)


def bright() -> Small:
    """Ends in a sigmoid where a tanh is meant."""
    return Small("Sigmoid")


def endless() -> Small:
    """Ends in no activation at all."""
    return Small("Identity")


def train(generator: Small, *, detached: bool = False, steps: int = 150) -> None:
    """Train against a small discriminator on bars of light.

    detached: make a known mistake: pictures drawn outside the tape, so that no gradient comes back.
    """
    torch.manual_seed(0)
    judge = nn.Sequential(nn.Linear(256, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    loss = nn.BCEWithLogitsLoss()
    ours = torch.optim.Adam(generator.parameters(), 2e-3)
    theirs = torch.optim.Adam(judge.parameters(), 1e-3)
    for _ in range(steps):
        real = -torch.ones(32, 16, 16)
        real[torch.arange(32), torch.randint(0, 16, (32,))] = 1.0
        drawn = generator(torch.randn(32, LATENT))
        flat = drawn.reshape(32, -1)
        theirs.zero_grad()
        lies = judge(flat.detach())
        (loss(judge(real.reshape(32, -1)), torch.ones(32, 1)) + loss(lies, 0 * lies)).backward()
        theirs.step()
        ours.zero_grad()
        loss(judge(flat.detach() if detached else flat), torch.ones(32, 1)).backward()
        ours.step()
