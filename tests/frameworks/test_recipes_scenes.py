"""The recipes that learn from scenes and clips, and that all of them go on where they stopped."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs PyTorch: run scripts/test-frameworks")
import torch

from edge.bundle import open_bundle
from edge.cli import main
from edge.manifest import YunetDecoder
from edge.vision.heads.base import grid_of
from edge.vision.heads.yunet import YunetHead
from export.reference.recipes import training
from export.reference.recipes.behaviour import BehaviourNet, by_class, varied
from export.reference.recipes.cgan import CganLearner
from export.reference.recipes.clips import FRAMES, SIDE, clips
from export.reference.recipes.detector import DetectorLearner, Faces, mirrored
from export.reference.recipes.registry import NAMES
from export.reference.recipes.scenes import frames, views_of, windows
from export.reference.recipes.settings import FULL, TOY, CganSettings, DetectorSettings
from export.reference.recipes.targets import STRIDES, assign
from export.reference.recipes.training import train
from export.reference.world.samples import DetectorSample

pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_recipe_has_both_sizes() -> None:
    assert set(FULL) == set(TOY) == set(NAMES)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toys of every recipe that learns from scenes or clips, each in one go."""
    out = tmp_path_factory.mktemp("trained")
    for name in ("vae", "behaviour", "cgan", "detector"):
        assert train(name, TOY[name], out) is not None
    return out


@pytest.mark.parametrize("name", ["vae", "behaviour", "cgan", "detector"])
def test_a_recipe_goes_on_where_it_stopped(trained: Path, tmp_path: Path, name: str) -> None:
    assert train(name, TOY[name], tmp_path, stop_after=2) is None
    assert train(name, TOY[name], tmp_path, resume=True) is not None
    first, second = (folder / name / training.WEIGHTS for folder in (trained, tmp_path))
    assert first.read_bytes() == second.read_bytes()


EXPORTS = {
    "vae": ("vae:toy", "--template autoencoder --input input=?x3x48x64 --output-names output"),
    "faces": (
        "detector:toy_faces",
        "--template yunet --input input=?x3x96x128 --color RGB --mean 127.5 --scale 0.00784313",
    ),
    "people": (
        "detector:toy_people",
        "--template yolox --input input=?x3x96x128 --color RGB --mean 127.5 --scale 0.00784313 "
        "--labels person",
    ),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_a_trained_network_becomes_a_bundle(trained: Path, tmp_path: Path, name: str) -> None:
    factory, rest = EXPORTS[name]
    folder = trained / factory.partition(":")[0]
    command = ["export", "--factory", f"export.reference.recipes.{factory}", *rest.split()]
    command += ["--weights", str(folder / training.WEIGHTS), "--out", str(tmp_path / "b")]
    if name != "people":
        command += ["--reference", str(folder / training.REFERENCE)]
    assert main(command) == 0
    manifest = open_bundle(tmp_path / "b", require_signed=False).manifest
    assert manifest.training == ("unverified" if name == "people" else "verified")


def test_frames_tell_which_of_them_show_something_wrong() -> None:
    pictures, kinds = frames(4, 2, views=2, size=(64, 48), seed=3, wrong=True)
    assert pictures.shape == (8, 48, 64, 3)
    assert set(kinds[2:4]) <= {-1, 0}
    assert set(kinds[6:]) <= {-1, 1}
    assert (kinds[2:] >= 0).any()
    assert (kinds[[0, 1, 4, 5]] == -1).all()
    assert (frames(2, 2, views=2, size=(64, 48), seed=3)[1] == -1).all()
    assert views_of(4, 2, views=2).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert windows(6, 3, 2) == [(0, 2), (1, 3), (3, 5), (4, 6)]


def test_clips_come_in_turn_and_are_the_same_for_the_same_seed() -> None:
    first, labels = clips(1, seed=4)
    assert first.shape == (7, FRAMES, SIDE, SIDE, 3)
    assert labels.tolist() == list(range(7))
    assert (clips(1, seed=4)[0] == first).all()


def test_a_classifier_sees_the_order_of_frames() -> None:
    torch.manual_seed(1)
    net = BehaviourNet(4).eval()
    clip = torch.rand(2, FRAMES, 3, SIDE, SIDE)
    assert not torch.allclose(net(clip), net(clip.flip(1)))


def test_what_is_varied_stays_one_clip() -> None:
    torch.manual_seed(1)
    still = torch.rand(3, 1, 3, SIDE, SIDE).mul(1.2).sub(1).repeat(1, FRAMES, 1, 1, 1)
    moved = varied(still)
    assert moved.shape == still.shape
    assert torch.equal(moved, moved[:, :1].expand_as(moved))
    assert not torch.equal(moved, still)


def test_figures_of_each_behaviour_are_counted_by_hand() -> None:
    right = np.asarray([0, 0, 0, 1, 1, 2])
    found = np.asarray([0, 0, 1, 1, 2, 2])
    figures = by_class(right, found)
    assert figures["accuracy"] == pytest.approx(4 / 6)
    assert figures["walk_precision"] == 1.0
    assert figures["walk_recall"] == pytest.approx(2 / 3)
    assert figures["run_f1"] == pytest.approx(0.5)
    assert figures["macro_f1"] == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)


def test_both_networks_of_a_conditional_gan_see_the_behaviour() -> None:
    torch.manual_seed(5)
    settings = TOY["cgan"]
    assert isinstance(settings, CganSettings)
    learner = CganLearner(settings, "cpu")
    maker, critic = (learner.networks[name].eval() for name in ("generator", "discriminator"))
    kinds, z = torch.eye(7), torch.randn(1, 8).repeat(7, 1)
    made = maker(z, kinds)
    assert made.shape == (7, FRAMES, 3, SIDE, SIDE)
    assert float((made[1:] - made[0]).detach().abs().amax(dim=(1, 2, 3, 4)).min()) > 0
    scores = critic(made[:1].expand_as(made), kinds).detach()
    assert len(set(scores.flatten().tolist())) == 7


def cells_of(targets: Any, box: int) -> list[list[float]]:
    grid = grid_of((128, 96), STRIDES)
    own = targets.owner == box
    found: list[list[float]] = ((grid.corners[own] + 0.5) * grid.strides[own]).tolist()
    return found


def test_cells_around_the_middle_find_a_box_on_the_grid_of_its_size() -> None:
    boxes = np.asarray([[20, 20, 44, 44], [32, 0, 96, 64], [0, 0, 128, 96]], np.float32)
    targets = assign(boxes, np.zeros((0, 4), np.float32), (128, 96))
    # Middle (32, 32), stride 8: cells whose middles are at most 8 away.
    assert cells_of(targets, 0) == [[28, 28], [36, 28], [28, 36], [36, 36]]
    # Middle (64, 32), stride 16; and (64, 48), stride 32, where one away just counts.
    assert cells_of(targets, 1) == [[56, 24], [72, 24], [56, 40], [72, 40]]
    assert cells_of(targets, 2) == [[x, y] for y in (16, 48, 80) for x in (48, 80)]
    assert targets.counted.all()


def test_cells_in_what_is_ignored_do_not_count_unless_they_are_to_find_something() -> None:
    boxes = np.asarray([[20, 20, 44, 44]], np.float32)
    targets = assign(boxes, np.asarray([[0, 0, 48, 48]], np.float32), (128, 96))
    assert targets.counted[targets.owner == 0].all()
    grid = grid_of((128, 96), STRIDES)
    first = np.flatnonzero((grid.corners == 0).all(axis=1))
    assert not targets.counted[first].any()
    assert targets.counted.sum() > len(grid) / 2
    none = assign(np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32), (128, 96))
    assert none.counted.all()
    assert (none.owner == -1).all()


def test_in_a_mirror_left_is_right() -> None:
    image = np.zeros((4, 10, 3), np.uint8)
    image[:, 0] = 9
    points = np.asarray([[[2, 1], [4, 1], [3, 2], [2, 3], [4, 3]]], np.float32)
    box = np.asarray([[1, 0, 5, 4]], np.float32)
    sample = DetectorSample(image, box, box, points, box)
    turned = mirrored(sample)
    assert turned.faces.tolist() == [[5, 0, 9, 4]]
    assert turned.landmarks.tolist() == [[[6, 1], [8, 1], [7, 2], [6, 3], [8, 3]]]
    assert (turned.image[:, -1] == 9).all()
    assert (mirrored(turned).landmarks == points).all()


def test_what_a_detector_is_taught_is_what_the_runtime_reads() -> None:
    """Outputs that the losses call right, decoded as the camera decodes them, are the truth."""
    box = np.asarray([[20, 20, 44, 48]], np.float32)
    points = np.asarray([[[26, 30], [38, 30], [32, 36], [27, 42], [37, 42]]], np.float32)
    grid, targets = grid_of((128, 96), STRIDES), assign(box, box[:0], (128, 96))
    corners, strides = grid.corners, grid.strides
    middle, side = (box[0, :2] + box[0, 2:]) / 2, box[0, 2:] - box[0, :2]
    score = (targets.owner >= 0).astype(np.float32)[None, :, None]
    values = {
        1: score,
        4: np.concatenate([middle / strides - corners, np.log(side / strides)], axis=1)[None],
        10: (points / strides[:, None] - corners[:, None]).reshape(1, -1, 10),
    }
    ends = np.cumsum([0, *grid.lengths])
    outputs = [
        values[columns][:, start:end].astype(np.float32)
        for columns in (1, 1, 4, 10)
        for start, end in pairwise(ends.tolist())
    ]
    decoder = YunetDecoder(name="yunet", score=0.5, nms_iou=0.4, strides=STRIDES)
    [found] = YunetHead(decoder).decode(outputs, size=(128, 96), pictures=1, floor=0.5)
    assert len(found.boxes) == 4
    np.testing.assert_allclose(found.boxes, np.repeat(box, 4, axis=0), atol=1e-3)
    assert found.landmarks is not None
    np.testing.assert_allclose(found.landmarks, np.repeat(points, 4, axis=0), atol=1e-3)
    network = Faces(4).eval()(torch.zeros(1, 3, 96, 128))
    assert [tuple(value.shape) for value in network.values()] == [v.shape for v in outputs]


def test_a_detector_learns_a_few_frames() -> None:
    torch.manual_seed(6)
    settings = TOY["detector"]
    assert isinstance(settings, DetectorSettings)
    learner = DetectorLearner(replace(settings, steps=40), "cpu")
    found = [
        float(sum(loss.detach() for loss in learner.step(number).values())) for number in range(25)
    ]
    assert np.mean(found[-5:]) < 0.7 * np.mean(found[:5])
    assert learner.networks["people"].trunk is learner.networks["faces"].trunk
