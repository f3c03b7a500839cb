"""A classifier of behaviours from the pixels of a person's clip."""

# mypy: disallow-subclassing-any=False
from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from calibration.classification import classify
from edge.types import ByteImage
from export.reference.recipes.clips import FRAMES, HELD_OUT, clips
from export.reference.recipes.data import Batches, digest, to_tensor
from export.reference.recipes.layers import conv
from export.reference.recipes.learner import Arrays, Learner
from export.reference.recipes.pictures import grid
from export.reference.recipes.settings import FULL, TOY, BehaviourSettings, RecipeSettings
from export.reference.world.truth import BEHAVIOURS

_SAMPLES = 4


class BehaviourNet(nn.Module):
    """Clips ``[N, 16, 3, 48, 48]`` RGB of −1..1 to logits ``[N, 7]``.

    Each frame is looked at alone and coarsely; then time is filtered as channels are, which every
    accelerator does fast, unlike three-dimensional convolutions.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frame = nn.Sequential(
            conv(3, width, stride=2), conv(width, width), conv(width, width, stride=2)
        )
        self.motion = nn.Sequential(
            conv(FRAMES * width, 8 * width),
            conv(8 * width, 8 * width, stride=2),
            conv(8 * width, 8 * width),
            conv(8 * width, 12 * width, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(1),
            nn.Dropout(0.3),
            nn.Linear(12 * width, len(BEHAVIOURS)),
        )

    def forward(self, clip: Tensor) -> Tensor:
        """The logits."""
        features = self.frame(clip.flatten(0, 1))
        return self.motion(features.reshape(-1, FRAMES * features.shape[1], *features.shape[2:]))


def network(settings: RecipeSettings = FULL["behaviour"]) -> nn.Module:
    """What the weights are of, for ``edgewarden export --factory``; of the full recipe if none is
    named."""
    assert isinstance(settings, BehaviourSettings)
    return BehaviourNet(settings.width)


def toy() -> nn.Module:
    """The same of the toy recipe."""
    return network(TOY["behaviour"])


class BehaviourLearner(Learner):
    """Cross-entropy on clips that are mirrored, moved and lit by chance."""

    exported = "behaviour"

    def __init__(self, settings: BehaviourSettings, device: str) -> None:
        self._settings, self._device = settings, device
        self._asked, self._right = clips(settings.held_out, seed=HELD_OUT)
        # Last, so that it is still there for the recipe that learns from the same.
        self._clips, self._truth = clips(settings.each, seed=settings.seed * 1_000_000)
        self.data = digest(self._clips, self._truth)
        self._batches = Batches(len(self._clips), settings.batch, seed=settings.seed)
        net = network(settings).to(device)
        self.networks = {"behaviour": net}
        self.optimisers = {"all": AdamW(net.parameters(), settings.rate, weight_decay=0.02)}

    def step(self, number: int) -> dict[str, Tensor]:
        """One step on a batch."""
        settings, optimiser = self._settings, self.optimisers["all"]
        chosen = self._batches.at(number)
        wanted = torch.from_numpy(self._truth[chosen]).to(self._device)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * (1 + math.cos(math.pi * number / settings.steps)) / 2
        logits = self.networks["behaviour"](varied(to_tensor(self._clips[chosen], self._device)))
        loss = functional.cross_entropy(logits, wanted, label_smoothing=0.05)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return {"cross-entropy": loss}

    def classify(self, pictures: ByteImage) -> NDArray[np.int64]:
        """The likeliest behaviour of each clip ``[N, 16, 48, 48, 3]``."""
        net = self.networks["behaviour"]
        parts = [net(to_tensor(part, self._device)).argmax(1) for part in _parts(pictures)]
        found: NDArray[np.int64] = torch.cat(parts).cpu().numpy()
        return found

    def sheet(self) -> ByteImage:
        """One clip of each behaviour, every second frame."""
        first = self._asked[: len(BEHAVIOURS), ::2]
        return grid(np.concatenate(list(first)), columns=first.shape[1])

    def measure(self) -> dict[str, float]:
        """Accuracy, macro-F1, and precision, recall and F1 of each behaviour."""
        return by_class(self._right, self.classify(self._asked))

    def samples(self) -> Arrays:
        """A few clips and their logits."""
        clip = to_tensor(self._asked[:_SAMPLES], self._device)
        output: Tensor = self.networks["behaviour"](clip)
        return {"input": clip.cpu().numpy(), "output": output.detach().cpu().numpy()}


def by_class(right: NDArray[np.int64], found: NDArray[np.int64]) -> dict[str, float]:
    """Accuracy, macro-F1 of those that are shown; precision, recall and F1 of each behaviour."""
    every = classify(right.tolist(), found.tolist(), BEHAVIOURS)
    figures = {"accuracy": every.accuracy.value, "macro_f1": every.macro_f1.value}
    for one in every.per_label:
        for what in ("precision", "recall", "f1"):
            figures[f"{one.label}_{what}"] = getattr(one, what)
    return figures


def varied(clip: Tensor) -> Tensor:
    """Each clip mirrored or not, all moved by up to three pixels, each brightened or darkened."""
    count, side, most = len(clip), clip.shape[-1], 3
    mirrored = (torch.rand(count) < 0.5).to(clip.device)[:, None, None, None, None]
    clip = torch.where(mirrored, clip.flip(-1), clip)
    down, right = (int(value) for value in torch.randint(0, 2 * most + 1, (2,)))
    wide = functional.pad(clip.flatten(1, 2), (most,) * 4, mode="replicate")
    moved = wide[:, :, down : down + side, right : right + side].unflatten(1, clip.shape[1:3])
    gain = torch.empty(count, 1, 1, 1, 1).uniform_(0.75, 1.25).to(clip.device)
    return ((moved + 1) * gain - 1).clamp(-1, 1)


def _parts(pictures: ByteImage) -> list[ByteImage]:
    return [pictures[start : start + 64] for start in range(0, len(pictures), 64)]
