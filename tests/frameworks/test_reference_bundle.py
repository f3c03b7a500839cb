"""From trainings to the bundles of the pack: what is refused, and what a bundle then says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnxscript", reason="needs PyTorch: run scripts/test-frameworks")
pytest.importorskip("torch", reason="needs PyTorch: run scripts/test-frameworks")

from edge.bundle import open_bundle
from edge.errors import UsageError
from edge.pack import NAMES, contents
from edge.runner.golden import replay
from edge.runner.onnxruntime import OnnxRuntimeRunner
from export.reference.pack.making import make_pack
from export.reference.pack.pictures import render
from export.reference.pack.plans import PLANS, plans_of
from export.reference.pack.trained import read_training
from export.reference.recipes.settings import FULL, TOY, recipe_hash
from export.reference.recipes.training import train

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toys of the detector and of the conditional GAN."""
    folder = tmp_path_factory.mktemp("trainings")
    for name in ("detector", "cgan"):
        assert train(name, TOY[name], folder) is not None
    return folder


@pytest.fixture
def spoilt(trainings: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(trainings, tmp_path / "spoilt")
    return tmp_path / "spoilt"


def change(folder: Path, key: str, value: object) -> None:
    path = folder / "summary.json"
    said = json.loads(path.read_text()) | {key: value}
    path.write_text(json.dumps(said))


def test_a_training_is_held_against_its_recipe(trainings: Path, spoilt: Path) -> None:
    found = read_training(trainings, "cgan", toy=True)
    assert found.recipe == recipe_hash("cgan", TOY["cgan"])
    with pytest.raises(UsageError, match=r"expected the full recipe.*found the toy recipe"):
        read_training(trainings, "cgan")
    change(spoilt / "cgan", "recipe", recipe_hash("cgan", FULL["cgan"]))
    with pytest.raises(UsageError, match=r"expected the toy recipe.*found the full recipe"):
        read_training(spoilt, "cgan", toy=True)
    change(spoilt / "cgan", "recipe", "0" * 64)
    with pytest.raises(UsageError, match=r"found 000000000000.*Train it again"):
        read_training(spoilt, "cgan", toy=True)


def test_what_is_missing_or_damaged_is_refused_with_a_remedy(spoilt: Path) -> None:
    with pytest.raises(UsageError, match=r"no training of vae.*found none.*reference train vae"):
        read_training(spoilt, "vae", toy=True)
    (spoilt / "cgan" / "weights.pt").write_bytes(b"others")
    with pytest.raises(UsageError, match="not the weights that were trained there"):
        read_training(spoilt, "cgan", toy=True)
    change(spoilt / "cgan", "figures", [])
    with pytest.raises(UsageError, match="no training's summary"):
        read_training(spoilt, "cgan", toy=True)
    (spoilt / "cgan" / "summary.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        read_training(spoilt, "cgan", toy=True)
    (spoilt / "cgan" / "summary.json").unlink()
    with pytest.raises(UsageError, match="found one that is not done"):
        read_training(spoilt, "cgan", toy=True)


def test_nothing_is_made_where_one_training_does_not_serve(trainings: Path, tmp_path: Path) -> None:
    plans = plans_of(("world-clips", "world-scenes"))
    with pytest.raises(UsageError, match="no training of vae"):
        make_pack(plans, trainings, tmp_path / "pack", toy=True)
    assert not (tmp_path / "pack").exists()


def test_plans_are_those_of_the_pack() -> None:
    assert plans_of(()) == PLANS
    assert [plan.name for plan in plans_of(("world-scenes", "world-face"))] == [
        "world-face",
        "world-scenes",
    ]
    with pytest.raises(UsageError, match=r"world-face.*found yunet"):
        plans_of(("yunet",))
    assert [plan.name for plan in PLANS] == list(NAMES)


def test_frames_to_calibrate_on_come_with_their_truth(tmp_path: Path) -> None:
    pictures = render("people", tmp_path, count=2, size=(128, 96))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(pictures.truth)
    assert len(pictures.truth) == 8
    boxes = [box for one in pictures.truth.values() for box in one.boxes.tolist()]
    assert boxes
    assert all(x1 < x2 <= 140 and y1 < y2 <= 110 for x1, y1, x2, y2 in boxes)


@pytest.mark.slow
def test_a_bundle_says_what_it_was_made_of(trainings: Path, tmp_path: Path) -> None:
    told: list[Any] = []
    plans = plans_of(("world-person", "world-clips"))
    for _ in range(2):  # the second takes the place of the first
        made = make_pack(
            plans, trainings, tmp_path, toy=True, int8=False, count=4, done=told.append
        )
    assert told[-2:] == made
    listed = contents(tmp_path).bundles
    assert sorted(listed) == ["world-clips", "world-person"]
    for name, packed in listed.items():
        found = open_bundle(tmp_path / "bundles" / name, require_signed=False)
        manifest = found.manifest
        assert found.sha256 == packed.sha256
        assert (manifest.name, manifest.license, manifest.training) == (
            name,
            "Apache-2.0",
            "verified",
        )
        assert packed.recipe_sha256 == recipe_hash(packed.recipe, TOY[packed.recipe])
        assert packed.recipe_sha256 in manifest.provenance.source
        assert "no recognition of real people" in manifest.provenance.source
        golden = found.golden()
        for variant in manifest.variants:
            assert variant.golden_tolerance is not None
            with OnnxRuntimeRunner(found.read(variant.file), name=name) as runner:
                assert replay(runner, *golden, variant.golden_tolerance.max_abs).passed
    clips = open_bundle(tmp_path / "bundles" / "world-clips", require_signed=False).golden()
    assert clips.outputs["output"].shape == (1, 16, 3, 48, 48)
    assert sorted(path.name for path in (tmp_path / "bundles").iterdir()) == sorted(listed)
