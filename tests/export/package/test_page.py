"""The page of an export: everything that the report says, in one file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from calibration.observe import Histogram, Ranges, TensorRange
from export.judging import Base, Judged, judge_forms, open_gate
from export.page import Evidence, render, render_comparison
from export.summary import variants_json
from export.verdict import Form


@pytest.fixture(scope="module")
def judged(base: Base, recogniser: Callable[..., bytes], blobs: Any) -> Judged:
    forms = {
        "int8-trt": Form(id="int8-trt", data=recogniser(noise=0.001)),
        "int8-cpu": Form(
            id="int8-cpu",
            data=recogniser(noise=2),
            kept=("Conv_a",),
            sensitivity={"Conv_a": 0.3, "Conv_<b>": 0.1},
        ),
    }
    return judge_forms(base, forms, open_gate(base, blobs(40)), kind="real")


@pytest.fixture
def report(judged: Judged) -> dict[str, Any]:
    return {
        "bundle": {"name": "small", "version": "7", "role": "recogniser", "sha256": "ab" * 32},
        "calibration": {"count": 60, "kind": "real"},
        "searched_on": {"count": 50, "kind": "real"},
        "judged_on": {"count": 40, "kind": "real"},
        "variants": variants_json(judged),
        "cost": {"seconds": 12.3, "peak_memory_bytes": 200 << 20},
    }


def test_a_page_shows_what_the_report_says(report: dict[str, Any], blobs: Any) -> None:
    import numpy as np

    counts = np.arange(2048, dtype=np.int64)
    tensor = TensorRange(low=-1, high=3, threshold=2.5, histogram=Histogram(counts, 4.0))
    ranges = Ranges(method="percentile", samples=60, tensors={"conv_out": tensor})
    evidence = Evidence(pictures={"judged on (real)": list(blobs(3).pictures())}, ranges=ranges)
    text = render(report, evidence).decode()
    assert text.startswith("<!doctype html>")
    for word in ("small 7", "int8-trt", "int8-cpu", "refused", "candidate", "12.3 s", "200 MiB"):
        assert word in text
    for title in ("Variants", "What decided", "Error by layer", "Calibration", "Judged on (real)"):
        assert f">{title}<" in text
    assert text.count("<svg") == 3
    assert text.count("data:image/jpeg;base64,") == 3
    for part in ("60 samples, real", "50 samples, real", "40 samples, real"):
        assert part in text
    assert "Conv_a" in text
    assert "<b>" not in text
    assert re.search(r'(src|href)="(?!data:|#)', text) is None


def test_a_page_leaves_out_what_there_is_not(report: dict[str, Any]) -> None:
    report["variants"] = report["variants"][:1]
    report["calibration"] = report["searched_on"] = report["judged_on"] = None
    text = render(report, Evidence()).decode()
    assert "Error by layer" not in text
    assert "calibrated on" not in text
    assert "fp32 accepted." in text


def test_a_comparison_has_a_part_for_each_bundle(report: dict[str, Any]) -> None:
    one = {
        "bundle": report["bundle"],
        "searched_on": report["searched_on"],
        "judged_on": report["judged_on"],
        "calibrations": {"faces": report["calibration"], "noise": {"count": 60, "kind": "noise"}},
        "variants": report["variants"],
    }
    other = {**one, "bundle": {**report["bundle"], "name": "another"}}
    text = render_comparison({"bundles": [one, other], "cost": report["cost"]}).decode()
    for title in ("small: variants", "another: variants", "another: what decided"):
        assert title in text
    assert "60 samples, noise" in text
