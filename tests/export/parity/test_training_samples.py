from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge.errors import ModelError, UsageError
from edge.manifest import Manifest
from edge.runner.base import Runner, Tensor
from export.training_samples import check_reference

Load = Callable[[bytes], Runner]
Make = Callable[..., bytes]
MakeManifest = Callable[..., Manifest]


def saved(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture
def latents() -> Tensor:
    return np.random.default_rng(8).normal(size=(6, 8)).astype(np.float32)


@pytest.fixture
def trained(drawing: Make, load: Load, latents: Tensor) -> bytes:
    """What the generator gave at the end of its training."""
    image = load(drawing()).infer({"latent": latents})["image"]
    return saved(latent=latents, image=image)


def test_the_trained_weights_are_verified(
    drawing: Make, generator: MakeManifest, load: Load, trained: bytes
) -> None:
    result = check_reference(trained, generator(), load(drawing()))

    assert result.samples == 6
    assert result.max_rel < 1e-6


def test_weights_drawn_anew_are_refused(
    drawing: Make, generator: MakeManifest, load: Load, trained: bytes
) -> None:
    with pytest.raises(ModelError, match="reinitialised weights: output 'image'") as caught:
        check_reference(trained, generator(), load(drawing(seed=5)))

    assert caught.value.exit_code == 2


def test_weights_from_before_the_training_are_refused(
    drawing: Make, generator: MakeManifest, load: Load, trained: bytes
) -> None:
    with pytest.raises(ModelError, match="reinitialised weights"):
        check_reference(trained, generator(), load(drawing(gain=0.02)))


def test_rounding_of_another_machine_is_no_other_model(
    drawing: Make, generator: MakeManifest, load: Load, latents: Tensor
) -> None:
    image = load(drawing()).infer({"latent": latents})["image"].astype(np.float32)
    noise = np.random.default_rng(0).uniform(-1e-3, 1e-3, image.shape)  # ten bits of TF32
    samples = saved(latent=latents, image=image + noise)

    assert check_reference(samples, generator(), load(drawing())).max_rel > 5e-4


def test_double_precision_samples_are_read(
    drawing: Make, generator: MakeManifest, load: Load, latents: Tensor
) -> None:
    image = load(drawing()).infer({"latent": latents})["image"]
    samples = saved(latent=latents.astype(np.float64), image=image.astype(np.float64))

    assert check_reference(samples, generator(), load(drawing())).samples == 6


def test_latents_are_taken_as_a_network_of_convolutions_took_them(
    drawing: Make, generator: MakeManifest, load: Load, latents: Tensor
) -> None:
    image = load(drawing()).infer({"latent": latents})["image"]
    samples = saved(latent=latents[..., None, None], image=image)

    assert check_reference(samples, generator(), load(drawing())).samples == 6
    with pytest.raises(ModelError, match="reinitialised weights"):
        check_reference(samples, generator(), load(drawing(seed=5)))


def test_a_model_of_fixed_batch_takes_any_number_of_samples(
    drawing: Make, generator: MakeManifest, load: Load, trained: bytes
) -> None:
    one = load(drawing(batch=1, shape=(1, 1, 28, 28)))

    assert check_reference(trained, generator(), one).samples == 6


def test_another_shape_than_at_training_is_refused(
    drawing: Make, generator: MakeManifest, load: Load, latents: Tensor
) -> None:
    samples = saved(latent=latents, image=np.ones((6, 1, 24, 24), np.float32))

    with pytest.raises(ModelError, match=r"wrong shape: .*\[6, 1, 24, 24\].*\[6, 1, 28, 28\]"):
        check_reference(samples, generator(), load(drawing()))


def test_other_names_are_refused(
    drawing: Make, generator: MakeManifest, load: Load, latents: Tensor
) -> None:
    with pytest.raises(UsageError, match="expected arrays image, latent; found x, z"):
        check_reference(saved(z=latents, x=latents), generator(), load(drawing()))


def test_samples_that_the_model_cannot_take_are_refused(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    samples = saved(latent=np.ones((6, 9), np.float32), image=np.ones((6, 1, 28, 28), np.float32))

    with pytest.raises(UsageError, match="does not run on the reference samples"):
        check_reference(samples, generator(), load(drawing()))


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_samples_that_say_nothing_are_refused(
    drawing: Make, generator: MakeManifest, load: Load, latents: Tensor, value: float
) -> None:
    samples = saved(latent=latents, image=np.full((6, 1, 28, 28), value, np.float32))

    with pytest.raises(UsageError, match="say nothing"):
        check_reference(samples, generator(), load(drawing()))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an archive",
        saved(latent=np.asarray([{"code": 1}], object), image=np.zeros(1)),
    ],
)
def test_what_is_no_archive_of_numbers_is_refused(
    drawing: Make, generator: MakeManifest, load: Load, data: bytes
) -> None:
    with pytest.raises(UsageError, match="cannot read the reference samples"):
        check_reference(data, generator(), load(drawing()))


def test_a_model_that_gives_no_numbers_is_refused(
    drawing: Make, generator: MakeManifest, load: Load, trained: bytes
) -> None:
    broken = load(drawing(weights={"bias": np.full(784, np.nan, np.float32)}))

    with pytest.raises(ModelError, match="reinitialised weights"):
        check_reference(trained, generator(), broken)
