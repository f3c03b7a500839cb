"""What becomes of each form of a model: the gate's decision, and what a bundle adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from edge.manifest import VariantId
from export.gate import Decision, decide
from export.judgement import Judgement
from export.speed import Latency

RunnerName = Literal["onnxruntime", "tensorrt"]

# Only what a camera's CPU would choose; FP16 is slower than FP32 there.
_ON_CPU = ("fp32", "int8-cpu")
_LONGEST_REASON = 1000
_MOST_LAYERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form of a model, not judged yet.

    kept: layers left in higher precision. sensitivity: what each layer loses alone, most first.
    """

    id: VariantId
    data: bytes = field(repr=False)
    kept: tuple[str, ...] = ()
    sensitivity: Mapping[str, float] = field(default_factory=dict)

    @property
    def runner(self) -> RunnerName:
        """Who is to run it on a camera."""
        return "onnxruntime" if self.id in _ON_CPU else "tensorrt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A form that was judged.

    tolerance: how far it may be from the golden outputs. max_abs: how far it is. judgement: None
    for the reference itself.
    """

    form: Form
    decision: Decision
    tolerance: float
    max_abs: float
    judgement: Judgement | None
    latency: Latency

    def accuracy(self) -> dict[str, Any]:
        """As the manifest's ``accuracy``."""
        return {} if self.judgement is None else self.judgement.to_record()


def verdict_on(form: Form, judgement: Judgement, latency: Latency, *, kind: str) -> Decision:
    """The state of a variant, and the reason with its layers where it is refused.

    kind: of the samples it was judged on. Noise can refuse a variant but not accept it: what is
    lost on faces does not show there. What is no faster on this CPU beyond doubt is refused too:
    it would give accuracy away for nothing.
    """
    local = form.runner == "onnxruntime"
    decision = decide(judgement, latency if local else None, runner=form.runner)
    if judgement.passed is not True:
        return Decision("refused", _with_layers(decision.reason or "", form))
    if decision.state == "refused":
        return decision
    if kind == "noise":
        return Decision("refused", "not resolvable: judged on noise, which shows no loss on faces")
    if local and latency.ratio_low <= 1:
        text = f"no faster: {latency.ratio:.2f}× the speed of fp32 on this CPU, quartiles "
        return Decision("refused", f"{text}{latency.ratio_low:.2f} to {latency.ratio_high:.2f}")
    return decision


def layers(names: Sequence[str]) -> str:
    """Some of the layers' names, and how many more."""
    more = len(names) - _MOST_LAYERS
    return ", ".join(names[:_MOST_LAYERS]) + (f" and {more} more" if more > 0 else "")


def _with_layers(reason: str, form: Form) -> str:
    parts = [reason]
    if form.sensitivity:
        parts.append(f"most is lost in {', '.join(list(form.sensitivity)[:_MOST_LAYERS])}")
    if form.kept:
        parts.append(f"with {layers(form.kept)} in higher precision")
    return "; ".join(parts)[:_LONGEST_REASON]
