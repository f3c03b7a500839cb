"""The loop that every recipe is trained by: seeded, and taken up again exactly where it stopped.

What is random in a step follows from the seed and the step's number alone, so a checkpoint needs no
state of any random generator, and ten steps, a pause and ten more are twenty steps: to the last bit
on one CPU with one number of threads, and nearly so on a GPU, some of whose sums have no order.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edge.cli.console import Progress
from edge.durable import make_folder, replace_file
from edge.errors import GpuError, ModelError, OutputError
from export.reference.recipes import checkpoints
from export.reference.recipes.checkpoints import Course
from export.reference.recipes.learner import Learner
from export.reference.recipes.pictures import write_losses, write_png
from export.reference.recipes.registry import make_learner
from export.reference.recipes.settings import RecipeSettings, recipe_hash

CHECKPOINT, WEIGHTS, REFERENCE = "checkpoint.pt", "weights.pt", "reference.npz"
LOSSES, SAMPLES, SUMMARY = "losses.png", "samples.png", "summary.json"
_CHECKPOINTS, _FEWEST_STEPS = 20, 10  # a checkpoint takes longer than a step of a toy
_MOST_SHOWN = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One training that is done. folder: where its files are. recipe, data, weights: SHA-256.

    parameters: how many numbers the exported network learned. seconds: of steps alone, all runs
    together. losses: in the mean of the last tenth. figures: on what was never learned from.
    """

    name: str
    folder: Path
    recipe: str
    data: str
    weights: str
    settings: RecipeSettings
    device: str
    parameters: int
    seconds: float
    losses: dict[str, float]
    figures: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values. The folder is left out: it says nothing of the training."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        del values["folder"]
        return values | {"settings": asdict(self.settings), "torch": str(torch.__version__)}


def train(
    name: str,
    settings: RecipeSettings,
    out: Path,
    *,
    device: str = "cpu",
    resume: bool = False,
    stop_after: int | None = None,
) -> Training | None:
    """Train a recipe in the folder ``out/name``; None where it was stopped before its end.

    device: ``cpu``, ``cuda`` or ``cuda:N``. resume: go on from the folder's checkpoint. stop_after:
    steps after which to leave a checkpoint and stop.

    Raises GpuError for a device that is not there, OutputError where the folder holds a training
    already or cannot be written, UsageError for a checkpoint that does not fit, ModelError where a
    loss is no number any more.
    """
    _require_device(device)
    folder, recipe = out / name, recipe_hash(name, settings)
    path = folder / CHECKPOINT
    if path.exists() and not resume:
        raise OutputError(
            f"{folder} holds a training already",
            expected="a folder without one",
            remedy="Go on with it by --resume, or choose another folder.",
        )
    make_folder(folder)
    with _reproducible(device):
        torch.manual_seed(settings.seed)
        learner = make_learner(name, settings, device)
        course = Course()
        if resume:
            course = checkpoints.load(path, learner, recipe=recipe, device=device)
        end = min(settings.steps, stop_after if stop_after is not None else settings.steps)
        _run(learner, settings, course, end, path=path, label=name, recipe=recipe)
        if course.step < settings.steps:
            return None
        return _finish(learner, settings, course, folder, name=name, recipe=recipe, device=device)


def _run(
    learner: Learner,
    settings: RecipeSettings,
    course: Course,
    end: int,
    *,
    path: Path,
    label: str,
    recipe: str,
) -> None:
    apart = max(_FEWEST_STEPS, settings.steps // _CHECKPOINTS)
    shown = max(1, settings.steps // _MOST_SHOWN)
    for network in learner.networks.values():
        network.train()
    with Progress(label, settings.steps) as progress:
        progress.step(course.step)
        while course.step < end:
            start = time.monotonic()
            torch.manual_seed(_step_seed(settings.seed, course.step))
            losses = learner.step(course.step)
            if course.step % shown == 0:
                _note(course, losses, label)
            course.seconds += time.monotonic() - start
            course.step += 1
            if course.step % apart == 0 or course.step == end:
                checkpoints.save(path, learner, course, recipe=recipe)
            progress.step()


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _note(course: Course, losses: Mapping[str, Tensor], label: str) -> None:
    for name, loss in losses.items():
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ModelError(
                f"{label} went astray: its loss {name!r} is no number at step {course.step}",
                expected="a finite loss",
                found=f"{value}",
                remedy="Lower the recipe's rate; the last checkpoint is from before.",
            )
        course.losses.setdefault(name, []).append(value)
    course.shown.append(course.step)


def _finish(
    learner: Learner,
    settings: RecipeSettings,
    course: Course,
    folder: Path,
    *,
    name: str,
    recipe: str,
    device: str,
) -> Training:
    """Write what a person looks at and what the export takes, then measure."""
    for network in learner.networks.values():
        network.eval()
    torch.manual_seed(settings.seed)
    data = checkpoints.packed(learner.weights())
    replace_file(folder / WEIGHTS, data)
    with torch.no_grad():
        _write_arrays(folder / REFERENCE, learner.samples())
        write_png(folder / SAMPLES, learner.sheet())
        figures = learner.measure()
    losses = {key: np.asarray(values) for key, values in course.losses.items()}
    write_losses(folder / LOSSES, course.shown, losses, title=name)
    learned = (value.numel() for value in learner.networks[learner.exported].parameters())
    last = max(1, len(course.shown) // 10)
    training = Training(
        name=name,
        folder=folder,
        recipe=recipe,
        data=learner.data,
        weights=hashlib.sha256(data).hexdigest(),
        settings=settings,
        device=device,
        parameters=sum(learned),
        seconds=course.seconds,
        losses={key: float(values[-last:].mean()) for key, values in losses.items()},
        figures=figures,
    )
    text = json.dumps(training.to_json(), indent=2, sort_keys=True)
    replace_file(folder / SUMMARY, f"{text}\n".encode())
    return training


def _write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    replace_file(path, buffer.getvalue())


def _require_device(device: str) -> None:
    try:
        kind = torch.device(device).type
    except RuntimeError as exc:
        raise GpuError(
            "there is no such device", expected="cpu, cuda or cuda:N", found=repr(device)
        ) from exc
    if kind == "cpu":
        return
    count = torch.cuda.device_count() if kind == "cuda" else 0
    if (torch.device(device).index or 0) >= count:
        raise GpuError(
            f"this machine has no device {device!r} that PyTorch can use",
            expected="cpu, cuda or cuda:N",
            found=f"{count} CUDA devices with PyTorch {torch.__version__}",
            remedy="Use --device cpu, or install PyTorch with CUDA.",
        )


@contextmanager
def _reproducible(device: str) -> Iterator[None]:
    """Deterministic algorithms, and PyTorch's random state as it was afterwards.

    On a GPU a few operators have none; they warn and are used all the same.
    """
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=device != "cpu")
    try:
        with torch.random.fork_rng(enabled=True):
            yield
    finally:
        torch.use_deterministic_algorithms(before)
