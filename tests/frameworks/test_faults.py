"""Faults of published training scripts, put into real checkpoints and refused by name."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import ModelError
from edge.manifest import Manifest
from edge.runner.base import Runner
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.templates import template
from export.outputs import check_outputs, find_faults
from export.sources.base import SourceRequest
from export.sources.loading import load_source
from export.training_samples import check_reference
from tests.manifests import manifest_with

Export = Callable[..., Runner]


@pytest.fixture(scope="session")
def faulty(torch: Any) -> Any:
    return importlib.import_module("tests.frameworks.faulty")


@pytest.fixture
def export(torch: Any, faulty: Any, tmp_path: Path) -> Iterator[Export]:
    """``export("Small", network, label=…)``: saved, exported and loaded again."""
    with ExitStack() as stack:

        def make(factory: str, network: Any, *, label: bool = False) -> Runner:
            path = tmp_path / "weights.pt"
            torch.save(network.state_dict(), path)
            inputs = {"z": (None, 16), **({"label": (None, 10)} if label else {})}
            request = SourceRequest(
                factory=f"tests.frameworks.faulty:{factory}",
                weights=path,
                inputs=inputs,
                output_names=("image",),
            )
            source = stack.enter_context(load_source(request))
            return stack.enter_context(OnnxRuntimeRunner(source.model.SerializeToString()))

        yield make


def manifest(*, label: bool = False) -> Manifest:
    values = {
        **template("generator"),
        "latent": {"name": "z", "dim": 16, "distribution": "normal"},
        "outputs": [{"name": "image", "range": [-1, 1]}],
    }
    if label:
        labels = [str(index) for index in range(10)]
        values["condition"] = {"name": "label", "labels": labels, "encoding": "one_hot"}
    return manifest_with(values)


def faults(runner: Runner, *, label: bool = False) -> list[str]:
    return [fault.name for fault in find_faults(runner, manifest(label=label))]


def samples(torch: Any, network: Any) -> bytes:
    """What a training script saves at its end."""
    z = torch.randn(8, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        image = network.eval()(z)
    buffer = io.BytesIO()
    np.savez(buffer, z=z.numpy(), image=image.numpy())
    return buffer.getvalue()


def test_a_generator_that_was_trained_is_verified(torch: Any, faulty: Any, export: Export) -> None:
    network = faulty.Small()
    faulty.train(network)
    runner = export("Small", network)

    check_outputs(runner, manifest(), shapes={"image": (1, 16, 16)})

    assert check_reference(samples(torch, network), manifest(), runner).max_rel < 1e-4


def test_a_generator_built_anew_before_it_was_saved_is_refused(
    torch: Any, faulty: Any, export: Export
) -> None:
    network = faulty.Small()
    faulty.train(network)
    saved = samples(torch, network)
    rebuilt = export("Small", faulty.Small())

    with pytest.raises(ModelError, match="reinitialised weights: output 'image'"):
        check_reference(saved, manifest(), rebuilt)


def test_a_generator_whose_pictures_left_the_tape_is_as_it_was_drawn(
    torch: Any, faulty: Any, export: Export
) -> None:
    """No gradient ever came back; what a right training gave tells the two apart."""
    torch.manual_seed(5)
    right = faulty.Small()
    wrong = faulty.Small()
    wrong.load_state_dict(right.state_dict())
    before = {name: value.clone() for name, value in wrong.state_dict().items()}
    faulty.train(right)
    faulty.train(wrong, detached=True, steps=20)

    assert all((wrong.state_dict()[name] == before[name]).all() for name in before)
    with pytest.raises(ModelError, match="reinitialised weights"):
        check_reference(samples(torch, right), manifest(), export("Small", wrong))


def test_a_generator_whose_units_died_draws_one_picture(
    torch: Any, faulty: Any, export: Export
) -> None:
    """As after a step that was far too long."""
    torch.manual_seed(6)
    network = faulty.Small()
    with torch.no_grad():
        network.layers[0].bias.sub_(100)
        network.layers[2].bias.uniform_(-2, 2)

    assert faults(export("Small", network)) == ["latent ignored"]


def test_a_reshape_that_moves_values_between_samples_is_refused(
    faulty: Any, export: Export
) -> None:
    assert faults(export("Reshaping", faulty.Reshaping())) == ["wrong batch"]


def test_a_picture_that_shrank_is_refused(faulty: Any, export: Export) -> None:
    runner = export("Shrinking", faulty.Shrinking())

    with pytest.raises(ModelError, match=r"wrong shape: .*\[1, 28, 28\].*\[1, 24, 24\]"):
        check_outputs(runner, manifest(), shapes={"image": (1, 28, 28)})


@pytest.mark.parametrize("factory", ["bright", "endless"])
def test_another_last_activation_is_a_wrong_range(
    torch: Any, faulty: Any, export: Export, factory: str
) -> None:
    torch.manual_seed(2)
    network = getattr(faulty, factory)()
    with torch.no_grad():
        network.layers[2].weight.mul_(8)

    assert faults(export(factory, network)) == ["wrong range"]


def test_a_label_that_is_ignored_is_refused(torch: Any, faulty: Any, export: Export) -> None:
    torch.manual_seed(3)
    network = faulty.Deaf()

    assert faults(export("Deaf", network, label=True), label=True) == ["condition ignored"]
