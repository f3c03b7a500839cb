"""What a recipe has to give: networks, one step of learning, and what shows how well it went."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from edge.types import ByteImage

Arrays = dict[str, NDArray[np.generic]]
State = dict[str, Any]  # tensors by name, or such mappings by the name of a network


class Learner(ABC):
    """Networks that learn, step by step.

    A step depends on the networks, the optimisers, its number and PyTorch's random numbers, which
    the loop seeds for each step; on nothing else, so that a training can be taken up again.

    networks, optimisers: by name; all that a checkpoint keeps. exported: which network a bundle is
    made of. data: SHA-256 of what is learned from.
    """

    networks: Mapping[str, nn.Module]
    optimisers: Mapping[str, Optimizer]
    exported: str
    data: str

    @abstractmethod
    def step(self, number: int) -> dict[str, Tensor]:
        """Learn from one batch; the losses, by name. number: counts from 0."""

    @abstractmethod
    def sheet(self) -> ByteImage:
        """A picture ``[H, W, 3]`` BGR that shows a person what was learned."""

    @abstractmethod
    def measure(self) -> dict[str, float]:
        """Figures on what was never learned from, by name."""

    @abstractmethod
    def samples(self) -> Arrays:
        """Inputs and outputs of the exported network by their names in the bundle."""

    def weights(self) -> State:
        """What is exported, on the CPU: the weights of ``exported``."""
        state = self.networks[self.exported].state_dict()
        return {name: value.detach().cpu() for name, value in state.items()}
