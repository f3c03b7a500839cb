"""Blurred faces: recognised by nobody, found by no detector, and nothing else is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge.types import ByteImage, FloatArray
from edge.vision.blur import CELLS, REACH, blur_faces
from edge.vision.detector import Detector
from edge.vision.recogniser import Recogniser

if TYPE_CHECKING:
    from tests.vision.conftest import Frames, LoadModel

CLIPS = ("again", "bird", "book", "brother", "help", "learn", "milk", "no", "please", "walk")
# The recogniser's operating point on these clips; two strangers are at most 0.38 alike.
THRESHOLD = 0.49


def noise(width: int, height: int, seed: int = 1) -> ByteImage:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def yunet(load_model: LoadModel) -> Detector:
    return Detector(*load_model("yunet_n_dynamic.onnx", "yunet"))


@pytest.fixture(scope="module")
def recogniser(load_model: LoadModel) -> Recogniser:
    return Recogniser(*load_model("face-reidentification-retail-0095.onnx", "reid-0095"))


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_no_blurred_face_matches_itself_at_any_size(
    yunet: Detector, recogniser: Recogniser, frame_of: Frames, scale: float
) -> None:
    """Aligned by the landmarks of the clear face, which is more than whoever looks at it has."""
    similarities = []
    for clip in CLIPS:
        clear = frame_of(f"asl_{clip}.mkv", 20)
        (face,) = yunet.detect([clear])
        box, points = face.boxes[0] * scale, points_of(face.landmarks)[0] * scale
        picture = np.asarray(cv2.resize(clear, None, fx=scale, fy=scale), np.uint8)
        blurred = blur_faces(picture, box)
        before, after = recogniser.embed(
            [recogniser.align(picture, points), recogniser.align(blurred, points)]
        )
        similarities.append(float(before.vector @ after.vector))
    assert len(similarities) == 10
    assert max(similarities) < THRESHOLD / 2
    assert np.mean(similarities) < 0.1


def points_of(landmarks: FloatArray | None) -> FloatArray:
    assert landmarks is not None
    return landmarks


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_blurred_face_is_not_even_found(yunet: Detector, frame_of: Frames, scale: float) -> None:
    for clip in CLIPS:
        clear = cv2.resize(frame_of(f"asl_{clip}.mkv", 20), None, fx=scale, fy=scale)
        picture = np.asarray(clear, np.uint8)
        found = yunet.detect([picture])[0]
        assert len(found) >= 1
        assert len(yunet.detect([blur_faces(picture, found.boxes)])[0]) == 0


@pytest.mark.parametrize("side", [30, 60, 240])
def test_nothing_is_left_but_a_few_averages(side: int) -> None:
    """Two pictures whose cells have the same means become the same one: the rest is gone."""
    reach = round(side * REACH)
    cell = reach // CELLS
    means = noise(CELLS, CELLS, seed=3) // 2 + 64
    plain = np.kron(means, np.ones((cell, cell, 1), np.uint8)).astype(np.uint8)
    checks = np.indices(plain.shape[:2]).sum(axis=0) % 2 * 2 - 1
    striped = (plain + 60 * checks[..., None]).astype(np.uint8)
    border = (plain.shape[0] - plain.shape[0] / REACH) / 2
    box = [border, border, plain.shape[0] - border, plain.shape[0] - border]
    assert np.abs(plain.astype(int) - striped).min() == 60
    one, other = (blur_faces(picture, box).astype(int) for picture in (plain, striped))
    # A cell of an odd number of pixels has one more of one kind than of the other.
    assert np.abs(one - other).max() <= 1 + 60 * (cell % 2) / cell**2


def test_only_the_face_and_a_little_around_it_is_covered() -> None:
    picture = noise(200, 160)
    before = picture.copy()
    blurred = blur_faces(picture, [[80, 60, 120, 100]])
    assert (picture == before).all()
    assert blurred is not picture
    changed = (blurred != picture).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert (columns[0], columns[-1], rows[0], rows[-1]) == (70, 129, 50, 109)
    assert changed[50:110, 70:130].mean() > 0.98


@pytest.mark.parametrize(
    "boxes",
    [
        np.zeros((0, 4), np.float32),
        [[50, 50, 50, 90]],
        [[90, 50, 50, 90]],
        [[np.nan, 0, 10, 10]],
        [[0, 0, np.inf, 10]],
        [[-90, -90, -50, -50]],
        [[500, 10, 520, 30]],
    ],
    ids=["none", "flat", "inside out", "no number", "endless", "above", "right"],
)
def test_boxes_that_cover_nothing(boxes: FloatArray) -> None:
    picture = noise(100, 100)
    assert (blur_faces(picture, boxes) == picture).all()


@pytest.mark.parametrize("cut", [(-70, 40), (150, 40), (40, -70), (40, 150), (-70, -70)])
def test_a_face_at_the_edge_gets_no_finer_cells(cut: tuple[int, int]) -> None:
    """What sticks into the picture is blurred as coarsely as the whole face would be."""
    picture = noise(200, 200)
    x, y = cut
    blurred = blur_faces(picture, [[x, y, x + 120, y + 120]])
    covered = (blurred != picture).any(axis=2)
    assert covered.sum() > 30 * 30
    steps = np.abs(np.diff(blurred.astype(int), axis=1))[covered[:, 1:] & covered[:, :-1]]
    # A cell of 30 pixels cannot go through more than a few grey levels from pixel to pixel.
    assert steps.max() <= 4


def test_a_face_of_one_pixel_and_a_face_as_large_as_the_picture() -> None:
    picture = noise(40, 30)
    small = blur_faces(picture, [[10, 10, 11, 11]])
    assert (small != picture).any(axis=2).sum() >= 1
    whole = blur_faces(picture, [[-100, -100, 140, 130]])
    assert float(whole.std()) < float(picture.std()) / 4


def test_faces_that_overlap_are_both_covered() -> None:
    picture = noise(160, 160)
    both = blur_faces(picture, [[40, 40, 80, 80], [60, 60, 100, 100]])
    for x1, y1, x2, y2 in ((30, 30, 90, 90), (50, 50, 110, 110)):
        part = both[y1:y2, x1:x2].astype(int)
        assert np.abs(np.diff(part, axis=1)).mean() < 8
