"""Face quality: each part moves the way it must, and only for its own reason."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.types import ByteImage, FaceQuality
from edge.vision.quality import face_quality, frontality, sharpness

# From the front, x to the right: eyes 40 apart, nose half way down to the mouth.
FRONT = np.asarray([[30, 30], [70, 30], [50, 50], [35, 70], [65, 70]], np.float64)
BOX = [0.0, 0.0, 100.0, 120.0]
PARTS = ("size", "sharpness", "frontality", "detector")


def texture(side: int = 128, grain: int = 32) -> ByteImage:
    """A random pattern whose details are ``side / grain`` pixels wide."""
    coarse = np.random.default_rng(4).integers(20, 236, (grain, grain, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def blurred(picture: ByteImage, sigma: float) -> ByteImage:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def turned(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> NDArray[np.float64]:
    """FRONT with the nose ``yaw`` eye distances to the side and ``pitch`` face heights down, then
    rolled by degrees."""
    points = FRONT.copy()
    points[2] += (yaw * 40, pitch * 40)
    angle = np.radians(roll)
    turn = np.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray((points - 50) @ turn.T + 50)


def quality(
    *,
    crop: ByteImage | None = None,
    box: list[float] = BOX,
    landmarks: NDArray[np.float64] = FRONT,
    score: float = 0.9,
) -> FaceQuality:
    return face_quality(texture() if crop is None else crop, box, landmarks, score)


def test_a_large_sharp_frontal_certain_face_is_as_good_as_can_be() -> None:
    found = quality()
    assert [getattr(found, part) for part in PARTS] == [1, 1, 1, 1]
    assert found.score == 1
    assert found.face_px == 100


def falls(values: list[float]) -> bool:
    return all(b <= a for a, b in pairwise(values)) and values[-1] < values[0]


def test_smaller_faces_are_worse_down_to_nothing() -> None:
    faces = [quality(box=[5, 5, 5 + side, 5 + 1.3 * side]) for side in (100, 64, 50, 40, 25, 16, 8)]
    assert falls([face.size for face in faces])
    assert falls([face.score for face in faces])
    assert faces[1].size == 1
    assert faces[3].size == pytest.approx((40 - 16) / 48)
    assert faces[-1].score == 0
    assert [face.face_px for face in faces] == pytest.approx([100, 64, 50, 40, 25, 16, 8])


def test_the_shorter_side_is_the_face() -> None:
    assert quality(box=[0, 0, 300, 40]).face_px == 40
    assert quality(box=[0, 0, 40, 300]).face_px == 40
    assert quality(box=[9, 9, 3, 3]).face_px == 0


def test_blur_is_worse_the_stronger_it_is() -> None:
    crops = [texture(), *(blurred(texture(), sigma) for sigma in (1, 2, 4, 8, 16))]
    assert falls([sharpness(crop) for crop in crops])
    faces = [quality(crop=crop) for crop in crops]
    assert falls([face.sharpness for face in faces])
    assert falls([face.score for face in faces])
    assert faces[0].sharpness == 1
    assert faces[-1].sharpness < 0.2
    assert all(face.size == face.frontality == face.detector == 1 for face in faces)


def test_turning_to_a_side_is_worse_the_farther_and_alike_on_both() -> None:
    yaws = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.8)
    found = [frontality(turned(yaw=yaw)) for yaw in yaws]
    assert falls(found)
    assert found == pytest.approx([1, 1, 0.75, 0.5, 0.25, 0, 0])
    assert [frontality(turned(yaw=-yaw)) for yaw in yaws] == pytest.approx(found)
    assert quality(landmarks=turned(yaw=0.3)).score == pytest.approx(0.5 ** (1 / 4))


def test_looking_up_or_down_is_worse_the_farther() -> None:
    pitches = (0.0, 0.1, 0.2, 0.3, 0.35, 0.5)
    for sign in (1, -1):
        found = [frontality(turned(pitch=sign * pitch)) for pitch in pitches]
        assert falls(found)
        assert found == pytest.approx([1, 1, 0.6, 0.2, 0, 0], abs=1e-6)


def test_a_less_certain_detector_is_worse() -> None:
    faces = [quality(score=score) for score in (1.0, 0.8, 0.7, 0.5, 0.3, 0.1)]
    assert falls([face.detector for face in faces])
    assert falls([face.score for face in faces])
    assert [face.detector for face in faces] == pytest.approx([1, 1, 0.8, 0.4, 0, 0])


@pytest.mark.parametrize("roll", [10.0, 45.0, 90.0, -135.0, 180.0])
@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.25, 0.0), (-0.3, 0.2)])
def test_roll_does_not_count(yaw: float, pitch: float, roll: float) -> None:
    straight = frontality(turned(yaw=yaw, pitch=pitch))
    assert frontality(turned(yaw=yaw, pitch=pitch, roll=roll)) == pytest.approx(straight)
    assert straight > 0


@pytest.mark.parametrize("scale", [0.1, 7.0])
def test_frontality_does_not_depend_on_size_or_place(scale: float) -> None:
    points = turned(yaw=0.3, pitch=0.1)
    assert frontality(points * scale + (300, -20)) == pytest.approx(frontality(points))


@pytest.mark.parametrize(
    "points",
    [
        np.full((5, 2), 12.0),
        FRONT[[0, 0, 2, 3, 4]],  # both eyes in one place
        FRONT[[0, 1, 2, 0, 1]],  # the mouth where the eyes are
    ],
)
def test_points_that_make_no_face_are_worth_nothing(points: NDArray[np.float64]) -> None:
    assert frontality(points) == 0
    assert quality(landmarks=points).score == 0


@pytest.mark.parametrize("value", [0, 127, 255])
def test_a_flat_picture_has_no_sharpness(value: int) -> None:
    flat = np.full((128, 128, 3), value, np.uint8)
    assert sharpness(flat) == 0
    assert quality(crop=flat).score == 0


@pytest.mark.parametrize("side", [96, 112, 128, 256])
def test_sharpness_is_that_of_the_face_whatever_the_size_of_the_crop(side: int) -> None:
    assert sharpness(texture(side)) == pytest.approx(sharpness(texture(128)), rel=0.25)


@pytest.mark.parametrize(("contrast", "brightness"), [(0.5, 0), (0.5, 70), (0.8, -20), (0.4, 30)])
def test_contrast_and_exposure_do_not_count_as_sharpness(
    contrast: float, brightness: float
) -> None:
    middle = texture().astype(np.float64) - 128
    other = np.clip(np.round(middle * contrast + 128 + brightness), 0, 255).astype(np.uint8)
    assert sharpness(other) == pytest.approx(sharpness(texture()), rel=0.12)


def test_the_rounding_of_a_dim_blurred_face_is_no_detail() -> None:
    dim = np.round(blurred(texture(), 6).astype(np.float64) * 0.1 + 10).astype(np.uint8)
    assert len(np.unique(dim)) > 3
    assert quality(crop=dim).sharpness < 0.05


@pytest.mark.parametrize("side", [1, 2, 7])
def test_a_tiny_crop_gives_a_number(side: int) -> None:
    value = sharpness(np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8))
    assert 0 <= value < 10


def test_one_bad_part_is_not_bought_off_by_the_others() -> None:
    assert quality(score=0.3).score == 0
    assert quality(box=[0, 0, 28, 28]).score == pytest.approx(0.25**0.25)
