"""Real models exported by one command each: they replay their golden outputs, and name the same
people as bundles made without export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.bundle import open_bundle
from edge.cli import main

MODELS = {
    "yunet": "yunet_n_dynamic.onnx",
    "reid-0095": "face-reidentification-retail-0095.onnx",
    "yolox": "yolox_nano.onnx",
    "landmarks-0009": "landmarks-regression-retail-0009.onnx",
    "minifasnet-2.7": "2.7_80x80_MiniFASNetV2.onnx",
    "minifasnet-4.0": "4_0_0_80x80_MiniFASNetV1SE.onnx",
    "subpixel-x3": "super_resolution_subpixel_x3_opset13.onnx",
}
CLIPS = ("asl_again.mkv", "asl_help.mkv", "asl_walk.mkv")
SITE = """[site]
id = "t"
node = "n"
state_dir = "state"
cache_dir = "cache"
[models]
detector = "yunet"
recogniser = "reid-0095"
require_signed = false
"""


def _make(command: tuple[str, ...], assets: Path, template: str, out: Path) -> None:
    model = assets / "models" / MODELS[template]
    words = [*command, str(model), "--template", template, "--out", str(out)]
    assert main(words) == 0


@pytest.mark.parametrize("template", MODELS)
def test_a_real_model_becomes_a_bundle_by_one_command(
    assets: Path, tmp_path: Path, template: str, capsys: Any
) -> None:
    out = tmp_path / template
    _make(("export",), assets, template, out)
    capsys.readouterr()
    assert main(["bundle", "verify", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    tolerance = open_bundle(out, require_signed=False).manifest.variants[0].golden_tolerance
    assert tolerance is not None
    assert result["golden_max_abs"] <= tolerance.max_abs


def _identities(assets: Path, folder: Path, command: tuple[str, ...]) -> dict[str, Any]:
    """The final identity of every track: enrolled from one clip, looked for in others."""
    folder.mkdir()
    for template in ("yunet", "reid-0095"):
        _make(command, assets, template, folder / template)
    site = folder / "site.toml"
    site.write_text(SITE)
    first, *others = [str(assets / "videos" / clip) for clip in CLIPS]
    config = ["--config", str(site)]
    assert main(["enrol", "x", first, *config, "--consent", "sample video"]) == 0
    events = folder / "events.jsonl"
    assert main(["replay", *others, *config, "--events", str(events)]) == 0
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    return {
        f"{line['source']} {line['subject']}": (line["type"], line["data"]["person"])
        for line in lines
        if ".face." in line["type"] and line["data"]["phase"] == "ended"
    }


def test_exported_bundles_name_the_same_people(assets: Path, tmp_path: Path) -> None:
    by_hand = _identities(assets, tmp_path / "by-hand", ("bundle", "new"))
    exported = _identities(assets, tmp_path / "exported", ("export",))
    assert exported == by_hand
    assert len(exported) >= len(CLIPS) - 1
    assert any(person == "x" for _, person in exported.values())
