"""Samples in memory, and which of them a step takes.

PyTorch is loaded where tensors are made of them, and not before: what is rendered here is measured
with, too, where there is no PyTorch.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.cli.console import Progress
from edge.types import ByteImage

if TYPE_CHECKING:
    from torch import Tensor

Rendered = TypeVar("Rendered")
_WORTH_A_PROCESS, _CHUNK = 64, 8  # a process takes a second or two to start


class Batches:
    """Whole batches, each sample once in an epoch, in an order that seed and step alone decide.

    What is left of an epoch after the last whole batch is left out; another order leaves out
    others. Raises ValueError for fewer samples than a batch takes.
    """

    def __init__(self, count: int, batch: int, *, seed: int) -> None:
        if count < batch:
            raise ValueError(f"expected {batch} samples or more, found {count}")
        self._count, self._batch, self._seed = count, batch, seed
        self._epoch, self._order = -1, np.arange(count)

    def at(self, step: int) -> NDArray[np.int64]:
        """The samples of a step, which counts from 0."""
        epoch, place = divmod(step, self._count // self._batch)
        if epoch != self._epoch:
            self._order = np.random.default_rng([self._seed, epoch]).permutation(self._count)
            self._epoch = epoch
        return self._order[place * self._batch : (place + 1) * self._batch]


def gather(render: Callable[[int], Rendered], count: int, label: str) -> list[Rendered]:
    """``render(0)`` … ``render(count − 1)``, in order, by all processors where it is worth it.

    render: a function of a module, or a partial of one, so that other processes can be sent it.
    """
    workers = min(len(os.sched_getaffinity(0)), count // _WORTH_A_PROCESS)
    with Progress(label, count) as progress, ExitStack() as stack:
        results: Iterator[Rendered] = map(render, range(count))
        if workers > 1:
            # Started afresh: PyTorch's threads do not survive a fork.
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
            stack.callback(pool.shutdown, cancel_futures=True)
            results = pool.map(render, range(count), chunksize=_CHUNK)
        found = []
        for result in results:
            found.append(result)
            progress.step()
        return found


def digest(*arrays: NDArray[np.generic]) -> str:
    """SHA-256 of what was learned from: shapes, dtypes and values."""
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(f"{array.dtype.str}{array.shape}".encode())
        hashed.update(np.ascontiguousarray(array).data)
    return hashed.hexdigest()


def to_tensor(pictures: ByteImage, device: str) -> Tensor:
    """uint8 ``[…, H, W, 3]`` BGR as float32 ``[…, 3, H, W]`` RGB of −1..1."""
    import torch

    values = torch.from_numpy(np.ascontiguousarray(pictures)).to(device)
    return values.flip(-1).movedim(-1, -3).float().div_(127.5).sub_(1).contiguous()


def to_pictures(values: Tensor) -> ByteImage:
    """What to_tensor takes, from what it gives."""
    scaled = values.detach().clamp(-1, 1).add(1).mul(127.5).round().byte()
    pictures: ByteImage = scaled.movedim(-3, -1).flip(-1).contiguous().cpu().numpy()
    return pictures


def normal(*shape: int, device: str) -> Tensor:
    """N(0, 1), drawn on the CPU, so that every device is given the same numbers."""
    import torch

    return torch.randn(shape).to(device)
