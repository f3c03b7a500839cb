"""What is wrong with a factory, its weights or the network itself, by name."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.errors import EdgewardenError, ModelError, UsageError
from export.sources.base import SourceRequest
from export.sources.loading import load_source

NOISE, PICTURE = {"z": (None, 16)}, {"picture": (None, 3, 16, 16)}
MODULE = "tests.frameworks.networks"

Network = Callable[..., SourceRequest]
Save = Callable[..., Path]


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def refusal(request: SourceRequest, kind: type[EdgewardenError], *words: str) -> EdgewardenError:
    with pytest.raises(kind) as caught:
        load_source(request)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("networks", ("MODULE:FUNCTION",)),
        (f"{MODULE}:", ("MODULE:FUNCTION",)),
        ("no.such.training:generator", ("no.such.training does not import", "No module")),
        (f"{MODULE}:Dcgn", ("no function 'Dcgn'", "Dcgan")),
        (f"{MODULE}:LATENT", ("LATENT, a int",)),
        (f"{MODULE}:broken_factory", ("broken_factory failed", "no such layer")),
        (f"{MODULE}:not_a_network", ("made no network", "found str")),
        (f"{MODULE}:trained", ("trained failed", "missing 1 required")),
    ],
)
def test_a_factory_that_makes_no_network(
    factory: str, words: tuple[str, ...], network: Network
) -> None:
    refusal(network("Gan", NOISE, factory=factory), UsageError, *words)


def test_a_factory_is_not_exported_untrained(network: Network) -> None:
    refusal(network("Gan", NOISE, weights=None), UsageError, "--weights", "a factory alone")


def test_shapes_have_to_be_stated(network: Network) -> None:
    refusal(network("Gan", {}), UsageError, "--input z=?x100")


def test_an_input_of_an_unknown_type(network: Network) -> None:
    refusal(network("Gan", NOISE, dtypes={"z": "complex64"}), UsageError, "complex64", "float32")


def test_a_shape_that_the_network_does_not_take(network: Network) -> None:
    refusal(network("Gan", {"z": (None, 17)}), ModelError, "cannot trace", "17")


def test_a_model_file_and_a_factory(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    refusal(network("Gan", NOISE, path=path), UsageError, "two models", str(path))


def test_weights_of_other_names(network: Network, save_weights: Save) -> None:
    def renamed(state: dict[str, Any]) -> dict[str, Any]:
        return {("extra" if key == "layers.0.bias" else key): value for key, value in state.items()}

    weights = save_weights("Gan", renamed)
    refusal(
        network("Gan", NOISE, weights=weights),
        ModelError,
        "missing: layers.0.bias; unexpected: extra",
    )


def test_weights_of_other_shapes(network: Network, save_weights: Save) -> None:
    weights = save_weights("OneHotGan")
    request = network("IndexedGan", NOISE, weights=weights)
    refusal(
        request,
        ModelError,
        "missing: embedding.weight",
        "of another shape: rest.layers.0.weight [26, 16, 4, 4] instead of [24, 16, 4, 4]",
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(
    value: float, torch: Any, network: Network, save_weights: Save
) -> None:
    def diverged(state: dict[str, Any]) -> dict[str, Any]:
        state["layers.3.weight"][0, 0] = value
        return state

    weights = save_weights("Gan", diverged)
    refusal(network("Gan", NOISE, weights=weights), ModelError, "NaN", "layers.3.weight")


def test_weights_that_are_pickled_code(torch: Any, network: Network, tmp_path: Path) -> None:
    target, weights = tmp_path / "ran", tmp_path / "bomb.pt"
    torch.save({"state_dict": Bomb(target)}, weights)
    refusal(network("Gan", NOISE, weights=weights), ModelError, "run code", "mkdir")
    weights.write_bytes(pickle.dumps(Bomb(target), protocol=2))
    refusal(network("Gan", NOISE, weights=weights), ModelError, "run code", "mkdir")
    assert not target.exists()


def test_weights_that_are_the_whole_network(
    torch: Any, networks: Any, network: Network, tmp_path: Path
) -> None:
    weights = tmp_path / "whole.pt"
    torch.save(networks.Gan(), weights)
    error = refusal(network("Gan", NOISE, weights=weights), ModelError, f"{MODULE}.Gan")
    assert "torch.save(model.state_dict(), FILE)" in error.remedy


def test_weights_that_are_cut_off(network: Network, save_weights: Save) -> None:
    weights = save_weights("Gan")
    weights.write_bytes(weights.read_bytes()[:-600])
    refusal(network("Gan", NOISE, weights=weights), ModelError, "no whole file of torch.save")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06" + bytes(18)])
def test_weights_that_are_nothing(content: bytes, network: Network, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes(content)
    refusal(network("Gan", NOISE, weights=weights), ModelError, "no whole file of torch.save")


def test_weights_that_are_not_there(network: Network, tmp_path: Path) -> None:
    refusal(network("Gan", NOISE, weights=tmp_path / "no.pt"), UsageError, "cannot be read")


def test_weights_that_fit_twice(network: Network, save_weights: Save) -> None:
    weights = save_weights("Gan", lambda state: {"generator": state, "discriminator": dict(state)})
    refusal(
        network("Gan", NOISE, weights=weights),
        ModelError,
        "several weights that fit",
        "'generator' of the file, 'discriminator' of the file",
    )


def test_weights_of_another_part_of_the_training(network: Network, save_weights: Save) -> None:
    weights = save_weights("Discriminator", lambda state: {"model": state, "epoch": 3})
    refusal(network("Gan", NOISE, weights=weights), ModelError, "nearest: 'model' of the file")


@pytest.mark.parametrize("held", [{}, [1, 2], {"epoch": 3}])
def test_weights_without_a_tensor(held: Any, torch: Any, network: Network, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    torch.save(held, weights)
    refusal(network("Gan", NOISE, weights=weights), ModelError, "no state_dict")


@pytest.mark.parametrize(
    ("factory", "inputs", "words"),
    [
        ("AlwaysDropping", NOISE, ("as it does in training", "dropout")),
        ("BatchTaught", NOISE, ("as it does in training", "batch_norm")),
        ("SamplingVae", PICTURE, ("something else for the same input", "picture")),
        ("Inverse", NOISE, ("as ONNX", "_linalg_eigh")),
        ("Nested", NOISE, ("something else than tensors", "list as pyramid")),
    ],
)
def test_a_network_that_cannot_be_a_bundle(
    factory: str, inputs: dict[str, Any], words: tuple[str, ...], network: Network
) -> None:
    refusal(network(factory, inputs), ModelError, *words)


def test_names_that_are_too_many_or_taken(network: Network) -> None:
    refusal(
        network("Encoder", PICTURE, output_names=("mean",)), UsageError, "2: mean, log_variance"
    )
    refusal(network("Vae", PICTURE), UsageError, "one name", "picture, picture")
    refusal(network("Encoder", PICTURE, keep_outputs=("median",)), UsageError, "median")


def test_torch_files_that_are_no_programs(
    torch: Any, networks: Any, save_weights: Save, tmp_path: Path
) -> None:
    weights = save_weights("Gan")
    refusal(SourceRequest(path=weights), ModelError, "torch.save", "--factory")
    script = tmp_path / "script.pt"
    with pytest.warns(DeprecationWarning, match="jit"):
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(script))
    refusal(SourceRequest(path=script), ModelError, "TorchScript, which is code")
    old = tmp_path / "old.pt"
    torch.save({"a": torch.zeros(1)}, old, _use_new_zipfile_serialization=False)
    refusal(SourceRequest(path=old), ModelError, "a pickle")
    other = tmp_path / "pictures.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.png", b"")
    refusal(SourceRequest(path=other), ModelError, "something else", "a.png")
    other.write_bytes(other.read_bytes()[:-5])
    refusal(SourceRequest(path=other), ModelError, "no whole archive")
