"""``edgewarden export``: from a model file to a bundle, and everything that is refused."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from edge.bundle import open_bundle
from edge.errors import UsageError
from edge.runner.base import Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.templates import TEMPLATES
from export.cli.export import template_for
from export.sources.base import Source, SourceRequest
from export.sources.loading import load_source
from tests.conftest import FileLimit
from tests.small_world import portrait


def export(run: Any, model: Path, out: Path, *words: object) -> int:
    code: int = run("export", model, "--out", out, *words)
    return code


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Forty pictures of people."""
    import cv2

    folder = tmp_path / "faces"
    folder.mkdir()
    for person in range(40):
        cv2.imwrite(str(folder / f"{person:02}.png"), portrait(person))
    return folder


def test_a_model_becomes_a_bundle_that_verifies(
    run: Any, models: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "reid"
    words = ["--template", "arcface-rgb", "--license", "MIT"]
    assert export(run, models / "recogniser.onnx", out, *words) == 0
    told = capsys.readouterr().out
    assert "recogniser reid" in told
    assert "parity with the source" in told
    assert "training: unverified" in told
    assert "MiB of memory" in told
    assert run("bundle", "verify", out) == 0
    manifest = open_bundle(out, require_signed=False).manifest
    assert [variant.id for variant in manifest.variants] == ["fp32"]
    assert manifest.variants[0].state == "accepted"
    assert manifest.license == "MIT"
    assert manifest.training == "unverified"
    assert manifest.calibration is None


def test_the_same_model_gives_the_same_files(run: Any, models: Path, tmp_path: Path) -> None:
    words = ["--template", "arcface-rgb", "--name", "r"]
    for out in ("a", "b"):
        assert export(run, models / "recogniser.onnx", tmp_path / out, *words) == 0
    for name in ("fp32.onnx", "golden.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_half_precision_weights_take_half_the_room(run: Any, tmp_path: Path, capsys: Any) -> None:
    model = tmp_path / "model.onnx"
    graph = "(float[N,3,112,112] x) => (float[N,64] y) { c = Conv<strides=[8,8]>(x, w) "
    parsed = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["": 17]> g {graph} p = GlobalAveragePool(c) '
        "y = Flatten(p) }"
    )
    weights = np.random.default_rng(5).normal(0, 0.1, (64, 3, 8, 8)).astype(np.float32)
    parsed.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    onnx.save(parsed, model)
    words = ["--template", "arcface-rgb", "--name", "r"]
    assert export(run, model, tmp_path / "whole", *words) == 0
    capsys.readouterr()
    assert export(run, model, tmp_path / "half", *words, "--half-weights", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert "rounded to half precision" in said["source"]["steps"][-1]
    assert 0 < said["parity"]["max_rel"] <= 1e-2
    sizes = [(tmp_path / name / "fp32.onnx").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.6 * sizes[1]
    assert run("bundle", "verify", tmp_path / "half") == 0


def test_json_and_the_report_say_the_same(
    run: Any, models: Path, tmp_path: Path, capsys: Any
) -> None:
    words = ["--template", "arcface-rgb", "--json", "--report", tmp_path / "report.json"]
    assert export(run, models / "recogniser.onnx", tmp_path / "out", *words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((tmp_path / "report.json").read_text())
    assert said["report"] == "edgewarden.export/1"
    assert said["bundle"]["role"] == "recogniser"
    assert said["variants"][0]["state"] == "accepted"
    assert said["parity"]["max_rel"] <= 1e-4
    assert said["cost"]["peak_memory_bytes"] > 1 << 20
    assert said["cost"]["seconds"] > 0


def test_half_precision_is_judged_on_pictures(
    run: Any, models: Path, tmp_path: Path, faces: Path, capsys: Any
) -> None:
    detector = tmp_path / "det"
    words = ["--template", "yunet", "--out", detector]
    assert run("bundle", "new", models / "detector.onnx", *words) == 0
    capsys.readouterr()
    words = ["--template", "arcface-rgb", "--fp16", "--judge", faces, "--detector", detector]
    out = tmp_path / "reid"
    assert export(run, models / "recogniser.onnx", out, *words, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [variant["id"] for variant in report["variants"]] == ["fp32", "fp16"]
    half = report["variants"][1]
    assert half["state"] == "candidate"
    assert half["runner"] == "tensorrt"
    assert half["accuracy"]["verdict"] == "passed"
    assert half["golden"]["max_abs"] < half["golden"]["tolerance"]
    assert report["judged_on"]["kind"] == "real"
    manifest = open_bundle(out, require_signed=False).manifest
    assert manifest.variant("fp16").state == "candidate"
    assert run("bundle", "verify", out) == 0


def samples(path: Path, model: Path, *, spoilt: bool = False) -> Path:
    """Inputs and outputs as a training would have saved them."""
    random = np.random.default_rng(4)
    data = random.normal(0, 1, (3, 3, 112, 112)).astype(np.float32)
    with OnnxRuntimeRunner(model.read_bytes()) as runner:
        outputs = runner.infer({"data": data})
    if spoilt:
        outputs = {name: np.flip(value, axis=1) for name, value in outputs.items()}
    arrays: dict[str, Any] = {"data": data, **outputs}
    np.savez(path, **arrays)
    return path


def test_samples_of_the_training_verify_it(run: Any, models: Path, tmp_path: Path) -> None:
    model = models / "recogniser.onnx"
    reference = samples(tmp_path / "samples.npz", model)
    words = ["--template", "arcface-rgb", "--reference", reference]
    assert export(run, model, tmp_path / "reid", *words) == 0
    assert open_bundle(tmp_path / "reid", require_signed=False).manifest.training == "verified"


def test_weights_that_are_not_the_trained_ones_are_refused(
    run: Any, models: Path, tmp_path: Path, capsys: Any
) -> None:
    model = models / "recogniser.onnx"
    reference = samples(tmp_path / "samples.npz", model, spoilt=True)
    words = ["--template", "arcface-rgb", "--reference", reference]
    assert export(run, model, tmp_path / "reid", *words) == 2
    assert "reinitialised weights" in capsys.readouterr().err
    assert not (tmp_path / "reid").exists()


def test_a_conversion_that_is_right_for_one_input_alone_is_refused(
    run: Any, models: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(request: SourceRequest) -> Source:
        source = load_source(request)

        def run_otherwise(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
            values = source.run(feeds)
            return {name: value[::-1] for name, value in values.items()}

        return replace(source, run=run_otherwise)

    monkeypatch.setattr("export.sources.loading.load_source", load)
    model = models / "recogniser.onnx"
    words = ["--template", "arcface-rgb", "--free-batch"]
    assert export(run, model, tmp_path / "reid", *words) == 2
    assert "is not what its source computes" in capsys.readouterr().err
    assert not (tmp_path / "reid").exists()


def test_an_earlier_bundle_stays_whole(run: Any, models: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "reid"
    assert export(run, models / "recogniser.onnx", out, "--template", "arcface-rgb") == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert export(run, tmp_path / "none.onnx", out, "--template", "arcface-rgb") == 2
    assert "is there already" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_full_disk_leaves_nothing(
    run: Any, models: Path, tmp_path: Path, capsys: Any, file_limit: FileLimit
) -> None:
    words = ["--template", "arcface-rgb"]
    with file_limit(100):
        assert export(run, models / "recogniser.onnx", tmp_path / "out", *words) == 1
    assert "no room" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(
    run: Any, models: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> NoReturn:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("expected to be interrupted")

    monkeypatch.setattr("export.package.judge_forms", interrupted)
    words = ["--template", "arcface-rgb"]
    assert export(run, models / "recogniser.onnx", tmp_path / "out", *words) == 1
    assert "interrupted" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ([], "--template NAME"),
        (["--role", "recogniser"], "arcface-rgb or arcface-bgr"),
        (["--template", "yunet", "--fp16"], "nothing to judge the variants on"),
        (["--template", "yunet", "--int8", "--judge", "noise"], "nothing to calibrate"),
        (["--template", "yunet", "--report", "report.pdf"], ".html"),
        (["--template", "yunet", "--report", "gone/report.json"], "no such folder"),
        (["--template", "yunet", "--reference", "gone.npz"], "gone.npz"),
        (["--template", "yunet", "--input", "x"], "z=?x100"),
        (["--template", "yunet", "--int8", "--calibrate", "gone"], "gone"),
        (["--template", "scrfd"], "decoder 'scrfd'"),
        (["--template", "yunet"], "constant output"),
        (["--template", "reid-0095"], "for pictures of 128 x 128"),
    ],
)
def test_what_cannot_be_done_is_refused(
    run: Any, models: Path, tmp_path: Path, capsys: Any, words: list[str], word: str
) -> None:
    assert export(run, models / "detector.onnx", tmp_path / "out", *words) == 2
    assert word in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_no_number_is_refused(
    run: Any, models: Path, tmp_path: Path, capsys: Any
) -> None:
    model = onnx.load(models / "detector.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "cls_16_value":
            values = np.full(tuple(tensor.dims), np.nan, np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    path = tmp_path / "nan.onnx"
    onnx.save(model, path)
    assert export(run, path, tmp_path / "out", "--template", "yunet") == 2
    assert "not all numbers" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


def test_a_role_names_a_template_only_where_one_fits_all() -> None:
    assert template_for(None, "synthesiser") == "generator"
    assert template_for("yunet", None) == "yunet"
    assert template_for(None, "landmarks") == "landmarks-0009"  # the only one of its role
    for role in ("detector", "recogniser", "liveness"):
        fit = [name for name, values in TEMPLATES.items() if values["role"] == role]
        with pytest.raises(UsageError, match=fit[0]):
            template_for(None, role)


def test_a_bundle_with_no_folder_to_go_to_is_refused_before_the_work(
    run: Any, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "gone" / "reid"
    assert export(run, tmp_path / "none.onnx", out, "--template", "arcface-rgb") == 2
    error = capsys.readouterr().err
    assert f"cannot write {out}" in error
    assert "none.onnx" not in error
