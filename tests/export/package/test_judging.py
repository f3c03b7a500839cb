"""What becomes of forms of one model: judged on pictures, timed, and refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edge.manifest import VariantId
from export.gate import Decision
from export.judgement import Bound, Judgement
from export.judging import Base, Judged, judge_forms, open_gate
from export.speed import Latency
from export.summary import HEADINGS, reasons, variant_rows, variants_json
from export.verdict import Form, verdict_on

Recogniser = Callable[..., bytes]


def judgement(passed: bool | None) -> Judgement:
    value = {True: 0.999, False: 0.5, None: 0.99}[passed]
    bound = Bound(
        name="cosine",
        value=value,
        low=value - 0.005,
        high=value + 0.005,
        tolerance=0.99,
        least=True,
    )
    assert bound.passed is passed
    return Judgement(
        passed=passed,
        kind="agreement",
        figures={"cosine": value},
        bounds=(bound,),
        text=str(bound),
        samples=40,
        groups=40,
    )


def latency(ratio: float) -> Latency:
    return Latency(
        median_ms=1 / ratio,
        low_ms=0.9 / ratio,
        high_ms=1.1 / ratio,
        ratio=ratio,
        ratio_low=ratio - 0.05,
        ratio_high=ratio + 0.05,
    )


def form(kind: VariantId, **more: Any) -> Form:
    return Form(id=kind, data=b"", **more)


@pytest.mark.parametrize(
    ("kind", "passed", "ratio", "on", "state", "word"),
    [
        ("int8-cpu", True, 1.6, "real", "accepted", None),
        ("int8-cpu", True, 1.6, "generated", "accepted", None),
        ("int8-cpu", True, 1.6, "noise", "refused", "judged on noise"),
        ("int8-cpu", True, 1.02, "real", "refused", "no faster: 1.02×"),
        ("int8-cpu", True, 0.7, "real", "refused", "slower: 0.70×"),
        ("int8-cpu", False, 1.6, "real", "refused", "cosine 0.5 < 0.99"),
        ("int8-cpu", False, 1.6, "noise", "refused", "cosine 0.5 < 0.99"),
        ("int8-cpu", None, 1.6, "real", "refused", "0.985 and 0.995"),
        ("int8-trt", True, 0.1, "real", "candidate", None),
        ("int8-trt8", True, 0.1, "real", "candidate", None),
        ("int8-trt", False, 9.0, "real", "refused", "cosine 0.5"),
        ("fp16", True, 0.1, "real", "candidate", None),
        ("fp16", True, 0.1, "noise", "refused", "judged on noise"),
    ],
)
def test_a_state_follows_from_accuracy_and_where_it_runs(
    kind: VariantId, passed: bool | None, ratio: float, on: str, state: str, word: str | None
) -> None:
    decision = verdict_on(form(kind), judgement(passed), latency(ratio), kind=on)
    assert decision.state == state
    assert decision == Decision(decision.state, None) or (word or "?") in (decision.reason or "")
    assert (decision.reason is None) == (word is None)


def test_a_refusal_names_the_layers() -> None:
    kept = tuple(f"Conv_{n}" for n in range(9))
    one = form("int8-cpu", kept=kept, sensitivity={f"PRelu_{n}": 1.0 - n for n in range(9)})
    reason = verdict_on(one, judgement(False), latency(2), kind="real").reason or ""
    assert "most is lost in PRelu_0, PRelu_1" in reason
    assert "PRelu_8" not in reason
    assert "Conv_7 and 1 more in higher precision" in reason
    slow = verdict_on(one, judgement(True), latency(0.5), kind="real").reason or ""
    assert "slower" in slow
    assert "Conv" not in slow


@pytest.fixture(scope="module")
def judged(base: Base, recogniser: Recogniser, blobs: Any) -> Judged:
    forms = {
        "good": Form(id="int8-trt", data=recogniser(noise=0.001)),
        "spoilt": Form(id="fp16", data=recogniser(noise=2)),
        "slow": Form(id="int8-cpu", data=recogniser(noise=0.001, repeats=4)),
    }
    return judge_forms(base, forms, open_gate(base, blobs(60)), kind="real")


def test_forms_are_judged_and_timed_in_one_run(judged: Judged) -> None:
    states = {name: verdict.decision.state for name, verdict in judged.verdicts.items()}
    assert states == {
        "fp32": "accepted",
        "good": "candidate",
        "spoilt": "refused",
        "slow": "refused",
    }
    assert judged.verdicts["fp32"].judgement is None
    assert judged.verdicts["slow"].latency.ratio < 0.9
    assert "slower" in (judged.verdicts["slow"].decision.reason or "")
    assert set(judged.speed.models) == set(states)


def test_a_golden_tolerance_covers_what_the_form_is_off(judged: Judged, base: Base) -> None:
    good = judged.verdicts["good"]
    assert 0 < good.max_abs < good.tolerance
    assert judged.verdicts["fp32"].tolerance == base.proof.tolerance
    assert judged.verdicts["spoilt"].max_abs > 100 * good.max_abs


def test_the_table_and_the_json_say_the_same(judged: Judged) -> None:
    rows = {row[0]: dict(zip(HEADINGS, row, strict=True)) for row in variant_rows(judged)}
    for entry in variants_json(judged):
        row = rows[entry["name"]]
        assert row["state"] == entry["state"]
        assert row["ms"] == pytest.approx(entry["speed"]["latency_ms"], abs=1e-3)
        assert row["kB"] == round(entry["bytes"] / 1000)
        assert (entry["reason"] is not None) == (entry["state"] == "refused")
        assert entry["opset"] == 17
    assert rows["fp32"]["agreement"] == "-"
    assert "cosine" in str(rows["good"]["agreement"])
    assert len(reasons(judged)) == 2


def test_without_forms_nothing_is_judged(base: Base) -> None:
    judged = judge_forms(base, {}, None, kind="noise")
    assert list(judged.verdicts) == ["fp32"]
    assert judged.speed.models["fp32"].ratio == 1
