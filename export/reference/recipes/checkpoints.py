"""A training at rest: networks, optimisers, how far it is and its losses so far, in one file."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from edge.durable import replace_file
from edge.errors import UsageError
from export.reference.recipes.learner import Learner

_FORMAT = 1
# What reading and using a damaged file raises, by experience.
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, AttributeError, LookupError),
    *(RuntimeError, TypeError, ValueError),
)


@dataclass(slots=True, kw_only=True)
class Course:
    """How far a training is. step: steps done. seconds: of work so far. shown: the steps whose
    losses were kept; losses: those, by name."""

    step: int = 0
    seconds: float = 0.0
    shown: list[int] = field(default_factory=list)
    losses: dict[str, list[float]] = field(default_factory=dict)


def save(path: Path, learner: Learner, course: Course, *, recipe: str) -> None:
    """Put the training in a file, whole or not at all. recipe: its hash. Raises OutputError."""
    held = {
        "format": _FORMAT,
        "recipe": recipe,
        "data": learner.data,
        "course": {name: getattr(course, name) for name in Course.__slots__},
        "networks": {name: network.state_dict() for name, network in learner.networks.items()},
        "optimisers": {name: each.state_dict() for name, each in learner.optimisers.items()},
    }
    replace_file(path, packed(held))


def packed(held: Mapping[str, Any]) -> bytes:
    """The bytes of torch.save."""
    buffer = io.BytesIO()
    torch.save(held, buffer)
    return buffer.getvalue()


def load(path: Path, learner: Learner, *, recipe: str, device: str) -> Course:
    """Bring the learner to where the training in the file is.

    Raises UsageError where the file is none, is damaged, or is of another recipe or other data.
    """
    held = _read(path, device)
    _require_same(path, held, "recipe", recipe)
    _require_same(path, held, "data", learner.data)
    try:
        for name, network in learner.networks.items():
            network.load_state_dict(held["networks"][name])
        for name, optimiser in learner.optimisers.items():
            optimiser.load_state_dict(held["optimisers"][name])
        return Course(**held["course"])
    except _DAMAGE as exc:
        raise _damaged(path, exc) from exc


def _read(path: Path, device: str) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise UsageError(
            f"there is no training to go on with at {path}",
            expected="the checkpoint of one that was begun",
            found=exc.strerror or str(exc),
            remedy="Leave --resume out to begin one.",
        ) from exc
    try:
        held = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    except _DAMAGE as exc:
        raise _damaged(path, exc) from exc
    if not isinstance(held, dict) or held.get("format") != _FORMAT:
        raise _damaged(path, ValueError("something else"))
    return held


def _require_same(path: Path, held: Mapping[str, Any], what: str, wanted: str) -> None:
    if held.get(what) != wanted:
        raise UsageError(
            f"the training at {path} is of another {what}",
            expected=f"{what} {wanted[:12]}",
            found=str(held.get(what))[:12],
            remedy="Begin a new one in another folder.",
        )


def _damaged(path: Path, exc: Exception) -> UsageError:
    lines = str(exc).splitlines()
    return UsageError(
        f"{path} is no whole checkpoint",
        expected="one that this command wrote",
        found=f"{type(exc).__name__}: {lines[0][:200]}" if lines else type(exc).__name__,
        remedy="Remove it and begin the training anew.",
    )
