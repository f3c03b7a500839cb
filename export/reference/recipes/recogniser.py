"""A recogniser of faces: small inverted residuals, a vector a face, learned by angular margin."""

# mypy: disallow-subclassing-any=False
from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD

from calibration.metrics import verification
from edge.types import ByteImage, FloatArray
from export.reference.recipes.data import Batches, digest, to_tensor
from export.reference.recipes.faces import HELD_OUT, crops
from export.reference.recipes.layers import Inverted, conv
from export.reference.recipes.learner import Arrays, Learner
from export.reference.recipes.losses import angular_margin_loss
from export.reference.recipes.pictures import grid
from export.reference.recipes.settings import FULL, TOY, RecipeSettings, RecogniserSettings

_SAMPLES, _SHOWN = 4, 8
_FMR = 1e-3
_WARM_UP = 0.05


class Recogniser(nn.Module):
    """Aligned crops ``[N, 3, 64, 64]`` RGB of −1..1 to vectors ``[N, size]`` of any length."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv(3, width, stride=2),
            Inverted(width, 2 * width, stride=2),
            Inverted(2 * width, 2 * width),
            Inverted(2 * width, 4 * width, stride=2),
            Inverted(4 * width, 4 * width),
            Inverted(4 * width, 4 * width),
            Inverted(4 * width, 6 * width, stride=2),
            Inverted(6 * width, 6 * width),
            conv(6 * width, 8 * width, side=1),
        )
        # Every place of the face has weights of its own, as in MobileFaceNet (Chen et al., 2018).
        self.whole = nn.Sequential(
            nn.Conv2d(8 * width, 8 * width, 4, groups=8 * width, bias=False),
            nn.BatchNorm2d(8 * width),
            nn.Flatten(1),
            nn.Linear(8 * width, size, bias=False),
            nn.BatchNorm1d(size),
        )

    def forward(self, picture: Tensor) -> Tensor:
        """The vectors."""
        return self.whole(self.layers(picture))


class Centres(nn.Module):
    """One direction for each person that is learned from; not part of the exported network."""

    def __init__(self, people: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(people, size) * 0.1)


def network(settings: RecipeSettings = FULL["recogniser"]) -> nn.Module:
    """What the weights are of, for ``edgewarden export --factory``; of the full recipe if none is
    named."""
    assert isinstance(settings, RecogniserSettings)
    return Recogniser(settings.size, settings.width)


def toy() -> nn.Module:
    """The same of the toy recipe."""
    return network(TOY["recogniser"])


class RecogniserLearner(Learner):
    """SGD with momentum, its rate rising at first and then falling as a cosine."""

    exported = "recogniser"

    def __init__(self, settings: RecogniserSettings, device: str) -> None:
        self._settings, self._device = settings, device
        self._faces = crops(0, settings.people, settings.views, seed=settings.seed)
        self._held_out = crops(
            HELD_OUT, settings.held_out, settings.held_out_views, seed=settings.seed
        )
        self._people = np.repeat(np.arange(settings.people), settings.views)
        self.data = digest(self._faces, self._people)
        self._batches = Batches(len(self._faces), settings.batch, seed=settings.seed)
        recogniser = Recogniser(settings.size, settings.width).to(device)
        centres = Centres(settings.people, settings.size).to(device)
        self.networks = {"recogniser": recogniser, "centres": centres}
        weights = [*recogniser.parameters(), *centres.parameters()]
        self.optimisers = {
            "all": SGD(weights, settings.rate, momentum=0.9, weight_decay=5e-4, nesterov=True)
        }

    def step(self, number: int) -> dict[str, Tensor]:
        """One step on a batch, mirrored and shifted by chance."""
        settings, optimiser = self._settings, self.optimisers["all"]
        chosen = self._batches.at(number)
        picture = _varied(to_tensor(self._faces[chosen], self._device))
        identity = torch.from_numpy(self._people[chosen]).to(self._device)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * _share(number, settings.steps)
        loss = angular_margin_loss(
            self.networks["recogniser"](picture),
            self.networks["centres"].weight,
            identity,
            scale=settings.scale,
            angle=settings.angle * min(1.0, 4 * number / settings.steps),
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return {"margin": loss}

    def embed(self, pictures: ByteImage) -> FloatArray:
        """Vectors of unit length: float32 ``[N, size]``."""
        recogniser = self.networks["recogniser"]
        parts = [recogniser(part) for part in to_tensor(pictures, self._device).split(128)]
        vectors = functional.normalize(torch.cat(parts))
        found: FloatArray = vectors.cpu().numpy()
        return found

    def sheet(self) -> ByteImage:
        """A row for each of a few strangers: one face, then the faces most like it."""
        vectors, columns = self.embed(self._held_out), self._settings.held_out_views + 2
        asked = range(0, len(vectors), self._settings.held_out_views)
        order = [np.argsort(-vectors @ vectors[face])[:columns] for face in asked][:_SHOWN]
        return grid(self._held_out[np.concatenate(order)], columns=min(columns, len(vectors)))

    def measure(self) -> dict[str, float]:
        """Faces of strangers compared one to one: area under the ROC, equal error rate, and FNMR at
        FMR 1e-3 where there are pairs enough to show it."""
        settings = self._settings
        person = np.repeat(np.arange(settings.held_out), settings.held_out_views)
        found = verification(self.embed(self._held_out), person, rates=(_FMR,), resamples=200)
        figures = {
            "auc": found.auc.value,
            "eer": found.eer,
            "impostor_pairs": float(found.impostor),
        }
        at = found.at[0]
        if at.fnmr is None or at.threshold is None:
            return figures
        return figures | {
            "fnmr": at.fnmr.value,
            "fnmr_low": at.fnmr.low,
            "fnmr_high": at.fnmr.high,
            "threshold": at.threshold,
        }

    def samples(self) -> Arrays:
        """A few faces and their vectors, as the network gives them."""
        picture = to_tensor(self._held_out[:_SAMPLES], self._device)
        output = self.networks["recogniser"](picture)
        return {"input": picture.cpu().numpy(), "output": output.cpu().numpy()}


def _share(number: int, steps: int) -> float:
    """What part of its rate a step is given."""
    done = (number + 1) / steps
    return min(done / _WARM_UP, 1.0) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


def _varied(picture: Tensor) -> Tensor:
    """All moved by up to two pixels, and each brightened or darkened.

    None is mirrored: a mole or a parting on the other side is somebody else.
    """
    side, most = picture.shape[3], 2
    down, right = (int(value) for value in torch.randint(0, 2 * most + 1, (2,)))
    wide = functional.pad(picture, (most,) * 4, mode="replicate")
    moved = wide[:, :, down : down + side, right : right + side]
    gain = torch.empty(len(moved), 1, 1, 1).uniform_(0.8, 1.2).to(moved.device)
    return ((moved + 1) * gain - 1).clamp(-1, 1)
