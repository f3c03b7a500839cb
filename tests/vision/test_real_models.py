"""The vision rooms on real models and frames of real clips."""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import DecoderMismatchError
from edge.geometry import iou_matrix
from edge.types import ByteImage, Detections, Embedding
from edge.vision.detector import Detector
from edge.vision.landmarks import LandmarkFinder
from edge.vision.recogniser import Recogniser

if TYPE_CHECKING:
    from tests.vision.conftest import Frames, LoadModel

YUNET = "yunet_n_dynamic.onnx"
REID = "face-reidentification-retail-0095.onnx"
LANDMARKS = "landmarks-regression-retail-0009.onnx"
# One clip of each of the three people.
CLIPS = ["asl_again.mkv", "asl_bird.mkv", "asl_walk.mkv"]


@pytest.fixture(scope="module")
def yunet(load_model: LoadModel) -> Detector:
    return Detector(*load_model(YUNET, "yunet"))


@pytest.fixture(scope="module")
def yunet_320(load_model: LoadModel) -> Detector:
    return Detector(*load_model("yunet_n_320_320.onnx", "yunet", shape=[1, 3, 320, 320]))


@pytest.fixture(scope="module")
def recogniser(load_model: LoadModel) -> Recogniser:
    return Recogniser(*load_model(REID, "reid-0095", shape=[1, 3, 128, 128]))


@pytest.fixture(scope="module")
def landmarks(load_model: LoadModel) -> LandmarkFinder:
    return LandmarkFinder(*load_model(LANDMARKS, "landmarks-0009", shape=[1, 3, 48, 48]))


def points_of(found: Detections) -> NDArray[np.float32]:
    assert found.landmarks is not None
    return found.landmarks


def eye_distance(points: NDArray[np.float32]) -> float:
    return float(np.hypot(*(points[1] - points[0])))


def scaled(picture: ByteImage, factor: float) -> ByteImage:
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor), np.uint8)


@pytest.mark.parametrize("clip", CLIPS)
def test_both_forms_of_yunet_see_the_same_face(
    yunet: Detector, yunet_320: Detector, frame_of: Frames, clip: str
) -> None:
    frame = frame_of(clip, 20)
    (free,), (fixed,) = yunet.detect([frame]), yunet_320.detect([frame])
    assert len(free) == len(fixed) == 1
    assert free.scores[0] > 0.85
    # The fixed one works at half the size, so its pixels are two of the frame's.
    assert np.abs(free.boxes - fixed.boxes).max() < 6
    assert np.abs(points_of(free) - points_of(fixed)).max() < 6


@pytest.mark.parametrize("clip", CLIPS)
def test_landmarks_come_in_their_order_and_lie_in_the_box(
    yunet: Detector, frame_of: Frames, clip: str
) -> None:
    (found,) = yunet.detect([frame_of(clip, 20)])
    (x1, y1, x2, y2), points = found.boxes[0], points_of(found)[0]
    left_eye, right_eye, nose, left_mouth, right_mouth = points
    assert ((points > (x1, y1)) & (points < (x2, y2))).all()
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert 20 < eye_distance(points) < 60


def test_pictures_of_different_sizes_together_are_as_one_by_one(
    yunet: Detector, frame_of: Frames
) -> None:
    frames = [frame_of(clip, 20) for clip in CLIPS]
    pictures = [
        frames[0],
        scaled(frames[1], 2),
        frames[2],
        scaled(frames[0], 0.5),
        np.ascontiguousarray(frames[1][:, 150:500]),
        frame_of("bottle-detection.mp4", 100),
        frames[1],
    ]
    together = yunet.detect(pictures)
    for picture, found in zip(pictures, together, strict=True):
        (alone,) = yunet.detect([picture])
        assert len(found) == len(alone)
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=0.05)
        np.testing.assert_allclose(points_of(found), points_of(alone), atol=0.05)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-3)
    assert [len(found) for found in together] == [1, 1, 1, 1, 1, 0, 1]


@pytest.mark.parametrize("factor", [0.5, 0.8, 2.0, 3.0])
def test_a_larger_or_smaller_picture_gives_the_same_face_scaled(
    yunet: Detector, frame_of: Frames, factor: float
) -> None:
    frame = frame_of("asl_again.mkv", 20)
    (one,), (other,) = yunet.detect([frame]), yunet.detect([scaled(frame, factor)])
    assert len(one) == len(other) == 1
    assert iou_matrix(one.boxes * factor, other.boxes)[0, 0] > 0.85
    difference = points_of(one)[0] * factor - points_of(other)[0]
    assert np.abs(difference).max() < 0.1 * eye_distance(points_of(other)[0])


def test_a_face_at_the_edge_is_cut_there(yunet: Detector, frame_of: Frames) -> None:
    frame = frame_of("asl_again.mkv", 20)
    (whole,) = yunet.detect([frame])
    x1, y1, x2, _ = whole.boxes[0]
    part = np.ascontiguousarray(frame[:, int(x1 + (x2 - x1) * 0.25) :])
    (found,) = yunet.detect([part])
    assert len(found) == 1
    assert 0 <= found.boxes[0, 0] < 3
    assert abs(found.boxes[0, 1] - y1) < 10


@pytest.mark.parametrize("shape", [(1, 640, 3), (480, 1, 3), (1, 1, 3), (30, 30, 3)])
def test_a_picture_too_small_for_a_face_has_none(
    yunet: Detector, yunet_320: Detector, shape: tuple[int, int, int]
) -> None:
    picture = np.full(shape, 128, np.uint8)
    assert len(yunet.detect([picture])[0]) == 0
    assert len(yunet_320.detect([picture])[0]) == 0


@pytest.mark.parametrize("index", [100, 600, 1100])
def test_bottles_are_no_faces(yunet: Detector, frame_of: Frames, index: int) -> None:
    (found,) = yunet.detect([frame_of("bottle-detection.mp4", index)])
    assert len(found) == 0


@pytest.mark.parametrize("clip", CLIPS)
def test_yolox_finds_the_person_around_the_face(
    yunet: Detector, load_model: LoadModel, frame_of: Frames, clip: str
) -> None:
    model = load_model("yolox_nano.onnx", "yolox", shape=[1, 3, 416, 416])
    frame = frame_of(clip, 20)
    (people,) = Detector(*model, labels=["person"]).detect([frame])
    (faces,) = yunet.detect([frame])
    assert people.scores[0] > 0.85
    assert people.landmarks is None
    assert (people.labels == 0).all()
    x1, y1, x2, y2 = people.boxes[0]
    face = faces.boxes[0]
    assert x1 < face[0]
    assert y1 < face[3]
    assert face[2] < x2
    assert y2 > 460  # down to the lower edge of the frame, and not beyond
    assert y2 <= 480
    assert x2 - x1 > 3 * (face[2] - face[0])
    # Of other things than people there is little in the picture.
    (every,) = Detector(*model).detect([frame])
    assert len(every) < 8
    assert every.scores.tolist() == sorted(every.scores.tolist(), reverse=True)


def test_the_landmark_model_agrees_with_the_detectors_own_landmarks(
    yunet: Detector, landmarks: LandmarkFinder, frame_of: Frames
) -> None:
    errors = []
    for clip in CLIPS:
        frame = frame_of(clip, 20)
        (faces,) = yunet.detect([frame])
        own = points_of(faces)[0]
        found = points_of(landmarks.add(frame, faces))[0]
        errors.append(np.hypot(*(found - own).T) / eye_distance(own))
    # In eye distances; the two were trained on different marks, the nose above all.
    assert float(np.mean(errors)) < 0.15
    assert float(np.max(errors)) < 0.3


def people_of(assets: Path) -> dict[str, str]:
    with (assets / "videos" / "asl_identities.csv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: row["person"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("source", ["detector", "landmark model"])
def test_faces_of_one_person_are_nearer_than_those_of_two(
    assets: Path,
    yunet: Detector,
    landmarks: LandmarkFinder,
    recogniser: Recogniser,
    frame_of: Frames,
    source: str,
) -> None:
    people = people_of(assets)
    assert len(people) == 15
    embeddings: dict[str, Embedding] = {}
    for clip in people:
        frame = frame_of(clip, 2)
        faces = yunet.detect([frame])[0][:1]
        if source == "landmark model":
            faces = landmarks.add(frame, faces)
        crop = recogniser.align(frame, points_of(faces)[0])
        (embeddings[clip],) = recogniser.embed([crop])
    similarity = {
        (one, other): float(embeddings[one].vector @ embeddings[other].vector)
        for one, other in combinations(people, 2)
    }
    genuine = [s for (one, other), s in similarity.items() if people[one] == people[other]]
    impostor = [s for (one, other), s in similarity.items() if people[one] != people[other]]
    assert len(genuine) == 31
    assert len(impostor) == 74
    assert np.median(genuine) > 0.65
    assert np.median(impostor) < 0.35
    if source == "detector":
        assert min(genuine) > 0.49 > max(impostor)
    else:
        assert np.percentile(genuine, 5) > np.percentile(impostor, 95)


def test_embeddings_have_unit_length_and_do_not_depend_on_the_batch(
    yunet: Detector, recogniser: Recogniser, frame_of: Frames
) -> None:
    crops = []
    for clip in CLIPS:
        frame = frame_of(clip, 20)
        crops.append(recogniser.align(frame, points_of(yunet.detect([frame])[0])[0]))
    together = recogniser.embed(crops)
    for crop, embedding in zip(crops, together, strict=True):
        assert embedding.vector.shape == (256,)
        assert np.linalg.norm(embedding.vector) == pytest.approx(1, abs=1e-5)
        (alone,) = recogniser.embed([crop])
        assert float(alone.vector @ embedding.vector) > 0.9999


@pytest.mark.parametrize(
    ("file", "family", "changes"),
    [
        (YUNET, "scrfd", {}),
        (YUNET, "ultraface", {"shape": [1, 3, 256, 320]}),
        (YUNET, "yolox", {}),
        ("yolox_nano.onnx", "yunet", {"shape": [1, 3, 416, 416]}),
        ("yolox_nano.onnx", "ultraface", {"shape": [1, 3, 416, 416]}),
        (REID, "yunet", {"shape": [1, 3, 128, 128]}),
    ],
)
def test_a_real_model_under_another_familys_decoder_is_a_mismatch(
    load_model: LoadModel, file: str, family: str, changes: dict[str, object]
) -> None:
    detector = Detector(*load_model(file, family, **changes))
    with pytest.raises(DecoderMismatchError, match=f"do not fit decoder '{family}'"):
        detector.detect([np.zeros((100, 120, 3), np.uint8)])
