"""Samples without a real face."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calibration.dataset import open_set
from calibration.synthetic import noise_picture
from edge.bundle import Bundle
from edge.errors import DecoderMismatchError, MediaError, UsageError
from edge.manifest import Manifest
from edge.runner.onnxruntime import OnnxRuntimeRunner
from tests.calibration.data.models import conditional, generator

Make = Callable[..., Bundle]


def test_a_generators_pictures_take_the_size_and_range_of_the_model(
    tmp_path: Path, bundle: Make, recogniser: Manifest
) -> None:
    drawn = bundle(generator(tmp_path / "gan.onnx"), "generator", latent="z")
    chosen = open_set([drawn.path], recogniser, count=20, seed=3)
    assert (chosen.kind, chosen.count) == ("generated", 20)
    pictures = list(chosen.pictures())
    assert {picture.shape for picture in pictures} == {(112, 112, 3)}
    pixels = np.stack(pictures)
    assert (pixels.min(), pixels.max()) == (0, 255)
    record = chosen.describe()
    assert record["generator_sha256"] == drawn.sha256
    assert record["seed"] == 3
    (fed,) = next(chosen.feeds()).values()
    assert -1.01 < float(np.min(fed)) < -0.9
    assert 0.9 < float(np.max(fed)) < 1.01


def test_a_seed_gives_the_same_pictures_and_another_gives_others(
    tmp_path: Path, bundle: Make, recogniser: Manifest
) -> None:
    drawn = bundle(generator(tmp_path / "gan.onnx"), "generator", latent="z")
    one, again, other = (
        open_set(str(drawn.path), recogniser, count=6, seed=seed) for seed in (1, 1, 2)
    )
    assert one.sha256 == again.sha256 != other.sha256
    for a, b, c in zip(one.pictures(), again.pictures(), other.pictures(), strict=True):
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)
    first, second = one.split(0.5)
    assert (first.count, second.count) == (3, 3)
    whole = list(one.pictures())
    places = [
        [next(i for i, p in enumerate(whole) if np.array_equal(p, q)) for q in part.pictures()]
        for part in (first, second)
    ]
    assert sorted(places[0] + places[1]) == list(range(6))


def test_conditions_take_turns(tmp_path: Path, bundle: Make, recogniser: Manifest) -> None:
    drawn = bundle(
        conditional(tmp_path / "cgan.onnx"),
        "generator",
        latent="z",
        condition="c",
        condition_labels=("walk", "run", "climb"),
    )
    chosen = open_set([drawn.path], recogniser, count=10)
    assert chosen.count == 3, "each label has one picture, and the latent hardly moves it"
    assert int(str(chosen.describe()["near_duplicates"])) == 37


def test_a_generator_that_knows_one_picture_is_refused(
    tmp_path: Path, bundle: Make, recogniser: Manifest
) -> None:
    drawn = bundle(generator(tmp_path / "collapsed.onnx", gain=1e-4), "generator", latent="z")
    with pytest.raises(MediaError, match="1 pictures by collapsed") as caught:
        open_set([drawn.path], recogniser, count=10)
    assert caught.value.exit_code == 2


def test_a_bundle_that_generates_nothing_is_refused(
    detector: Bundle, recogniser: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(DecoderMismatchError, match="is no generator"):
        open_set([detector.path], recogniser, count=10)
    with pytest.raises(UsageError, match="not mixed"):
        open_set([detector.path, tmp_path], recogniser, count=10)


def test_noise_is_even_and_smooth_in_turns(recogniser: Manifest) -> None:
    chosen = open_set("noise", recogniser, count=6)
    assert chosen.kind == "noise"
    assert chosen.describe()["noise"] == "in turns of each pixel and smooth"
    pictures = [picture.astype(float) for picture in chosen.pictures()]
    assert {picture.shape for picture in pictures} == {(112, 112, 3)}
    steps = [np.abs(np.diff(picture, axis=1)).mean() for picture in pictures]
    assert all(80 < step < 90 for step in steps[::2])  # 85 between two even numbers of 0..255
    assert all(step < 20 for step in steps[1::2])
    assert all(abs(picture.mean() - 127.5) < 3 for picture in pictures[::2])
    assert open_set("noise", recogniser, count=6, seed=1).sha256 != chosen.sha256


def test_noise_depends_on_its_seed_alone() -> None:
    for smooth in (False, True):
        one, again = (noise_picture((9, 5), np.random.default_rng(4), smooth) for _ in range(2))
        assert one.shape == (5, 9, 3)
        assert np.array_equal(one, again)


def test_a_generator_to_calibrate_is_fed_latents(tmp_path: Path, bundle: Make) -> None:
    drawn = bundle(
        conditional(tmp_path / "cgan.onnx"),
        "generator",
        latent="z",
        condition="c",
        condition_labels=("walk", "run", "climb"),
    )
    with OnnxRuntimeRunner(drawn.read("fp32.onnx")) as runner:
        chosen = open_set("noise", drawn.manifest, count=200, signature=runner.signature)
        fed = list(chosen.feeds())
        assert runner.infer(fed[0])["picture"].shape == (1, 3, 16, 16)
        with pytest.raises(UsageError, match="takes latents and no pictures"):
            open_set([tmp_path], drawn.manifest, count=9, signature=runner.signature)
    assert list(chosen.pictures()) == []
    assert [int(np.asarray(one["c"])[0]) for one in fed[:4]] == [0, 1, 2, 0]
    latents = np.concatenate([np.asarray(one["z"], np.float64) for one in fed])
    assert abs(latents.mean()) < 0.1
    assert abs(latents.std() - 1) < 0.1
    first, second = chosen.split(0.25)
    assert (first.count, second.count) == (50, 150)
    assert first.sha256 != second.sha256
