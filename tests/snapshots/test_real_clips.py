"""Snapshots of real people: the subject can be recognised in them, nobody else can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.geometry import clip_boxes, iou_matrix
from edge.types import ByteImage, FloatArray

if TYPE_CHECKING:
    from tests.snapshots.conftest import Eyes, Play, Taken

THREE = "face-demographics-walking-and-pause.gif"  # three people side by side
TWO = "head-pose-face-detection-female-and-male.gif"
ON = ("face.unknown", "alert.raised")


def box_of(taken: Taken) -> FloatArray:
    return np.asarray(taken.event.data["box"], np.float32)


@pytest.mark.parametrize(("clip", "people"), [(TWO, 2), (THREE, 3)])
def test_of_several_people_a_frame_shows_the_face_of_one(
    play: Play, eyes: Eyes, clip: str, people: int
) -> None:
    taken = play(clip, what="frame", on=("face.unknown",))
    assert len({one.event.subject for one in taken}) == len(taken) == people
    for one in taken:
        clear = one.frame.image
        assert one.picture.shape == clear.shape
        (before,) = eyes.detector.detect([clear])
        assert (before.scores >= 0.6).sum() == people
        (after,) = eyes.detector.detect([one.picture])
        left = after.boxes[after.scores >= 0.6]
        assert len(left) == 1
        assert iou_matrix(left, box_of(one))[0, 0] > 0.6


@pytest.mark.parametrize("clip", [TWO, THREE])
def test_the_subject_is_recognised_in_the_picture_and_nobody_else(
    play: Play, eyes: Eyes, clip: str
) -> None:
    for one in play(clip, what="frame", on=("face.unknown",)):
        (faces,) = eyes.detector.detect([one.frame.image])
        faces = faces[faces.scores >= 0.6]
        assert faces.landmarks is not None
        overlap = iou_matrix(faces.boxes, box_of(one))[:, 0]
        for row, points in enumerate(faces.landmarks):
            clear, shown = eyes.recogniser.embed(
                [eyes.recogniser.align(p, points) for p in (one.frame.image, one.picture)]
            )
            similarity = float(clear.vector @ shown.vector)
            if row == overlap.argmax():
                assert similarity > 0.8
            else:
                assert similarity < 0.25


def test_half_a_face_at_the_edge_that_nothing_follows_is_blurred(play: Play, eyes: Eyes) -> None:
    (one,) = play("asl_bird.mkv", what="frame", on=("face.unknown",))
    clear = one.frame.image
    (before,) = eyes.detector.detect([clear])
    (edge,) = before.boxes[(before.boxes[:, 2] > 620) & (before.scores < 0.6)]
    assert contrast(one.picture, edge) < contrast(clear, edge) / 2
    assert contrast(one.picture, box_of(one)) > contrast(clear, box_of(one)) * 0.8


def contrast(picture: ByteImage, box: FloatArray) -> float:
    """How much neighbouring pixels of a box differ."""
    x1, y1, x2, y2 = (int(v) for v in clip_boxes(box, picture.shape[1::-1])[0])
    return float(np.abs(np.diff(picture[y1:y2, x1:x2].astype(int), axis=0)).mean())


@pytest.mark.parametrize("clip", [TWO, THREE])
def test_a_crop_holds_the_head_and_shoulders_of_its_subject_alone(
    play: Play, eyes: Eyes, clip: str
) -> None:
    for one in play(clip, what="crop", on=("face.unknown",)):
        x1, y1, x2, y2 = box_of(one)
        height, width = one.picture.shape[:2]
        assert width <= 3 * (x2 - x1) + 1
        assert height <= 3 * (y2 - y1) + 1
        (faces,) = eyes.detector.detect([one.picture])
        assert (faces.scores >= 0.6).sum() == 1
        (face,) = faces.boxes[faces.scores >= 0.6]
        assert face[3] - face[1] > (y2 - y1) * 0.7


def test_an_alert_and_the_event_that_raised_it_share_a_picture(play: Play) -> None:
    taken = play("asl_again.mkv", rule="face.unknown", on=ON)
    assert [one.event.type.split(".")[-2] for one in taken] == ["raised", "unknown"]
    assert taken[0].snapshot.jpeg == taken[1].snapshot.jpeg
    assert taken[0].snapshot.event_id != taken[1].snapshot.event_id
    for one in taken:
        assert one.snapshot.path is not None
        assert one.snapshot.path.name == f"{one.event.id}.jpg"
        assert one.snapshot.path.read_bytes() == one.snapshot.jpeg
        place = f"edgewarden/hq/gate-01/door/snapshots/{one.event.id}"
        assert one.snapshot.topic == place


def test_where_nobody_is_there_are_no_pictures(play: Play) -> None:
    assert play("bottle-detection.mp4", what="frame", on=("face.unknown", "face.low_quality")) == []
