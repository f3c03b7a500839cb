"""The gate: whether a variant of a model is as good as its reference, and may be trusted with it.

Both run on the same pictures through ``edge.vision``, the very code of the camera, so that what is
compared is what the camera would see. Every figure that decides has a bootstrap bound on the side
that decides; where the bounds lie on both sides of the tolerance nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from calibration.detection import Boxes
from edge.manifest import Manifest
from edge.runner.base import Runner, Tensor
from edge.types import ByteImage


class Samples(Protocol):
    """What a variant is judged on; a CalibrationSet is one. Iterated anew for every model."""

    def pictures(self) -> Iterator[ByteImage]:
        """Pictures, uint8 BGR: aligned or cropped for models of faces, whole for detectors."""

    def feeds(self) -> Iterator[dict[str, Tensor]]:
        """One batch of 1 each; used for generators, which take no pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One figure against its tolerance.

    value: as measured. low, high: one-sided 95 % bounds; NaN where the data give none.
    least: the figure has to be at least, otherwise at most, ``tolerance``.
    needed: roughly how many samples it would take to decide; None where it is decided or nobody
    can say.
    """

    name: str
    value: float
    low: float
    high: float
    tolerance: float
    least: bool
    passed: bool | None
    needed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a variant agrees with its reference well enough.

    passed: None where the data cannot resolve the tolerance. kind: ``accuracy`` where it was
    measured against what is known of the pictures, else ``agreement`` with the reference.
    figures: everything measured, by name. bounds: those that decide. text: one line for people.
    samples, groups: how many there were, and how many independent ones among them.
    """

    passed: bool | None
    kind: Literal["accuracy", "agreement"]
    figures: Mapping[str, float]
    bounds: tuple[Bound, ...]
    text: str
    samples: int
    groups: int


class Gate:
    """Judges variants of one model on one set of samples; the reference runs once, here.

    groups: to which clip or track each sample belongs. truth: what is in each picture, for
    detectors.
    """

    def __init__(
        self,
        manifest: Manifest,
        reference: Runner,
        samples: Samples,
        *,
        groups: Sequence[Hashable] | None = None,
        truth: Sequence[Boxes] | None = None,
        seed: int = 0,
    ) -> None: ...

    def judge(self, variant: Runner) -> Judgement:
        """How the variant does on the samples."""
        raise NotImplementedError
