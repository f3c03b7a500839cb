"""Augmentation: what each part does, and that none touches what it is given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from calibration.augment import augment, crop, farther, flip, lighten, rotate, skip_frames
from edge.types import ByteImage

Scene = Callable[..., ByteImage]


def test_flipping_exchanges_left_and_right(scene: Scene) -> None:
    picture = scene(1)
    assert np.array_equal(flip(picture)[:, 0], picture[:, -1])
    assert np.array_equal(flip(flip(picture)), picture)


def test_a_turn_by_a_half_is_a_flip_both_ways(scene: Scene) -> None:
    picture = scene(1)
    assert np.array_equal(rotate(picture, 0), picture)
    assert np.array_equal(rotate(picture, 180), picture[::-1, ::-1])
    up = rotate(scene(2, size=(64, 64)), 90)
    assert np.array_equal(up, np.rot90(scene(2, size=(64, 64))))


def test_a_crop_scales_its_part_up(scene: Scene) -> None:
    picture = scene(1, size=(64, 64))
    assert np.array_equal(crop(picture, 1, 0.5, 0.5), picture)
    corner = crop(picture, 0.5, 1, 0)
    assert corner.shape == picture.shape
    assert np.array_equal(corner[0, -1], picture[0, -1])
    assert np.array_equal(corner[-1, 0], picture[31, 32])


def test_farther_loses_detail_and_no_brightness(scene: Scene) -> None:
    picture = scene(1)
    small = farther(picture, 0.25)
    assert small.shape == picture.shape
    assert small.std() < picture.std()
    assert abs(float(small.mean()) - float(picture.mean())) < 2
    assert np.array_equal(farther(picture, 1), picture)


@pytest.mark.parametrize(
    ("contrast", "brightness", "wanted"),
    [
        (1, 0, [0, 100, 255]),
        (1, 30, [30, 130, 255]),
        (0.5, -10, [0, 40, 118]),
        (2, 0, [0, 200, 255]),
    ],
)
def test_brightness_is_cut_at_the_ends(
    contrast: float, brightness: float, wanted: list[int]
) -> None:
    picture = np.repeat(np.asarray([[[0], [100], [255]]], np.uint8), 3, axis=2)
    assert lighten(picture, contrast, brightness)[0, :, 0].tolist() == wanted


def test_skipping_frames_keeps_their_order() -> None:
    assert skip_frames([], 3) == []
    assert list(skip_frames(range(10), 3)) == [0, 3, 6, 9]
    assert list(skip_frames(range(10), 4, 1)) == [1, 5, 9]


def test_it_depends_on_the_seed_and_leaves_its_picture_alone(scene: Scene) -> None:
    picture = scene(1)
    before = picture.copy()
    made = [augment(picture, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert {one.shape for one in made} == {picture.shape}
    assert np.array_equal(picture, before)
