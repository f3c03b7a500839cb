"""INT8 of real models, calibrated, searched and judged on parts of real clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge.bundle import open_bundle
from edge.cli import main
from edge.runner.golden import replay
from edge.runner.onnxruntime import OnnxRuntimeRunner

INT8 = ("int8-cpu", "int8-trt", "int8-trt8")
MODELS = {
    "yunet": "yunet_n_dynamic.onnx",
    "reid-0095": "face-reidentification-retail-0095.onnx",
}
CLIPS = (
    *("asl_again", "asl_bird", "asl_book", "asl_brother", "asl_help", "asl_learn"),
    *("asl_milk", "asl_no", "asl_walk"),
)
# Clips of their own, and whether the person in them is the one who is enrolled.
WHO = {"student": True, "thanks": False, "school": False}
SITE = """[site]
id = "t"
node = "n"
state_dir = "state"
cache_dir = "cache"
[models]
detector = "{detector}"
recogniser = "{recogniser}"
require_signed = false
"""


class Made(NamedTuple):
    """A bundle and the report of making it."""

    path: Path
    report: dict[str, Any]

    def variant(self, name: str) -> dict[str, Any]:
        (found,) = (one for one in self.report["variants"] if one["id"] == name)
        return dict(found)


def _export(assets: Path, folder: Path, template: str, *words: str) -> Made:
    report = folder / f"{template}.json"
    model = str(assets / "models" / MODELS[template])
    command = ["export", model, "--template", template, "--out", str(folder / template)]
    assert main([*command, "--report", str(report), *words]) == 0
    return Made(folder / template, json.loads(report.read_text()))


@pytest.fixture(scope="module")
def made(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """Both models with INT8 from a few pictures of the clips."""
    folder = tmp_path_factory.mktemp("int8")
    clips = [str(assets / "videos" / f"{clip}.mkv") for clip in CLIPS]
    detector = folder / "detector"
    model = str(assets / "models" / MODELS["yunet"])
    assert main(["bundle", "new", model, "--template", "yunet", "--out", str(detector)]) == 0
    words = ("--int8", "--calibrate", *clips, "--images", "40", "--detector", str(detector))
    return {template: _export(assets, folder, template, *words) for template in MODELS}


@pytest.mark.parametrize("template", MODELS)
def test_every_int8_form_has_a_state_and_a_reason_for_it(
    made: dict[str, Made], template: str
) -> None:
    one = made[template]
    parts = [one.report[key] for key in ("calibration", "searched_on", "judged_on")]
    assert len({part["sha256"] for part in parts}) == 3
    for name in INT8:
        variant = one.variant(name)
        assert variant["state"] in ("accepted", "candidate", "refused")
        assert (variant["state"] == "refused") == bool(variant["reason"])
        assert variant["accuracy"]["samples"] == parts[2]["count"]
        if variant["accuracy"]["verdict"] != "passed":
            assert variant["state"] == "refused"
            assert any(
                bound["name"] in variant["reason"] for bound in variant["accuracy"]["bounds"]
            )
    cpu = one.variant("int8-cpu")
    if cpu["state"] == "accepted":
        assert cpu["speed"]["speed_up_quartiles"][0] > 1


@pytest.mark.parametrize("template", MODELS)
def test_the_files_for_tensorrt_break_no_rule(made: dict[str, Made], template: str) -> None:
    folder = made[template].path
    assert main(["bundle", "check-trt", str(folder / "int8-trt.onnx"), "--for", "10"]) == 0
    assert main(["bundle", "check-trt", str(folder / "int8-trt8.onnx"), "--for", "8"]) == 0


@pytest.mark.parametrize("template", MODELS)
def test_every_usable_form_replays_its_golden_outputs(made: dict[str, Made], template: str) -> None:
    bundle = open_bundle(made[template].path, require_signed=False)
    for variant in bundle.manifest.variants:
        if variant.state == "refused":
            continue
        assert variant.golden_tolerance is not None
        with OnnxRuntimeRunner(bundle.read(variant.file), name=variant.id) as runner:
            assert replay(runner, *bundle.golden(), variant.golden_tolerance.max_abs).passed


def test_the_recognisers_int8_is_smaller_and_near(made: dict[str, Made]) -> None:
    """What the clips can show is small; that the ranges are not wrong they do."""
    one = made["reid-0095"]
    assert any("LeakyReLU" in step for step in one.report["source"]["steps"])
    cpu = one.variant("int8-cpu")
    (mean,) = (bound for bound in cpu["accuracy"]["bounds"] if bound["name"] == "cosine mean")
    assert mean["value"] > 0.98
    assert cpu["bytes"] < one.variant("fp32")["bytes"] / 2


def test_the_right_person_is_named_with_what_the_camera_chooses(
    assets: Path, made: dict[str, Made], tmp_path: Path
) -> None:
    """One of three people is enrolled; clips that nothing was calibrated on show all three."""
    reid = made["reid-0095"]
    chosen = open_bundle(reid.path, require_signed=False).choose(runners=("onnxruntime",))
    if reid.variant("int8-cpu")["state"] == "refused":
        assert chosen.variant.id == "fp32"
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(detector=made["yunet"].path, recogniser=reid.path))
    config = ["--config", str(site)]
    clip = {name: str(assets / "videos" / f"asl_{name}.mkv") for name in ("again", *WHO)}
    assert main(["enrol", "x", clip["again"], *config, "--consent", "sample video"]) == 0
    events = tmp_path / "events.jsonl"
    replayed = [clip[name] for name in WHO]
    assert main(["replay", *replayed, *config, "--events", str(events)]) == 0
    named: dict[str, set[str]] = {name: set() for name in WHO}
    for line in map(json.loads, events.read_text().splitlines()):
        if ".face." in line["type"] and line["data"]["phase"] == "ended":
            (name,) = (name for name in WHO if name in line["source"])
            named[name].add(line["data"]["person"] or "")
    assert {name: "x" in people for name, people in named.items()} == WHO
