from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge.manifest import Manifest
from edge.runner.base import Runner, Signature, Tensor, TensorSpec
from edge.types import ByteImage
from export.gate import Gate
from tests.export.gate.samples import LatentSamples, PictureSamples

pytest.importorskip("skimage", reason="pictures are compared with scikit-image")

Answering = Callable[..., Runner]
MakeManifest = Callable[..., Manifest]


def pictures(count: int) -> list[ByteImage]:
    random = np.random.default_rng(2)
    grid = np.indices((32, 32)).sum(axis=0)[..., None]
    return [
        np.clip(128 + 60 * np.sin(grid / random.uniform(3, 9)) + 20 * random.normal(), 0, 255)
        .repeat(3, axis=2)
        .astype(np.uint8)
        for _ in range(count)
    ]


def mending(noise: float = 0.0) -> Callable[[Tensor], Any]:
    """A model that gives the picture back, with an error of ``noise`` grey levels."""

    def run(given: Tensor) -> Any:
        value = np.asarray(given, np.float64)
        return value + np.random.default_rng(3).normal(0, noise * 2 / 255, value.shape)

    return run


@pytest.fixture
def gate(answering: Answering, manifest_of: MakeManifest) -> Gate:
    manifest = manifest_of("image-to-image", outputs=[{"name": "y", "range": [-1, 1]}])
    samples = PictureSamples(manifest, pictures(24))
    return Gate(manifest, answering(mending()), samples)


def test_the_same_pictures_pass(gate: Gate, answering: Answering) -> None:
    found = gate.judge(answering(mending()))

    assert found.passed is True
    assert found.figures["psnr_mean"] == 100
    assert found.figures["ssim_mean"] == pytest.approx(1)


def test_a_reference_that_was_closed_since_is_opened_again(
    manifest_of: MakeManifest, answering: Answering
) -> None:
    manifest = manifest_of("image-to-image", outputs=[{"name": "y", "range": [-1, 1]}])
    reference = answering(mending())
    gate = Gate(manifest, reference, PictureSamples(manifest, pictures(24)))
    reference.close()

    assert gate.judge(answering(mending())).passed is True


def test_the_psnr_is_that_of_the_error(gate: Gate, answering: Answering) -> None:
    """One grey level of 255: 20 · log10(255) = 48.13 dB."""
    found = gate.judge(answering(mending(1.0)))

    assert found.figures["psnr_mean"] == pytest.approx(48.13, abs=0.5)
    assert found.passed is True


def test_what_shows_fails(gate: Gate, answering: Answering) -> None:
    found = gate.judge(answering(mending(12.0)))

    assert found.passed is False
    assert "PSNR mean, dB 26.5" in found.text


class Drawing(Runner):
    """A generator of two inputs, a latent and an index."""

    def __init__(self, noise: float) -> None:
        super().__init__()
        self._noise = noise

    def _load(self) -> Signature:
        return Signature(
            (
                TensorSpec("z", (None, 6), np.dtype(np.float32)),
                TensorSpec("c", (None,), np.dtype(np.int64)),
            ),
            (TensorSpec("y", (None, 1, 16, 16), np.dtype(np.float32)),),
        )

    def _infer(self, feeds: Any) -> dict[str, Tensor]:
        weight = np.random.default_rng(0).normal(size=(6, 256))
        drawn = np.tanh(feeds["z"] @ weight + feeds["c"][:, None])
        noise = np.random.default_rng(1).normal(0, self._noise * 2 / 255, drawn.shape)
        return {"y": (drawn + noise).reshape(-1, 1, 16, 16).astype(np.float32)}

    def _close(self) -> None: ...


@pytest.mark.parametrize(("noise", "passed"), [(0.0, True), (4.0, True), (20.0, False)])
def test_a_generator_is_judged_on_the_same_latents(
    manifest_of: MakeManifest, noise: float, passed: bool
) -> None:
    manifest = manifest_of(
        "generator",
        latent={"name": "z", "dim": 6, "distribution": "normal"},
        condition={"name": "c", "labels": ["a", "b"], "encoding": "index"},
        outputs=[{"name": "y", "range": [-1, 1]}],
    )
    reference, variant = Drawing(0.0), Drawing(noise)
    with reference, variant:
        samples = LatentSamples(manifest=manifest, signature=reference.signature, count=20)
        found = Gate(manifest, reference, samples).judge(variant)

    assert found.passed is passed
    assert found.samples == 20


def test_latents_are_the_same_each_time_and_conditions_take_turns(
    manifest_of: MakeManifest,
) -> None:
    manifest = manifest_of(
        "generator",
        latent={"name": "z", "dim": 6, "distribution": "normal"},
        condition={"name": "c", "labels": ["a", "b"], "encoding": "index"},
        outputs=[{"name": "y", "range": [-1, 1]}],
    )
    with Drawing(0.0) as runner:
        samples = LatentSamples(manifest=manifest, signature=runner.signature, count=4)

        first, second = list(samples.feeds()), list(samples.feeds())

    assert [int(one["c"][0]) for one in first] == [0, 1, 0, 1]
    assert all((a["z"] == b["z"]).all() for a, b in zip(first, second, strict=True))
    assert not (first[0]["z"] == first[1]["z"]).all()
