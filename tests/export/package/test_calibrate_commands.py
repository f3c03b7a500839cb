"""``edgewarden calibrate int8`` and ``compare`` on a small model and pictures made for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge.bundle import open_bundle
from edge.bundler import About, ModelVariant, assemble
from edge.cli import main
from edge.golden import pack_golden
from edge.manifest import embedding_space
from edge.runner.base import Runner
from edge.runner.golden import replay
from edge.runner.onnxruntime import OnnxRuntimeRunner
from export.gate import Gate
from export.judgement import Judgement
from export.judging import Base, open_gate

INT8 = ("int8-cpu", "int8-trt", "int8-trt8")


@pytest.fixture
def bundle(tmp_path: Path, base: Base) -> Path:
    """The small recogniser as a bundle of a verified training, with a threshold."""
    from edge.bundle import write_bundle

    values = {
        **base.proof.values,
        "thresholds": [{"metric": "cosine", "value": 0.4, "data": "made up"}],
    }
    variant = ModelVariant(id="fp32", data=base.data, tolerance=base.proof.tolerance)
    proof = type(base.proof)(values=values, feeds=base.proof.feeds, outputs=base.proof.outputs)
    about = About(name="small", source="tests")
    manifest, files = assemble(proof, about, [variant], training="verified")
    return write_bundle(tmp_path / "small", manifest, files).path


@pytest.fixture
def faces(tmp_path: Path, blobs: Callable[[int], Any]) -> Path:
    folder = tmp_path / "faces"
    folder.mkdir()
    for index, picture in enumerate(blobs(120).pictures()):
        cv2.imwrite(str(folder / f"{index:03}.png"), picture)
    return folder


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_int8_comes_in_a_new_bundle(tmp_path: Path, bundle: Path, faces: Path, capsys: Any) -> None:
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    out = tmp_path / "int8"
    words = ["--calibrate", faces, "--images", 60, "--out", out]
    assert run("calibrate", "int8", bundle, *words, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    old, new = (open_bundle(path, require_signed=False) for path in (bundle, out))
    assert [variant.id for variant in new.manifest.variants] == ["fp32", *INT8]
    assert embedding_space(new.manifest) == embedding_space(old.manifest)
    assert new.manifest.thresholds == old.manifest.thresholds
    assert new.manifest.training == "verified"
    record = new.manifest.calibration
    assert record is not None
    assert record["kind"] == "real"
    assert report["calibration"] == record
    noises: dict[str, float] = report["calibration"]["noise_by_method"]
    assert record["method"] == min(noises, key=lambda name: noises[name])
    assert set(noises) == {"minmax", "percentile", "entropy"}
    parts = [report["calibration"], report["searched_on"], report["judged_on"]]
    assert [part["count"] for part in parts] == [30, 30, 60]
    assert len({part["sha256"] for part in parts}) == 3
    assert [record["searched_on"], record["judged_on"]] == parts[1:]
    assert run("bundle", "verify", out) == 0


def test_every_int8_file_computes_what_its_golden_tolerance_says(
    tmp_path: Path, bundle: Path, faces: Path
) -> None:
    out = tmp_path / "int8"
    assert run("calibrate", "int8", bundle, "--calibrate", faces, "--images", 60, "--out", out) == 0
    new = open_bundle(out, require_signed=False)
    golden = new.golden()
    for variant in new.manifest.variants:
        assert variant.golden_tolerance is not None
        with OnnxRuntimeRunner(new.read(variant.file)) as runner:
            result = replay(runner, *golden, variant.golden_tolerance.max_abs)
        assert result.passed or variant.state == "refused"
        assert (variant.reason is None) == (variant.state != "refused")
    assert new.manifest.variant("int8-trt").state == "candidate"
    assert new.manifest.variant("int8-trt").runner == "tensorrt"
    assert run("bundle", "check-trt", *(out / f"{name}.onnx" for name in INT8[1:])) == 0


def test_the_verdict_comes_once_from_pictures_that_nothing_was_chosen_on(
    tmp_path: Path, bundle: Path, faces: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    judge = Gate.judge

    def noted(gate: Gate, variant: Runner) -> Judgement:
        asked.append(samples_of[id(gate)])
        return judge(gate, variant)

    samples_of: dict[int, str] = {}
    gates: list[Gate] = []

    def opened(base: Base, samples: Any) -> Gate:
        gates.append(open_gate(base, samples))
        samples_of[id(gates[-1])] = samples.sha256
        return gates[-1]

    monkeypatch.setattr(Gate, "judge", noted)
    monkeypatch.setattr("export.recalibrate.open_gate", opened)
    words = ["--calibrate", faces, "--images", 20, "--out", tmp_path / "int8", "--json"]
    assert run("calibrate", "int8", bundle, *words) == 0
    report = json.loads(capsys.readouterr().out)
    search, verdict = report["searched_on"]["sha256"], report["judged_on"]["sha256"]
    trials = report["calibration"]["trials"]
    assert asked == [search] * trials + [verdict] * len(INT8)
    for entry in report["variants"][1:]:
        assert entry["accuracy"]["samples"] == report["judged_on"]["count"]


def test_noise_alone_accepts_nothing(tmp_path: Path, bundle: Path) -> None:
    out = tmp_path / "int8"
    words = ["--calibrate", "noise", "--images", 30, "--out", out]
    assert run("calibrate", "int8", bundle, *words) == 0
    for variant in open_bundle(out, require_signed=False).manifest.variants[1:]:
        assert variant.state == "refused"
        assert variant.reason


def test_the_same_pictures_give_the_same_files(tmp_path: Path, bundle: Path, faces: Path) -> None:
    for out in ("a", "b"):
        words = ["--calibrate", faces, "--images", 20, "--out", tmp_path / out]
        assert run("calibrate", "int8", bundle, *words) == 0
    for name in INT8:
        files = [(tmp_path / out / f"{name}.onnx").read_bytes() for out in ("a", "b")]
        assert files[0] == files[1]


def test_one_table_compares_calibrations(
    tmp_path: Path, bundle: Path, faces: Path, capsys: Any
) -> None:
    words = ["--with", f"faces={faces}", "--with", "noise", "--images", 60]
    before = sorted(tmp_path.iterdir())
    assert run("calibrate", "compare", bundle, *words) == 0
    text = capsys.readouterr().out
    names = ["fp32", "fp16", *(f"{kind} {on}" for on in ("faces", "noise") for kind in INT8[:2])]
    rows = [line for line in text.splitlines() if line.startswith("small ")]
    assert [row for row in rows if ":" not in row.split()[0]]
    for name in names:
        assert any(name in row for row in rows)
    assert run("calibrate", "compare", bundle, *words, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    (one,) = report["bundles"]
    assert [entry["name"] for entry in one["variants"]] == names
    assert {entry["calibrated_on"] for entry in one["variants"]} == {None, "faces", "noise"}
    assert one["calibrations"]["faces"]["sha256"] != one["judged_on"]["sha256"]
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["compare", "BUNDLE", "--with", "=x"], "NAME=WHAT"),
        (["compare", "BUNDLE", "--with", "a=noise", "--with", "a=noise"], "one name"),
        (["compare", "gone", "--with", "noise"], "gone"),
        (["int8", "BUNDLE", "--calibrate", "gone", "--out", "OUT"], "gone"),
        (["int8", "BUNDLE", "--calibrate", "noise", "--out", "BUNDLE"], "is there already"),
        (["int8", "BUNDLE", "--calibrate", "EMPTY", "--out", "OUT"], "picture"),
        (["int8", "BUNDLE", "--out", "OUT"], "--calibrate"),
    ],
)
def test_what_cannot_be_done_is_refused(
    tmp_path: Path, bundle: Path, capsys: Any, words: list[str], word: str
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"BUNDLE": bundle, "OUT": tmp_path / "out", "EMPTY": tmp_path / "empty"}
    try:
        code = run("calibrate", *(places.get(word, word) for word in words))
    except SystemExit as stop:
        code = int(stop.code or 0)
    assert code == 2
    assert word in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_bundle_without_fp32_is_refused(tmp_path: Path, base: Base, capsys: Any) -> None:
    from edge.bundle import write_bundle

    variant = ModelVariant(id="fp16", data=base.data, tolerance=0.1, runner="tensorrt")
    manifest, files = assemble(base.proof, About(name="half", source="tests"), [variant])
    assert files["golden.npz"] == pack_golden(dict(base.proof.feeds), dict(base.proof.outputs))
    path = write_bundle(tmp_path / "half", manifest, files).path
    assert run("calibrate", "int8", path, "--calibrate", "noise", "--out", tmp_path / "o") == 2
    assert "a variant fp32" in capsys.readouterr().err


def test_export_makes_every_variant_in_one_go(
    tmp_path: Path, base: Base, faces: Path, capsys: Any
) -> None:
    model, out = tmp_path / "small.onnx", tmp_path / "out"
    model.write_bytes(base.data)
    reports = [tmp_path / "report.html", tmp_path / "report.json"]
    words = ["--template", "arcface-rgb", "--fp16", "--int8", "--calibrate", faces]
    more = [word for path in reports for word in ("--report", path)]
    assert run("export", model, *words, "--images", 60, "--out", out, *more) == 0
    told = capsys.readouterr().out
    bundle = open_bundle(out, require_signed=False)
    assert [variant.id for variant in bundle.manifest.variants] == ["fp32", "fp16", *INT8]
    for variant in bundle.manifest.variants:
        assert variant.id in told
        assert variant.state in told
        assert variant.accuracy["speed"]
    report = json.loads(reports[1].read_text())
    assert [entry["bytes"] for entry in report["variants"]] == [
        bundle.manifest.file(variant.file).bytes for variant in bundle.manifest.variants
    ]
    page = reports[0].read_text()
    assert "judged on (real)".capitalize() in page
    assert page.count("data:image/jpeg;base64,") >= 16
    assert run("bundle", "verify", out) == 0
