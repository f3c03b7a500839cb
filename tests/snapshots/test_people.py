"""Pictures of what people do: who is followed by their body, and whose face that shows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge.config import Snapshots
from edge.pipeline import Scene
from edge.snapshots import SnapshotTaker
from edge.store.snapshots import SnapshotStore
from edge.types import ByteImage, Track

if TYPE_CHECKING:
    from tests.snapshots.conftest import Director

BODY, FACE = (40.0, 40.0, 120.0, 220.0), (65.0, 50.0, 95.0, 80.0)
OTHER_BODY, OTHER_FACE = (200.0, 40.0, 280.0, 220.0), (225.0, 50.0, 255.0, 80.0)
INTRUSION = "behaviour.intrusion"


@pytest.fixture
def taker(store: SnapshotStore) -> SnapshotTaker:
    settings = Snapshots(what="frame", quality=100, on=("alert.raised", INTRUSION))
    return SnapshotTaker(settings, store, per_second=100)


def with_people(scene: Scene, people: dict[int, tuple[float, ...]]) -> Scene:
    tracks = tuple(
        Track(i, np.asarray(box, np.float32), 0.9, 0, 5, 0, scene.frame.index)
        for i, box in people.items()
    )
    return replace(scene, people=tracks)


def is_clear(jpeg: bytes, box: tuple[float, ...]) -> bool:
    picture: ByteImage = np.asarray(
        cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8
    )
    x1, y1, x2, y2 = (int(v) for v in box)
    return float(picture[y1:y2, x1:x2].std()) > 40


def test_who_does_it_is_shown_and_nobody_else(taker: SnapshotTaker, director: Director) -> None:
    scene = with_people(director.scene(5, {1: FACE, 2: OTHER_FACE}), {11: BODY, 12: OTHER_BODY})
    (one,) = taker.take(scene, [director.event(INTRUSION, 12)])
    assert [is_clear(one.jpeg, face) for face in (FACE, OTHER_FACE)] == [False, True]


def test_an_alert_over_somebody_with_a_face_has_its_picture(
    taker: SnapshotTaker, director: Director
) -> None:
    scene = with_people(director.scene(5, {1: FACE}), {11: BODY})
    pictures = taker.take(
        scene, [director.event(INTRUSION, 11), director.event("alert.raised", 11)]
    )
    assert len(pictures) == 2
    assert taker.counts.unseen == 0


@pytest.mark.parametrize(
    ("faces", "people"),
    [
        # two faces in the box
        ({1: FACE, 2: (85.0, 100.0, 115.0, 130.0)}, {11: BODY}),
        # the face is in the box of somebody else too
        ({1: FACE}, {11: BODY, 12: (60.0, 45.0, 140.0, 225.0)}),
    ],
)
def test_where_it_is_not_certain_whose_face_it_is_all_are_blurred(
    taker: SnapshotTaker,
    director: Director,
    faces: dict[int, tuple[float, float, float, float]],
    people: dict[int, tuple[float, ...]],
) -> None:
    scene = with_people(director.scene(5, faces), people)
    (one,) = taker.take(scene, [director.event(INTRUSION, 11)])
    assert [is_clear(one.jpeg, face) for face in faces.values()] == [False] * len(faces)


def test_a_behaviour_has_one_picture_while_its_track_lives(
    taker: SnapshotTaker, director: Director
) -> None:
    counts = [
        len(
            taker.take(
                with_people(director.scene(index), {11: BODY} if index != 3 else {}),
                [director.event(INTRUSION, 11)],
            )
        )
        for index in range(5)
    ]
    # Gone in frame 3; who then has its number is somebody else.
    assert counts == [1, 0, 0, 0, 1]
