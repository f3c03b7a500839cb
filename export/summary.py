"""What was made, as a table for people and as plain JSON for programs and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge.cli.console import table
from edge.onnx_file import read_onnx_facts
from export.cost import Cost
from export.judging import Judged
from export.verdict import Verdict

HEADINGS = ("variant", "kB", "ms", "× fp32", "agreement", "state")


def variant_rows(judged: Judged) -> list[list[object]]:
    """One row for each variant, under HEADINGS; ms: CPU time of one thread, one picture."""
    return [_row(name, verdict) for name, verdict in judged.verdicts.items()]


def reasons(judged: Judged) -> list[str]:
    """One line for each variant that was refused."""
    return [
        f"{name} refused: {verdict.decision.reason}"
        for name, verdict in judged.verdicts.items()
        if verdict.decision.reason is not None
    ]


def summary(judged: Judged, cost: Cost, *, headings: Sequence[str] = HEADINGS) -> str:
    """The closing lines: the table, the reasons, where it was timed and what it took."""
    lines = [table(headings, variant_rows(judged)), *reasons(judged), timed_on(judged), str(cost)]
    return "\n".join(lines)


def timed_on(judged: Judged) -> str:
    """Where the milliseconds are from, in one line."""
    where = f"ms: CPU time of one thread of {judged.speed.cpu_model}, {judged.speed.rounds} rounds"
    tensorrt = any(verdict.form.runner == "tensorrt" for verdict in judged.verdicts.values())
    return f"{where}; they say nothing of what TensorRT is to run" if tensorrt else where


def variants_json(judged: Judged) -> list[dict[str, Any]]:
    """Every variant as a report holds it."""
    return [
        {
            "name": name,
            "id": verdict.form.id,
            "state": verdict.decision.state,
            "reason": verdict.decision.reason,
            "runner": verdict.form.runner,
            "opset": read_onnx_facts(verdict.form.data).opset,
            "bytes": len(verdict.form.data),
            "speed": judged.speed.to_record(name),
            "accuracy": verdict.accuracy(),
            "golden": {"max_abs": verdict.max_abs, "tolerance": verdict.tolerance},
            "kept": list(verdict.form.kept),
            "sensitivity": [
                {"layer": layer, "loss": loss} for layer, loss in verdict.form.sensitivity.items()
            ],
        }
        for name, verdict in judged.verdicts.items()
    ]


def cost_json(cost: Cost) -> Mapping[str, Any]:
    """What a command took."""
    return {"seconds": round(cost.seconds, 3), "peak_memory_bytes": cost.peak_bytes}


def _row(name: str, verdict: Verdict) -> list[object]:
    return [
        name,
        round(len(verdict.form.data) / 1000),
        verdict.latency.median_ms,
        verdict.latency.ratio,
        _agreement(verdict),
        verdict.decision.state,
    ]


def _agreement(verdict: Verdict) -> str:
    """The first of the figures that decide, with its name."""
    if verdict.judgement is None or not verdict.judgement.bounds:
        return "-"
    first = verdict.judgement.bounds[0]
    return f"{first.name} {first.value:.4f}"
