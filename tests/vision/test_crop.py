"""Cutting out faces: where landmarks land, what a border or a large face does."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.geometry import similarity_transform, transform_points
from edge.types import ByteImage
from edge.vision.crop import align_face, crop_box, expand_box

SIZE = (112, 112)
TEMPLATE = np.asarray(
    [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]], np.float64
)


def face_points(
    eye_distance: float, degrees: float, centre: tuple[float, float]
) -> NDArray[np.float64]:
    """The template's points turned about their middle, with this distance between the eyes."""
    scale = eye_distance / float(np.hypot(*(TEMPLATE[1] - TEMPLATE[0])))
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.asarray([[cos, -sin], [sin, cos]]) * scale
    return np.asarray((TEMPLATE - TEMPLATE.mean(axis=0)) @ turn.T + centre)


def dot(size: tuple[int, int], at: NDArray[np.float64], sigma: float) -> ByteImage:
    """A white dot on black, its middle at ``at`` counted from pixel centres."""
    x, y = np.arange(size[0])[None, :], np.arange(size[1])[:, None]
    bell = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
    return np.repeat(np.round(255 * bell)[..., None], 3, axis=2).astype(np.uint8)


def middle_of(crop: ByteImage) -> NDArray[np.float64]:
    grey = crop[..., 0].astype(np.float64)
    y, x = np.indices(grey.shape)
    return np.asarray([(grey * x).sum() / grey.sum(), (grey * y).sum() / grey.sum()])


@pytest.mark.parametrize("degrees", [0, 25, -160])
@pytest.mark.parametrize(
    ("eye_distance", "size"),
    [
        (12.0, (80, 90)),  # enlarged threefold
        (35.2, (160, 150)),
        (60.0, (301, 299)),
        (96.0, (640, 480)),  # shrunk by 2.7: averaged down by 2 first
        (282.0, (1280, 1081)),  # by 8, in a picture whose height is odd
    ],
)
def test_every_landmark_lands_on_the_template(
    eye_distance: float, size: tuple[int, int], degrees: float
) -> None:
    points = face_points(eye_distance, degrees, (size[0] / 2 + 0.3, size[1] / 2 - 0.4))
    for landmark, wanted in zip(points, TEMPLATE, strict=True):
        picture = dot(size, landmark, sigma=max(1.0, eye_distance / 12))
        crop = align_face(picture, points, TEMPLATE, SIZE)
        assert crop.shape == (112, 112, 3)
        assert crop.dtype == np.uint8
        assert np.hypot(*(middle_of(crop) - wanted)) < 0.5


def direct_warp(picture: ByteImage, points: NDArray[np.float64]) -> ByteImage:
    matrix = similarity_transform(points, TEMPLATE)
    return np.asarray(cv2.warpAffine(picture, matrix, SIZE, flags=cv2.INTER_LINEAR), np.uint8)


def test_a_face_near_the_crops_own_size_is_warped_directly() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (200, 240, 3), np.uint8)
    points = face_points(40, 12, (120, 100))
    # Cutting out the part first moves numbers by rounding only.
    difference = align_face(picture, points, TEMPLATE, SIZE).astype(int)
    difference -= direct_warp(picture, points)
    assert np.abs(difference).max() <= 6
    assert np.abs(difference).mean() < 0.5


@pytest.mark.parametrize("times", [2, 4, 8])
def test_a_larger_picture_of_the_same_face_gives_the_same_crop(times: int) -> None:
    random = np.random.default_rng(2)
    coarse = random.integers(0, 256, (30, 30, 3), np.uint8)
    small = np.asarray(cv2.resize(coarse, (240, 240), interpolation=cv2.INTER_CUBIC), np.uint8)
    points = face_points(36, 8, (120, 118))
    large = cv2.resize(small, None, fx=times, fy=times, interpolation=cv2.INTER_LINEAR)
    there = (points + 0.5) * times - 0.5  # pixel centres
    one = align_face(small, points, TEMPLATE, SIZE).astype(int)
    other = align_face(np.asarray(large, np.uint8), there, TEMPLATE, SIZE).astype(int)
    assert np.abs(one - other).mean() < 2.5
    assert one.std() > 30


@pytest.mark.parametrize("times", [4, 8])
def test_a_large_face_is_averaged_where_a_direct_warp_would_pick_single_pixels(
    times: int,
) -> None:
    # Fine noise of mean 127: seen from afar it is grey.
    picture = np.random.default_rng(3).integers(0, 256, (150 * times, 150 * times, 3), np.uint8)
    points = face_points(36 * times, 5, (75 * times, 75 * times))
    aligned = align_face(picture, points, TEMPLATE, SIZE)
    assert abs(float(aligned.mean()) - 127.5) < 3
    assert aligned.std() < 1.5 * 73.9 / times
    assert direct_warp(picture, points).std() > 2 * aligned.std()


def test_outside_of_the_picture_an_aligned_face_is_black() -> None:
    picture = np.full((160, 100, 3), 200, np.uint8)
    crop = align_face(picture, face_points(35.2, 0, (100, 80)), TEMPLATE, SIZE)
    # Scale 1: the right edge of the picture is at the middle of the points, x = 56.
    column = int(TEMPLATE.mean(axis=0)[0])
    assert (crop[:, : column - 2] == 200).all()
    assert (crop[:, column + 3 :] == 0).all()


@pytest.mark.parametrize("degrees", [0, 33, 90, -120])
def test_inside_of_the_picture_nothing_black_comes_in(degrees: float) -> None:
    white = np.full((2000, 2001, 3), 255, np.uint8)
    # Just above 2, 4 and 8 times the template's 35.2 there is the least to spare.
    for eye_distance in (9.0, 17.5, 34.0, 50.0, *range(71, 79), *range(141, 149), *range(282, 290)):
        points = face_points(eye_distance, degrees, (1001.3, 998.8))
        assert align_face(white, points, TEMPLATE, SIZE).min() == 255


@pytest.mark.parametrize("eye_distance", [20.0, 35.2, 300.0])
@pytest.mark.parametrize("centre", [(-5000.0, 50.0), (50.0, 9000.0), (4000.0, -4000.0)])
def test_a_face_wholly_outside_is_black(centre: tuple[float, float], eye_distance: float) -> None:
    picture = np.full((100, 100, 3), 200, np.uint8)
    assert not align_face(picture, face_points(eye_distance, 0, centre), TEMPLATE, SIZE).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (300, 1), (3, 3)])
@pytest.mark.parametrize("eye_distance", [10.0, 200.0])
def test_a_picture_one_pixel_high_or_wide_aligns(
    size: tuple[int, int], eye_distance: float
) -> None:
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    points = face_points(eye_distance, 0, (size[0] / 2 - 0.5, size[1] / 2 - 0.5))
    crop = align_face(picture, points, TEMPLATE, SIZE)
    assert crop.shape == (112, 112, 3)
    assert crop.max() <= 90


def test_a_picture_wider_than_a_warp_can_take_aligns() -> None:
    picture = np.full((60, 40_000, 3), 30, np.uint8)
    picture[:, 39_000:] = 120
    crop = align_face(picture, face_points(18, 0, (39_500, 30)), TEMPLATE, SIZE)
    assert (crop[56, 20:90] == 120).all()


def test_the_picture_stays_as_it_is() -> None:
    picture = np.random.default_rng(5).integers(0, 256, (900, 900, 3), np.uint8)
    before = picture.copy()
    align_face(picture, face_points(250, 3, (450, 450)), TEMPLATE, SIZE)
    crop_box(picture, [100, 100, 800, 800], (48, 48))
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize(
    "points",
    [
        np.full((5, 2), 40.0),
        np.full((5, 2), np.nan),
        np.where(TEMPLATE > 90, np.inf, TEMPLATE),
        TEMPLATE * 1e9,  # a face of millions of pixels is none
    ],
)
def test_landmarks_that_make_no_face_are_refused(points: NDArray[np.float64]) -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    with pytest.raises(ValueError, match="expected"):
        align_face(picture, points, TEMPLATE, SIZE)


@pytest.mark.parametrize(
    ("box", "factor", "expected"),
    [
        ([10, 20, 30, 60], 1.0, [10, 20, 30, 60]),
        ([10, 20, 30, 60], 2.0, [0, 0, 40, 80]),
        ([10, 20, 30, 60], 0.5, [15, 30, 25, 50]),
        ([0, 0, 10, 10], 2.7, [-8.5, -8.5, 18.5, 18.5]),
    ],
)
def test_expand_box(box: list[float], factor: float, expected: list[float]) -> None:
    found = expand_box(box, factor)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_box_of_the_crops_own_size_is_cut_out_pixel_by_pixel() -> None:
    picture = np.random.default_rng(6).integers(0, 256, (60, 80, 3), np.uint8)
    crop = crop_box(picture, [11, 7, 59, 55], (48, 48))
    np.testing.assert_array_equal(crop, picture[7:55, 11:59])


@pytest.mark.parametrize("times", [2, 3, 4, 8])
def test_a_larger_box_shrinks_to_the_same_crop_as_resizing_does(times: int) -> None:
    coarse = np.random.default_rng(7).integers(0, 256, (12, 12, 3), np.uint8)
    face = cv2.resize(coarse, (48 * times, 48 * times), interpolation=cv2.INTER_CUBIC)
    picture = np.zeros((60 * times, 70 * times, 3), np.uint8)
    picture[5 : 5 + 48 * times, 9 : 9 + 48 * times] = face
    crop = crop_box(picture, [9, 5, 9 + 48 * times, 5 + 48 * times], (48, 48)).astype(int)
    resized = cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA).astype(int)
    inside = np.abs(crop - resized)[1:-1, 1:-1]
    assert inside.mean() < 3
    # Half a pixel to the side would be clearly worse.
    assert np.abs(crop[:, 1:] - resized[:, :-1])[1:-1, 1:-1].mean() > 4 * inside.mean()


def test_the_last_columns_and_rows_of_the_picture_count() -> None:
    # 8 · 48 + 5: not a whole number of steps.
    picture = np.zeros((389, 389, 3), np.uint8)
    picture[:, -5:] = 255
    picture[-5:] = 255
    crop = crop_box(picture, [0, 0, 389, 389], (48, 48))
    assert (crop[:-2, -1] > 80).all()
    assert (crop[-1, :-2] > 80).all()
    assert not crop[:-2, :-2].any()


def test_a_box_of_another_shape_is_stretched() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[20:40, 10:90] = 250  # the upper half of the box
    crop = crop_box(picture, [10, 20, 90, 60], (48, 48))
    assert (crop[1:23, 1:47] == 250).all()
    assert (crop[25:] == 0).all()


@pytest.mark.parametrize("scale", [1, 6])
def test_beyond_the_border_a_cut_repeats_the_edge(scale: int) -> None:
    picture = np.zeros((40 * scale, 40 * scale, 3), np.uint8)
    picture[:, : 10 * scale] = 70
    picture[:, 30 * scale :] = 150
    left = crop_box(picture, np.asarray([-15, 10, 5, 30]) * scale, (20, 20))
    assert (left == 70).all()
    right = crop_box(picture, np.asarray([32, -12, 52, 8]) * scale, (20, 20))
    assert (right == 150).all()
    far = crop_box(picture, np.asarray([400, 400, 420, 420]) * scale, (20, 20))
    assert (far == 150).all()


@pytest.mark.parametrize(
    "box", [[5, 5, 5, 9], [5, 5, 9, 5], [9, 9, 4, 4], [0, 0, np.nan, 5], [np.nan] * 4]
)
def test_a_box_without_an_area_is_refused(box: list[float]) -> None:
    with pytest.raises(ValueError, match="with an area"):
        crop_box(np.zeros((20, 20, 3), np.uint8), box, (48, 48))


def test_a_transform_of_the_points_is_what_the_crop_shows() -> None:
    # The same matrix by hand: a face turned by 90°, twice as large as the template.
    points = face_points(2 * 35.2, 90, (150, 150))
    matrix = similarity_transform(points, TEMPLATE)
    np.testing.assert_allclose(transform_points(matrix, points), TEMPLATE, atol=1e-6)
    picture = np.zeros((300, 300, 3), np.uint8)
    picture[:, 150:] = 255  # what was to the right is up after turning it back
    crop = align_face(picture, points, TEMPLATE, SIZE)
    middle = int(TEMPLATE.mean(axis=0)[1])
    assert (crop[: middle - 2, 20:90] == 255).all()
    assert (crop[middle + 3 :, 20:90] == 0).all()
