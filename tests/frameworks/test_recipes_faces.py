"""The recipes that learn from faces: what they step, and that they export as they are trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs PyTorch: run scripts/test-frameworks")
import torch

from edge.bundle import open_bundle
from edge.cli import main
from export.reference.recipes import training
from export.reference.recipes.data import Batches, to_pictures, to_tensor
from export.reference.recipes.dcgan import DcganLearner
from export.reference.recipes.faces import HELD_OUT, crops
from export.reference.recipes.infogan import InfoganLearner
from export.reference.recipes.recogniser import RecogniserLearner
from export.reference.recipes.settings import (
    TOY,
    DcganSettings,
    InfoganSettings,
    RecogniserSettings,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def settings(name: str, kind: type[Any]) -> Any:
    found = TOY[name]
    assert isinstance(found, kind)
    return found


def weights(network: Any) -> list[Any]:
    return [weight.clone() for weight in network.parameters()]


def moved(network: Any, before: list[Any]) -> bool:
    return any(not torch.equal(*pair) for pair in zip(network.parameters(), before, strict=True))


def test_each_of_a_gans_networks_is_moved_by_its_own_optimiser_alone() -> None:
    torch.manual_seed(1)
    learner = DcganLearner(settings("dcgan", DcganSettings), "cpu")
    maker, critic = learner.networks["generator"], learner.networks["discriminator"]
    steps = {name: optimiser.step for name, optimiser in learner.optimisers.items()}
    for name, other in (("generator", critic), ("discriminator", maker)):
        own = learner.networks[name]
        for each in steps:
            learner.optimisers[each].step = steps[each] if each == name else lambda: None
        before, others = weights(own), weights(other)
        learner.step(0)
        assert moved(own, before), name
        assert not moved(other, others), name


def test_a_step_of_the_generator_makes_its_pictures_seem_more_real() -> None:
    torch.manual_seed(2)
    learner = DcganLearner(settings("dcgan", DcganSettings), "cpu")
    critic, maker = learner.networks["discriminator"], learner.networks["generator"]
    learner.optimisers["discriminator"].step = lambda: None
    learner.optimisers["generator"].param_groups[0]["lr"] = 1e-3
    z = torch.randn(16, 8)
    with torch.no_grad():
        before = float(critic(maker(z)).mean())
    for number in range(20):
        learner.step(number)
    with torch.no_grad():
        assert float(critic(maker(z)).mean()) > before


def test_codes_reach_the_pictures_and_q_shares_no_weights_with_d() -> None:
    torch.manual_seed(3)
    learner = InfoganLearner(settings("infogan", InfoganSettings), "cpu")
    owned = [
        {id(weight) for group in optimiser.param_groups for weight in group["params"]}
        for optimiser in learner.optimisers.values()
    ]
    assert owned[0].isdisjoint(owned[1])
    before = weights(learner.networks["reader"])
    learner.step(0)
    assert moved(learner.networks["reader"], before)
    maker = learner.networks["generator"].eval()
    z = torch.randn(1, 8).repeat(8, 1)
    pictures = maker(z, torch.eye(8), torch.zeros(8, 2))
    assert float((pictures[1:] - pictures[0]).detach().abs().amax(dim=(1, 2, 3)).min()) > 0


def test_a_recogniser_learns_who_is_who() -> None:
    torch.manual_seed(4)
    learner = RecogniserLearner(settings("recogniser", RecogniserSettings), "cpu")
    first = float(learner.step(0)["margin"].detach())
    for number in range(1, 30):
        last = float(learner.step(number % 4)["margin"].detach())
    assert last < first


def test_faces_are_the_same_for_the_same_seed_and_people_are_kept_apart() -> None:
    first, second = (crops(3, 2, 2, seed=5) for _ in range(2))
    assert first.shape == (4, 64, 64, 3)
    assert (first == second).all()
    assert (crops(4, 1, 2, seed=5) == first[2:]).all()
    assert max(s.people for s in TOY.values() if hasattr(s, "people")) < HELD_OUT


def test_colours_are_turned_for_the_network_and_back() -> None:
    picture = np.zeros((1, 2, 2, 3), np.uint8)
    picture[..., 0] = 255  # blue
    values = to_tensor(picture, "cpu")
    assert values.shape == (1, 3, 2, 2)
    assert values[0, :, 0, 0].tolist() == [-1.0, -1.0, 1.0]
    assert (to_pictures(values) == picture).all()


def test_every_sample_is_taken_once_in_an_epoch_and_in_another_order_in_the_next() -> None:
    batches = Batches(10, 3, seed=1)
    first, second = ([batches.at(step) for step in range(start, start + 3)] for start in (0, 3))
    assert len({*np.concatenate(first).tolist()}) == 9
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))
    assert np.array_equal(Batches(10, 3, seed=1).at(4), second[1])  # whatever was asked before
    with pytest.raises(ValueError, match="3 samples or more"):
        Batches(2, 3, seed=1)


EXPORTS = {
    "dcgan": ("--input z=?x8 --latent z", 8, None),
    "infogan": (
        "--input z=?x8 --input category=?x8 --input code=?x2 --latent z,code:uniform "
        "--condition category=a,b,c,d,e,f,g,h",
        10,
        tuple("abcdefgh"),
    ),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toys of every face recipe, by the command."""
    out = tmp_path_factory.mktemp("trained")
    assert main(["reference", "train", "dcgan", "infogan", "--toy", "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("name", EXPORTS)
def test_a_trained_generator_becomes_a_bundle_that_is_verified(
    trained: Path, tmp_path: Path, name: str
) -> None:
    inputs, latent, labels = EXPORTS[name]
    command = ["export", "--factory", f"export.reference.recipes.{name}:toy", *inputs.split()]
    command += ["--weights", str(trained / name / training.WEIGHTS), "--role", "synthesiser"]
    command += ["--reference", str(trained / name / training.REFERENCE)]
    assert main([*command, "--out", str(tmp_path / "b")]) == 0
    manifest = open_bundle(tmp_path / "b", require_signed=False).manifest
    assert manifest.training == "verified"
    assert manifest.outputs[0].range == (-1.0, 1.0)
    assert manifest.latent is not None
    assert manifest.latent.dim == latent
    assert (manifest.condition.labels if manifest.condition else None) == labels


def test_other_weights_than_were_trained_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(trained / "dcgan" / training.WEIGHTS, weights_only=True)
    torch.manual_seed(9)
    torch.save({name: value + 0.3 * torch.rand_like(value.float()) for name, value in state.items()
                if value.is_floating_point()} | {name: value for name, value in state.items()
                if not value.is_floating_point()}, tmp_path / "other.pt")  # fmt: skip
    command = ["export", "--factory", "export.reference.recipes.dcgan:toy", "--input", "z=?x8"]
    command += ["--weights", str(tmp_path / "other.pt"), "--role", "synthesiser"]
    command += ["--reference", str(trained / "dcgan" / training.REFERENCE)]
    assert main([*command, "--out", str(tmp_path / "b")]) == 2
    assert "reinitialised weights" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_the_command_says_what_it_did_and_goes_on_where_it_stopped(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["reference", "train", "recogniser", "--toy", "--out", str(tmp_path), "--json"]
    assert main(command) == 0
    [summary] = json.loads(capsys.readouterr().out)["trainings"]
    assert summary["name"] == "recogniser"
    assert {"auc", "eer", "impostor_pairs"} <= set(summary["figures"])
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["trainings"][0]["weights"] == summary["weights"]


def test_the_command_refuses_what_it_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["reference", "train", "gpt", "--out", str(tmp_path)])
    assert left.value.code == 2
    assert "recogniser" in capsys.readouterr().err
    command = ["reference", "train", "dcgan", "--toy", "--out", str(tmp_path), "--device", "cuda:9"]
    assert main(command) == 2
    assert "cuda" in capsys.readouterr().err
