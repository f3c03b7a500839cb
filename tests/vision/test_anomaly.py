"""What an autoencoder cannot rebuild, and what of it lasts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from edge.errors import DecoderMismatchError
from edge.manifest import Manifest
from edge.runner.base import Runner, Signature, Tensor, TensorSpec
from edge.types import ByteImage, FloatArray
from edge.vision.anomaly import (
    LOOKS,
    AnomalyFinder,
    Oddity,
    anomaly_score,
    difference,
    lasting,
    oddity_of,
)
from tests.manifests import manifest_with

WIDTH, HEIGHT = 32, 16


class Remembers(Runner):
    """Rebuilds every picture as one that it knows, or larger than it was."""

    def __init__(self, known: ByteImage, *, larger: int = 0) -> None:
        super().__init__()
        self._known = np.pad(known, ((0, larger), (0, 0), (0, 0)))

    def _load(self) -> Signature:
        f32 = np.dtype(np.float32)
        spec = TensorSpec("input", (None, 3, HEIGHT, WIDTH), f32)
        return Signature((spec,), (TensorSpec("output", (None, 3, HEIGHT, WIDTH), f32),))

    def _infer(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        rgb = self._known[..., ::-1].transpose(2, 0, 1) / np.float32(255)
        return {"output": np.repeat(rgb[None], len(feeds["input"]), axis=0)}

    def _close(self) -> None:
        pass


def manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "role": "anomaly",
        "decoder": {"name": "image"},
        "input": {
            "name": "input",
            "layout": "NCHW",
            "dtype": "float32",
            "color": "RGB",
            "mean": [0, 0, 0],
            "scale": [1 / 255] * 3,
            "resize": {"mode": "stretch"},
            "shape": [{"min": 1, "opt": 1, "max": 8}, 3, HEIGHT, WIDTH],
        },
        "outputs": [{"name": "output", "range": [0, 1]}],
    }
    return manifest_with(values | changes)


@pytest.fixture
def scene() -> ByteImage:
    return np.random.default_rng(3).integers(60, 190, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def residual(picture: ByteImage, rebuilt: ByteImage) -> FloatArray:
    return oddity_of(difference(picture, rebuilt), rebuilt).residual


def test_a_residual_is_how_far_pictures_are_apart_in_0_to_1() -> None:
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    fifth = np.full_like(black, 51)
    fifth[..., 0] = 0  # two of three colours differ by a fifth
    assert residual(fifth, black) == pytest.approx(np.full((HEIGHT, WIDTH), 0.4 / 3), rel=1e-5)


def test_what_is_unsharp_cancels_out() -> None:
    stripes = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    stripes[:, ::2] = 100
    assert residual(stripes, np.full_like(stripes, 50)).max() < 0.01
    assert residual(stripes, np.zeros_like(stripes)).min() > 0.15


def test_a_score_is_the_mean_of_the_largest_part() -> None:
    flat = np.zeros((10, 10), np.float32)
    flat[0, :4] = [0.1, 0.2, 0.3, 0.4]
    assert anomaly_score(flat) == pytest.approx(0.3)  # three of a hundred
    assert anomaly_score(flat[:1, :10]) == pytest.approx(0.4)  # one pixel at the least


def test_what_passes_by_is_forgotten_and_what_stays_is_not(scene: ByteImage) -> None:
    def look(*things: tuple[int, int]) -> Oddity:
        picture = scene.copy()
        for x, y in things:
            picture[y : y + 6, x : x + 6] = 255
        return oddity_of(difference(picture, scene), scene)

    passing = [look((6 * step, 4)) for step in range(LOOKS)]
    staying = [look((6 * step, 4), (20, 12)) for step in range(LOOKS)]
    assert lasting(passing).score < 0.1 * passing[-1].score
    assert lasting(staying).score > 0.5 * passing[-1].score
    y, x = np.unravel_index(int(lasting(staying).residual.argmax()), (HEIGHT, WIDTH))
    assert 20 <= x < 26
    assert 12 <= y < 18
    assert lasting(passing[:1]).score == passing[0].score
    with pytest.raises(ValueError, match="at least one"):
        lasting([])


def test_a_small_thing_that_is_not_rebuilt_scores_above_noise_everywhere(
    scene: ByteImage,
) -> None:
    noise = np.random.default_rng(1).normal(0, 6, scene.shape)
    noisy = np.clip(scene + noise, 0, 255).astype(np.uint8)
    odd = scene.copy()
    odd[4:8, 20:24] = 255
    with Remembers(scene) as runner:
        normal, of_noise, of_thing = AnomalyFinder(runner, manifest()).look([scene, noisy, odd])
    assert normal.score == 0
    assert (normal.rebuilt == scene).all()
    assert of_thing.score > 2 * of_noise.score
    y, x = np.unravel_index(of_thing.residual.argmax(), of_thing.residual.shape)
    assert 3 <= y <= 8
    assert 19 <= x <= 24


def test_pictures_of_another_size_are_looked_at_in_the_model_s(scene: ByteImage) -> None:
    large = scene.repeat(2, axis=0).repeat(2, axis=1)
    with Remembers(scene) as runner:
        finder = AnomalyFinder(runner, manifest())
        (found,) = finder.look([large])
        assert finder.look([]) == []
    assert found.residual.shape == (HEIGHT, WIDTH)
    assert found.score < 0.01


def test_other_models_are_refused(scene: ByteImage) -> None:
    enhancer = manifest(role="enhancer")
    with Remembers(scene, larger=2) as runner:
        with pytest.raises(DecoderMismatchError, match="does not rebuild pictures"):
            AnomalyFinder(runner, enhancer)
        with pytest.raises(DecoderMismatchError, match="another size") as caught:
            AnomalyFinder(runner, manifest()).look([scene])
    assert caught.value.found == "32 × 18"
