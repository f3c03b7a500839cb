"""Generators with several inputs, made into one that starts from a single flat latent.

A manifest states one latent and one condition. Noise and continuous codes are joined: the graph
splits the latent and gives each part the shape that its input had.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from export.sources.base import Run

if TYPE_CHECKING:
    import onnx


def wrap_generator(
    model: onnx.ModelProto,
    *,
    latent: Sequence[str],
    condition: str | None = None,
    uniform: Sequence[str] = (),
) -> onnx.ModelProto:
    """``model`` with its inputs ``latent`` joined, in this order, into one of shape ``[N, dim]``."""
    raise NotImplementedError(model, latent, condition, uniform)


def wrap_run(
    run: Run, model: onnx.ModelProto, *, latent: Sequence[str], uniform: Sequence[str] = ()
) -> Run:
    """``run`` of the framework, called as the wrapped ``model`` is."""
    raise NotImplementedError(run, model, latent, uniform)
