"""The training loop: seeded, taken up again exactly, and of files that are there whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs PyTorch: run scripts/test-frameworks")
import torch

from edge.errors import GpuError, ModelError, OutputError, UsageError
from export.reference.recipes import training
from export.reference.recipes.dcgan import DcganLearner
from export.reference.recipes.settings import FULL, TOY, DcganSettings, recipe_hash
from export.reference.recipes.training import train

pytestmark = pytest.mark.usefixtures("one_thread")


TWENTY = replace(TOY["dcgan"], steps=20)


def held(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(folder / training.CHECKPOINT, weights_only=True)
    return found


def require_equal(first: Any, second: Any) -> None:
    """Nested values, to the last bit."""
    assert type(first) is type(second)
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert list(first) == list(second)
        for name, value in first.items():
            if name != "seconds":
                require_equal(value, second[name])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            require_equal(one, other)
    else:
        assert first == second


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> training.Training:
    """Twenty steps in one go."""
    done = train("dcgan", TWENTY, tmp_path_factory.mktemp("whole"))
    assert done is not None
    return done


def test_ten_steps_a_pause_and_ten_more_are_twenty_steps(
    whole: training.Training, tmp_path: Path
) -> None:
    assert train("dcgan", TWENTY, tmp_path, stop_after=10) is None
    folder = tmp_path / "dcgan"
    assert held(folder)["course"]["step"] == 10
    assert not (folder / training.WEIGHTS).exists()
    torch.rand(3)  # what happens in between has no say
    done = train("dcgan", TWENTY, tmp_path, resume=True)
    assert done is not None
    require_equal(held(folder), held(whole.folder))
    assert done.weights == whole.weights
    assert done.figures == whole.figures
    for name in (training.SAMPLES, training.LOSSES):
        assert (folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_another_seed_is_another_training(whole: training.Training, tmp_path: Path) -> None:
    other = train("dcgan", replace(TWENTY, seed=1), tmp_path)
    assert other is not None
    assert other.weights != whole.weights
    assert other.data != whole.data


def test_the_files_say_what_was_done(whole: training.Training) -> None:
    summary = json.loads((whole.folder / training.SUMMARY).read_text())
    assert summary["recipe"] == recipe_hash("dcgan", TWENTY)
    assert summary["settings"]["steps"] == 20
    assert set(summary["losses"]) == {"discriminator", "generator"}
    for name in (training.SAMPLES, training.LOSSES):
        picture = cv2.imread(str(whole.folder / name))
        assert picture is not None
        assert np.ptp(picture) > 100
    weights = torch.load(whole.folder / training.WEIGHTS, weights_only=True)
    require_equal(dict(held(whole.folder)["networks"]["average"]), weights)
    assert held(whole.folder)["course"]["shown"] == list(range(20))


def test_training_leaves_torch_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    train("dcgan", TOY["dcgan"], tmp_path)
    assert torch.equal(torch.rand(2), wanted)
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_training_is_not_written_over(whole: training.Training) -> None:
    before = (whole.folder / training.CHECKPOINT).read_bytes()
    with pytest.raises(OutputError, match="--resume"):
        train("dcgan", TWENTY, whole.folder.parent)
    assert (whole.folder / training.CHECKPOINT).read_bytes() == before


def test_only_what_was_begun_is_gone_on_with(whole: training.Training, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no training to go on with"):
        train("dcgan", TWENTY, tmp_path, resume=True)
    with pytest.raises(UsageError, match="another recipe"):
        train("dcgan", replace(TWENTY, rate=1e-3), whole.folder.parent, resume=True)


@pytest.mark.parametrize("spoil", ["cut", "pickle", "text", "other"])
def test_a_spoilt_checkpoint_is_refused(
    whole: training.Training, tmp_path: Path, spoil: str
) -> None:
    path = tmp_path / "dcgan" / training.CHECKPOINT
    path.parent.mkdir()
    good = (whole.folder / training.CHECKPOINT).read_bytes()
    if spoil == "pickle":
        torch.save({"format": 1, "recipe": Path("x")}, path)
    elif spoil == "other":
        torch.save({"weights": torch.zeros(2)}, path)
    else:
        path.write_bytes(good[: len(good) // 2] if spoil == "cut" else b"hello")
    with pytest.raises(UsageError, match="no whole checkpoint"):
        train("dcgan", TWENTY, tmp_path, resume=True)


@pytest.mark.parametrize("device", ["cuda:99", "abacus", "mps"])
def test_a_device_that_is_not_there_is_named(tmp_path: Path, device: str) -> None:
    with pytest.raises(GpuError, match="device"):
        train("dcgan", TOY["dcgan"], tmp_path, device=device)
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_no_number_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        DcganLearner, "step", lambda self, number: {"generator": torch.tensor(float("nan"))}
    )
    with pytest.raises(ModelError, match=r"'generator' is no number at step 0"):
        train("dcgan", TOY["dcgan"], tmp_path)
    assert not (tmp_path / "dcgan" / training.CHECKPOINT).exists()


def test_the_hash_tells_every_setting_apart_and_needs_no_order() -> None:
    settings = FULL["dcgan"]
    assert isinstance(settings, DcganSettings)
    changed = [
        replace(settings, **{name: getattr(settings, name) + 1})
        for name in settings.__dataclass_fields__
    ]
    hashes = {recipe_hash("dcgan", each) for each in (settings, *changed)}
    assert len(hashes) == len(changed) + 1
    assert recipe_hash("infogan", settings) not in hashes


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 1}, {"rate": -1.0}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        replace(TOY["dcgan"], **wrong)  # type: ignore[arg-type]  # on purpose
