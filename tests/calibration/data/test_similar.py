"""Near-duplicates."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from calibration.similar import NEAR_BITS, Distinct, difference_hash, differing_bits
from edge.types import ByteImage

Scene = Callable[..., ByteImage]


def test_differing_bits_are_counted() -> None:
    hashes = np.asarray([[0, 0, 0, 0], [1, 0, 3, 0], [2**64 - 1] * 4], np.uint64)
    assert differing_bits(hashes, np.zeros(4, np.uint64)).tolist() == [0, 3, 256]
    assert differing_bits(hashes[:0], np.zeros(4, np.uint64)).tolist() == []


def test_the_same_scene_saved_again_is_near_and_another_is_far(scene: Scene) -> None:
    picture = scene(1, size=(128, 128))
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])
    again = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    smaller = np.asarray(cv2.resize(picture, (96, 96), interpolation=cv2.INTER_AREA), np.uint8)
    one = difference_hash(picture)[None]
    assert differing_bits(one, difference_hash(again))[0] <= NEAR_BITS
    assert differing_bits(one, difference_hash(smaller))[0] <= NEAR_BITS
    assert differing_bits(one, difference_hash(scene(2, size=(128, 128))))[0] > 5 * NEAR_BITS


def test_what_was_new_once_is_remembered_among_many(scene: Scene) -> None:
    distinct = Distinct()
    hashes = [difference_hash(scene(number)) for number in range(150)]
    assert [distinct.is_new(one) for one in hashes] == [True] * 150
    assert distinct.is_new(hashes[0]) is False
    assert distinct.is_new(hashes[149]) is False
    assert distinct.dropped == 2


def test_the_distance_is_a_bound_that_is_included() -> None:
    distinct = Distinct(near=3)
    words = [np.asarray([bits, 0, 0, 0], np.uint64) for bits in (0, 0b111, 0b1111)]
    assert [distinct.is_new(word) for word in words] == [True, False, True]
