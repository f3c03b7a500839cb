"""Values of a manifest: what keeps the contract and what is refused, naming the place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edge.errors import ManifestError
from edge.manifest import build_manifest

if TYPE_CHECKING:
    from tests.bundle.conftest import Change, Values

LETTERBOX = {"mode": "letterbox", "pad": 0, "multiple_of": 32}
DETECTOR = {"name": "ultraface", "score": 0.5, "nms_iou": 0.3}
LOGITS = {"name": "logits"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("surprise", 1, "unknown key surprise"),
        ("input.surprise", 1, r"unknown key input\.surprise"),
        ("decoder.score", 0.5, r"unknown key decoder\.score"),
        ("input.resize.pad", 0, r"unknown key input\.resize\.pad"),
        ("variants.0.speed", 1, r"unknown key variants\[0\]\.speed"),
        ("license", ..., "no key license"),
        ("input.name", ..., r"no key input\.name"),
        ("name", "Tiny", "name"),
        ("name", "tiny\n", "name"),
        ("name", "a" * 65, "name"),
        ("version", "1 2", "version"),
        ("role", "judge", "role"),
        ("role", "detector", r"decoder: expected yunet or .* for role detector, found embedding"),
        ("decoder", {"name": "psychic"}, "decoder"),
        ("decoder", {}, "decoder"),
        ("input", ..., "expected input"),
        ("latent", {"name": "z", "dim": 8, "distribution": "normal"}, "no latent"),
        ("input.layout", "CHWN", r"input\.layout"),
        ("input.dtype", "float64", r"input\.dtype"),
        ("input.color", "GRAY", "1 channels for GRAY"),
        ("input.mean", [0, 0], "3 values each"),
        ("input.mean", [0, 0, True], r"input\.mean\[2\]"),
        ("input.scale", [1, 1, 0], "scale other than 0"),
        ("input.scale", [1, 1, "1"], r"input\.scale\[2\]"),
        ("input.shape", [1, 3, 8], r"input\.shape"),
        ("input.shape.0", 0, r"input\.shape\[0\]"),
        ("input.shape.0", True, r"input\.shape\[0\]"),
        ("input.shape.0", 1.5, r"input\.shape\[0\]"),
        ("input.shape.0.min", 2, "min ≤ opt ≤ max"),
        ("input.shape.0.opt", 5, "min ≤ opt ≤ max"),
        ("input.shape.1", 4, "3 channels"),
        ("input.shape.2", {"min": 8, "opt": 8, "max": 16}, "fixed height and width"),
        ("input.resize", {"mode": "stretch"}, r"input\.resize: expected align for role recogniser"),
        ("input.resize.template", [[1, 1]] * 4, r"input\.resize\.template"),
        ("input.resize.template", [[1, 1]] * 5, "five different"),
        ("input.resize.template.0", [1, 9], "within 8 × 8"),
        ("input.resize.template.0", [1, -1], "within 8 × 8"),
        ("outputs", [], "outputs: expected at least one"),
        ("outputs", ["y", "z"], "expected one for decoder embedding"),
        ("outputs", ["x"], "x is there twice"),
        ("outputs", [{"name": "y", "range": [1, 1]}], "low to high"),
        ("outputs", [3], r"outputs\[0\]"),
        ("labels", ["a", "a"], "labels: a is there twice"),
        ("labels", ["a\x1b[2J"], r"labels\[0\]"),
        ("files", [], "files"),
        ("files.0.sha256", "A" * 64, r"files\[0\]\.sha256"),
        ("files.0.sha256", "0" * 63, r"files\[0\]\.sha256"),
        ("files.0.bytes", -1, r"files\[0\]\.bytes"),
        ("files.0.bytes", "12", r"files\[0\]\.bytes"),
        ("files.0.path", "other.onnx", r"variants\[0\]\.file: expected a path listed in files"),
        ("files.1.path", "other.npz", r"golden\.file: expected a path listed in files"),
        ("variants", [], "variants: expected at least one"),
        ("variants.0.id", "fp64", r"variants\[0\]\.id"),
        ("variants.0.id", "int8-trt", "runner tensorrt for int8-trt"),
        ("variants.0.state", "fine", r"variants\[0\]\.state"),
        ("variants.0.state", "refused", "reason for state refused"),
        ("variants.0.opset", 0, r"variants\[0\]\.opset"),
        ("variants.0.golden_tolerance", None, "as there is a golden file"),
        ("variants.0.golden_tolerance", {"max_abs": -1}, "golden_tolerance"),
        ("thresholds.0.value", 1.5, r"cosine in -1\.\.1"),
        ("thresholds.0.fmr", 1.5, r"thresholds\[0\]\.fmr"),
        ("thresholds.0.data", ..., r"no key thresholds\[0\]\.data"),
        ("provenance.tool", "", r"provenance\.tool"),
        ("golden", "golden.npz", "golden"),
        ("calibration", {"a": [float("nan")]}, "calibration"),
        ("variants.0.accuracy", {"auc": float("inf")}, r"variants\[0\]\.accuracy"),
    ],
)
def test_values_against_the_contract_are_refused_naming_the_place(
    values: Values, change: Change, path: str, value: object, message: str
) -> None:
    change(values, path, value)
    with pytest.raises(ManifestError, match=message):
        build_manifest(values)


@pytest.mark.parametrize(
    "path",
    [
        "../fp32.onnx",
        "a/../fp32.onnx",
        "..",
        ".",
        "./fp32.onnx",
        "/etc/passwd",
        "a//b",
        "a/",
        "",
        "a\\b",
        "C:fp32.onnx",
        "a\x00b",
        "a\nb",
        " a",
        "a /b",
        "x" * 201,
        "manifest.json",
        "manifest.sig",
        "Manifest.JSON",
    ],
)
def test_unsafe_paths_are_refused(values: Values, path: str) -> None:
    values["files"].append({"path": path, "bytes": 1, "sha256": "0" * 64})
    with pytest.raises(ManifestError, match=r"files\[2\]\.path"):
        build_manifest(values)


def test_safe_paths_are_kept(values: Values) -> None:
    for path in ("docs/LICENSE", "a..b", "..a", "sub/manifest.json", "Straße.txt", "with space"):
        values["files"].append({"path": path, "bytes": 1, "sha256": "0" * 64})
    assert build_manifest(values).file("sub/manifest.json").bytes == 1


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("notes.txt", "notes.txt", "there twice"),
        ("notes.txt", "Notes.TXT", "there twice"),
        ("straße", "STRASSE", "there twice"),
        ("caf\u00e9", "cafe\u0301", "there twice"),
        ("docs", "docs/a", "as a file and, by docs/a, as a folder"),
    ],
)
def test_paths_that_a_file_system_may_take_as_one_are_refused(
    values: Values, first: str, second: str, message: str
) -> None:
    for path in (first, second):
        values["files"].append({"path": path, "bytes": 1, "sha256": "0" * 64})
    with pytest.raises(ManifestError, match=message):
        build_manifest(values)


def as_detector(values: Values) -> None:
    values |= {"role": "detector", "decoder": dict(DETECTOR), "labels": ["face"]}
    values["input"]["resize"] = dict(LETTERBOX)
    values["input"]["shape"] = [1, 3, {"min": 32, "opt": 64, "max": 96}, 64]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("labels", [], "at least one for decoder ultraface"),
        ("input.shape.2.min", 33, "height divisible by 32, found 33"),
        ("input.shape.2.opt", 65, "height divisible by 32, found 65"),
        ("input.shape.3", 60, "width divisible by 32, found 60"),
        ("input.resize.pad", 256, r"input\.resize\.pad"),
        ("input.resize.mode", "align", r"no key input\.resize\.template"),
        ("decoder.score", 1.1, r"decoder\.score"),
        ("decoder.nms_iou", None, r"decoder\.nms_iou"),
        ("decoder.strides", [8], r"unknown key decoder\.strides"),
        ("decoder", {"name": "yunet", "score": 0.5, "nms_iou": 0.3, "strides": []}, "strides"),
        ("decoder", {"name": "scrfd", "score": 0.5, "nms_iou": 0.3, "strides": [0]}, "strides"),
    ],
)
def test_detectors_are_checked_for_what_a_detector_needs(
    values: Values, change: Change, path: str, value: object, message: str
) -> None:
    as_detector(values)
    build_manifest(values)
    change(values, path, value)
    with pytest.raises(ManifestError, match=message):
        build_manifest(values)


def as_liveness(values: Values) -> None:
    values |= {
        "role": "liveness",
        "decoder": {"name": "logits", "positive": "live"},
        "labels": ["print", "live", "replay"],
    }
    values["input"]["resize"] = {"mode": "crop", "factor": 2.7}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("decoder", LOGITS, "the label that means live"),
        ("decoder.positive", "alive", "expected one of the labels, found alive"),
        ("input.resize.factor", 0, r"input\.resize\.factor"),
        ("input.resize", {"mode": "stretch"}, "expected crop for role liveness"),
    ],
)
def test_liveness_is_checked_for_what_it_needs(
    values: Values, change: Change, path: str, value: object, message: str
) -> None:
    as_liveness(values)
    assert build_manifest(values).decoder.name == "logits"
    change(values, path, value)
    with pytest.raises(ManifestError, match=message):
        build_manifest(values)


def as_generator(values: Values) -> None:
    del values["input"]
    values |= {
        "role": "synthesiser",
        "decoder": {"name": "image"},
        "latent": {"name": "z", "dim": 64, "distribution": "normal"},
        "condition": {"name": "c", "labels": ["a", "b"], "encoding": "one_hot"},
        "outputs": [{"name": "y", "range": [-1, 1]}],
    }


def test_a_generator_has_latent_and_condition_instead_of_input(values: Values) -> None:
    as_generator(values)
    manifest = build_manifest(values)
    assert manifest.input is None
    assert manifest.input_names == ("z", "c")
    assert manifest.outputs[0].range == (-1.0, 1.0)
    written = json.loads(manifest.to_json())
    assert "input" not in written
    assert written["outputs"] == [{"name": "y", "range": [-1.0, 1.0]}]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("latent", ..., "latent instead of input"),
        ("latent.dim", 0, r"latent\.dim"),
        ("condition.encoding", "words", r"condition\.encoding"),
        ("condition.labels", [], r"condition\.labels"),
        ("outputs", ["y"], r"outputs\[0\]: expected .*range"),
    ],
)
def test_generators_are_checked_for_what_they_need(
    values: Values, change: Change, path: str, value: object, message: str
) -> None:
    as_generator(values)
    change(values, path, value)
    with pytest.raises(ManifestError, match=message):
        build_manifest(values)


def test_uint8_takes_pixels_as_they_are(values: Values) -> None:
    values["input"]["dtype"] = "uint8"
    build_manifest(values)
    values["input"]["scale"] = [2, 2, 2]
    with pytest.raises(ManifestError, match="dtype uint8"):
        build_manifest(values)


def test_an_engine_belongs_to_a_variant_and_a_file(values: Values) -> None:
    engine = {"file": "golden.npz", "variant": "fp16", "tensorrt": "10.3.0", "sm": 87}
    values["engines"] = [engine]
    with pytest.raises(ManifestError, match=r"engines\[0\]\.variant: expected one of fp32"):
        build_manifest(values)
    values["engines"] = [{**engine, "variant": "fp32", "file": "e.engine"}]
    with pytest.raises(ManifestError, match=r"engines\[0\]\.file: expected a path listed"):
        build_manifest(values)
    values["engines"] = [{**engine, "variant": "fp32"}]
    assert build_manifest(values).engines[0].sm == 87


def test_two_variants_of_one_id_are_refused(values: Values) -> None:
    values["variants"] *= 2
    with pytest.raises(ManifestError, match="variants: fp32 is there twice"):
        build_manifest(values)


def as_clips(values: Values) -> None:
    values |= {"role": "behaviour", "decoder": {"name": "clip_logits"}, "labels": ["walk", "run"]}
    values["input"] |= {
        "layout": "NTCHW",
        "resize": {"mode": "follow", "factor": 1.25},
        "shape": [1, 16, 3, 48, 32],
        "fps": 8.0,
    }


def test_a_model_of_clips_says_how_they_are_cut(values: Values) -> None:
    as_clips(values)
    spec = build_manifest(values).input
    assert spec is not None
    assert (spec.frames, spec.height.opt, spec.width.opt, spec.fps) == (16, 48, 32, 8.0)
    assert build_manifest(json.loads(build_manifest(values).to_json())).input == spec


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("input.fps", ..., "expected fps for layout NTCHW"),
        ("input.fps", 0.0, r"input\.fps"),
        ("input.shape", [1, 3, 48, 32], "5 axes for NTCHW, found 4"),
        ("input.shape.1", {"min": 8, "opt": 16, "max": 16}, "fixed number of frames"),
        ("input.shape.2", 16, "3 channels for RGB in NTCHW"),
        ("input.resize", {"mode": "stretch"}, "mode follow for layout NTCHW"),
        ("input.resize.factor", 0, r"input\.resize\.factor"),
        ("decoder", {"name": "logits"}, "NTCHW for decoder clip_logits, and for no other"),
    ],
)
def test_clips_are_checked_for_what_clips_need(
    values: Values, change: Change, path: str, value: object, message: str
) -> None:
    as_clips(values)
    values["input"]["color"] = "RGB"
    build_manifest(values)
    change(values, path, value)
    with pytest.raises(ManifestError, match=message):
        build_manifest(values)


def test_single_pictures_have_no_frame_rate_and_follow_nobody(
    values: Values, change: Change
) -> None:
    change(values, "input.fps", 8.0)
    with pytest.raises(ManifestError, match="and for no other"):
        build_manifest(values)
    del values["input"]["fps"]
    change(values, "decoder", {"name": "clip_logits"})
    values |= {"role": "behaviour", "labels": ["walk"]}
    change(values, "input.resize", {"mode": "stretch"})
    with pytest.raises(ManifestError, match="NTCHW for decoder clip_logits"):
        build_manifest(values)
