"""Weights from a file of ``torch.save``, read as tensors alone, for the network that they fit.

A checkpoint often holds more than the one network: a discriminator, optimisers, a wrapper's prefix
before every name. What is taken is the one set of weights whose names and shapes are exactly the
network's.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import ModelError, UsageError
from export.sources.torch_export import first_line, foreign_errors, import_torch, quiet

if TYPE_CHECKING:
    from torch import Tensor as TorchTensor
    from torch.nn import Module

    State = Mapping[str, TorchTensor]

_DEEPEST, _MOST_NAMED = 3, 5
# What torch.save writes now, and what it and pickle wrote before.
_PICKLES = (b"PK\x03\x04", b"\x80")
# Where PyTorch's long word on a pickle says what it met, best first.
_REASONS = (r"GLOBAL ([\w.]+)", r"error: \s*`?([\w.]+\.\w+)`? ", r"error:\s+([^\n.]+)")
_WHOLE = "the file"


def load_weights(network: Module, path: Path) -> tuple[str, ...]:
    """Load the weights in ``path`` that fit ``network`` by every name and shape; notes on which.

    Raises UsageError where the file cannot be read; ModelError where it holds pickled objects, is
    damaged, or holds no weights that fit, or several.
    """
    wanted = network.state_dict()
    states = dict(_states(_read(path), _WHOLE))
    if not states:
        raise ModelError(
            f"{path} is no state_dict",
            expected="names and tensors",
            found="none",
            remedy="Where it was trained: torch.save(model.state_dict(), FILE)",
        )
    fitting = [place for place, state in states.items() if not _problems(state, wanted)]
    if not fitting:
        place = max(states, key=lambda place: len(states[place].keys() & wanted.keys()))
        raise _misfit(path, place, wanted, _problems(states[place], wanted))
    if len(fitting) > 1 and fitting[0] != _WHOLE:
        raise ModelError(
            f"{path} holds several weights that fit the network",
            expected="those of one",
            found=", ".join(fitting),
            remedy="Save the right ones alone: torch.save(checkpoint[…], FILE)",
        )
    try:
        network.load_state_dict(dict(states[fitting[0]]), strict=True)
    except foreign_errors() as exc:
        raise _misfit(path, fitting[0], wanted, first_line(exc)) from exc
    return () if fitting[0] == _WHOLE else (f"weights from {fitting[0]}, which alone fit",)


def _read(path: Path) -> Any:
    torch = import_torch()
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise UsageError(
            f"{path} cannot be read", expected="a state_dict", found=exc.strerror or str(exc)
        ) from exc
    try:
        with quiet():
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as exc:
        raise _not_weights(path, data, exc) from exc
    except foreign_errors(EOFError) as exc:
        raise _damaged(path, first_line(exc)) from exc


def _not_weights(path: Path, data: bytes, exc: Exception) -> ModelError:
    """The pickle names a class or function: which one is the first thing a person asks."""
    found = next((m[1] for form in _REASONS if (m := re.search(form, str(exc)))), first_line(exc))
    if not data.startswith(_PICKLES):
        return _damaged(path, found)
    return ModelError(
        f"{path} holds pickled objects, which run code when they are loaded",
        expected="a state_dict: names and tensors",
        found=found,
        remedy="Where it was trained: torch.save(model.state_dict(), FILE)",
    )


def _damaged(path: Path, found: str) -> ModelError:
    return ModelError(
        f"{path} is no whole file of torch.save",
        expected="a state_dict saved by torch.save",
        found=found,
        remedy="Check that it was copied to its end.",
    )


def _states(held: Any, place: str, depth: int = 0) -> Iterator[tuple[str, State]]:
    """Every set of weights in a checkpoint by its place: mappings, and names with one prefix."""
    if not isinstance(held, Mapping) or depth > _DEEPEST:
        return
    if _is_state(held):
        yield place, held
        groups: dict[str, dict[str, TorchTensor]] = {}
        for name, value in held.items():
            prefix, _, rest = name.partition(".")
            groups.setdefault(prefix, {})[rest] = value
        for prefix, group in groups.items():
            if "" not in group:
                yield from _states(group, f"{prefix}.* of {place}", depth + 1)
        return
    for key, value in held.items():
        if isinstance(key, str):
            yield from _states(value, f"{key!r} of {place}", depth + 1)


def _is_state(value: Mapping[Any, Any]) -> bool:
    torch = import_torch()
    return len(value) > 0 and all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in value.items()
    )


def _problems(state: State, wanted: State) -> str:
    """What keeps these weights from being the network's, in words; empty where nothing does."""
    shapes = [
        f"{name} {list(value.shape)} instead of {list(wanted[name].shape)}"
        for name, value in state.items()
        if name in wanted and value.shape != wanted[name].shape
    ]
    found = {
        "missing": [name for name in wanted if name not in state],
        "unexpected": [name for name in state if name not in wanted],
        "of another shape": shapes,
    }
    return "; ".join(f"{word}: {_some(names)}" for word, names in found.items() if names)


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _misfit(path: Path, place: str, wanted: State, problems: str) -> ModelError:
    where = f"{path}" if place == _WHOLE else f"{path} (nearest: {place})"
    return ModelError(
        f"the weights in {where} are not those of this network",
        expected=f"its {len(wanted)} tensors by name and shape",
        found=problems,
        remedy="Check that factory and weights are from the same training.",
    )
