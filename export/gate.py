"""The gate: whether a variant of a model is as good as its reference, and what state that earns.

Both run on the same samples, detectors and recognisers through ``edge.vision``, so that what is
compared is what the camera would see. Every figure that decides has one-sided 95 % bootstrap
bounds; where they lie on both sides of the tolerance nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from calibration.detection import Boxes
from edge.manifest import Manifest
from edge.runner.base import Runner
from export.judgement import Bound, Judgement
from export.measures import MEASURES, Samples, Study
from export.speed import Latency

__all__ = ["Bound", "Decision", "Gate", "Judgement", "Samples", "decide", "judge"]

State = Literal["accepted", "candidate", "refused"]


class Gate:
    """Judges variants of one model on one set of samples; the reference runs once, here.

    groups: which samples belong together, for frames of one clip are not independent; as the
    samples say where None. truth: what is in each picture, for detectors. seed: of the bootstrap.

    Raises what running the reference raises, ValueError where groups or truth are of another number
    than the samples, UsageError where there are no samples.
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
    ) -> None:
        study = Study(
            samples=samples,
            groups=samples.groups if groups is None else groups,
            truth=truth,
            seed=seed,
        )
        self._measure = MEASURES[manifest.role](manifest, reference, study)

    def judge(self, variant: Runner) -> Judgement:
        """How the variant does. Raises what running it raises."""
        return self._measure.judge(variant)


def judge(
    manifest: Manifest,
    reference: Runner,
    variant: Runner,
    samples: Samples,
    *,
    groups: Sequence[Hashable] | None = None,
    truth: Sequence[Boxes] | None = None,
    seed: int = 0,
) -> Judgement:
    """One variant against its reference; ``Gate`` for several."""
    gate = Gate(manifest, reference, samples, groups=groups, truth=truth, seed=seed)
    return gate.judge(variant)


@dataclass(frozen=True, slots=True)
class Decision:
    """A variant's state in the manifest, and the reason where it is refused."""

    state: State
    reason: str | None = None


def decide(
    judgement: Judgement, speed: Latency | None, *, runner: Literal["onnxruntime", "tensorrt"]
) -> Decision:
    """The state that accuracy and speed earn.

    speed: against FP32 on this CPU, for a variant that ONNX Runtime runs; TensorRT's are measured
    on their target and stay candidates. Raises ValueError where a variant that runs here passed
    and has no speed.
    """
    if judgement.passed is not True:
        return Decision("refused", judgement.text)
    if runner == "tensorrt":
        return Decision("candidate")
    if speed is None:
        raise ValueError("expected the speed of a variant that runs on this CPU")
    if speed.ratio < 1:
        return Decision("refused", f"slower: {speed.ratio:.2f}× the speed of fp32 on this CPU")
    return Decision("accepted")
