"""Which events get a picture, of what, and how often."""

from __future__ import annotations

import logging
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge.config import Snapshots
from edge.snapshots import Snapshot, SnapshotTaker, TakerCounts, snapshot_store
from edge.store.snapshots import SnapshotStore
from edge.types import ByteImage

if TYPE_CHECKING:
    from tests.snapshots.conftest import Director

LEFT = (40.0, 80.0, 80.0, 120.0)
RIGHT = (220.0, 80.0, 260.0, 120.0)
NOON = 1_795_262_400.0
UNKNOWN, ALERT = "face.unknown", "alert.raised"


def taker(store: SnapshotStore, *, per_second: int = 100, **settings: object) -> SnapshotTaker:
    whole = {"what": "frame", "quality": 100, **settings}
    return SnapshotTaker(Snapshots.model_validate(whole), store, per_second=per_second)


def shown(snapshot: Snapshot) -> ByteImage:
    picture = cv2.imdecode(np.frombuffer(snapshot.jpeg, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(picture, np.uint8)


def is_clear(picture: ByteImage, box: tuple[float, ...]) -> bool:
    """Whether the noise is still there; blurred it is nearly even."""
    x1, y1, x2, y2 = (int(v) for v in box)
    return float(picture[y1:y2, x1:x2].std()) > 40


def test_everybody_but_the_subject_is_blurred(store: SnapshotStore, director: Director) -> None:
    scene = director.scene(5, {1: LEFT, 2: RIGHT})
    one, other = taker(store).take(
        scene, [director.event(UNKNOWN, 1), director.event("face.recognised", 2)]
    )
    assert [is_clear(shown(one), box) for box in (LEFT, RIGHT)] == [True, False]
    assert [is_clear(shown(other), box) for box in (LEFT, RIGHT)] == [False, True]
    assert is_clear(scene.frame.image, LEFT)
    assert is_clear(scene.frame.image, RIGHT)


def test_faces_that_are_only_suspected_or_expected_are_blurred_too(
    store: SnapshotStore, director: Director
) -> None:
    behind, beside = (140.0, 20.0, 170.0, 50.0), (140.0, 180.0, 170.0, 210.0)
    scene = director.scene(5, {1: LEFT}, unseen={2: behind}, suspects=(beside,))
    (one,) = taker(store).take(scene, [director.event(UNKNOWN, 1)])
    assert [is_clear(shown(one), box) for box in (LEFT, behind, beside)] == [True, False, False]


def test_a_second_look_at_the_subjects_own_face_does_not_blur_it(
    store: SnapshotStore, director: Director
) -> None:
    part, ghost = (45.0, 85.0, 70.0, 110.0), (44.0, 84.0, 84.0, 124.0)
    scene = director.scene(5, {1: LEFT}, unseen={2: ghost}, suspects=(part,))
    (one,) = taker(store).take(scene, [director.event(UNKNOWN, 1)])
    assert is_clear(shown(one), LEFT)


def test_somebody_who_is_seen_before_the_subject_is_blurred_all_the_same(
    store: SnapshotStore, director: Director
) -> None:
    before = (50.0, 90.0, 90.0, 130.0)
    scene = director.scene(5, {1: LEFT, 2: before})
    (one,) = taker(store).take(scene, [director.event(UNKNOWN, 1)])
    assert not is_clear(shown(one), before)


def test_whatever_looks_like_a_face_is_blurred_on_somebody_who_shows_none(
    store: SnapshotStore, director: Director
) -> None:
    body, head = (100.0, 20.0, 180.0, 230.0), (125.0, 25.0, 155.0, 60.0)
    scene = director.scene(5, {1: LEFT}, bodies={3: body}, suspects=(head,))
    event = director.event("face.person_without_face", 3)
    (one,) = taker(store, on=["face.person_without_face"]).take(scene, [event])
    assert [is_clear(shown(one), box) for box in (LEFT, head)] == [False, False]
    (crop,) = taker(store, on=["face.person_without_face"], what="crop").take(
        scene, [director.event("face.person_without_face", 3)]
    )
    assert shown(crop).shape == (240, 96, 3)  # 1.2 times the body, down to the edge of the frame


def test_a_crop_is_three_faces_wide_and_ends_at_the_frame(
    store: SnapshotStore, director: Director
) -> None:
    cropper = taker(store, what="crop")
    scene = director.scene(5, {1: (140, 100, 180, 150), 2: (290, 0, 330, 40)})
    middle, corner = cropper.take(scene, [director.event(UNKNOWN, 1), director.event(UNKNOWN, 2)])
    assert shown(middle).shape == (150, 120, 3)
    assert shown(corner).shape == (80, 70, 3)
    part = scene.frame.image[50:200, 100:220]
    assert np.abs(shown(middle).astype(int) - part).mean() < 5


def test_others_in_the_crop_are_blurred(store: SnapshotStore, director: Director) -> None:
    neighbour = (90.0, 80.0, 118.0, 120.0)
    scene = director.scene(5, {1: LEFT, 2: neighbour})
    (one,) = taker(store, what="crop").take(scene, [director.event(UNKNOWN, 1)])
    picture = shown(one)
    assert not is_clear(picture, (90, 40, 118, 80))
    assert is_clear(picture, (40, 40, 70, 80))


def test_only_the_types_asked_for_and_only_tracks_have_pictures(
    store: SnapshotStore, director: Director
) -> None:
    scene = director.scene(5, {1: LEFT})
    events = [
        director.event("face.low_quality", 1),
        director.event("system.camera_lost", None),
        director.event(ALERT, None),
        director.event("face.recognised", 1),
    ]
    pictures = taker(store).take(scene, events)
    assert [one.event_id for one in pictures] == [events[3].id]


def test_a_track_has_one_picture_a_type_and_every_alert_its_own(
    store: SnapshotStore, director: Director
) -> None:
    watch = taker(store)
    asked = [UNKNOWN, UNKNOWN, "face.recognised", UNKNOWN, ALERT, ALERT]
    got = [
        len(watch.take(director.scene(index, {1: LEFT}), [director.event(name, 1)]))
        for index, name in enumerate(asked)
    ]
    assert got == [1, 0, 1, 0, 1, 1]
    # The next one of that number is somebody else.
    watch.take(director.scene(10, ended={1: LEFT}), [])
    assert len(watch.take(director.scene(11, {1: LEFT}), [director.event(UNKNOWN, 1)])) == 1


def test_who_has_gone_is_shown_as_seen_best(store: SnapshotStore, director: Director) -> None:
    watch = taker(store)
    near = (40.0, 60.0, 100.0, 120.0)
    for index, (box, score) in enumerate([(LEFT, 0.9), (near, 0.9), (near, 0.5), (LEFT, 0.9)]):
        assert watch.take(director.scene(index, {1: box, 2: RIGHT}, score=score), []) == []
    watch.take(director.scene(4, {2: RIGHT}, unseen={1: LEFT}), [])
    ending = director.scene(5, ended={1: near})
    (one,) = watch.take(ending, [director.event(UNKNOWN, 1, NOON + 0.5)])
    best = director.picture(1)
    assert is_clear(shown(one), near)
    face = np.s_[60:120, 40:100]
    assert np.abs(shown(one)[face].astype(int) - best[face]).mean() < 5
    assert not is_clear(shown(one), RIGHT)


@pytest.mark.parametrize("what", ["crop", "frame"])
def test_who_was_never_seen_has_no_picture(
    store: SnapshotStore, director: Director, what: str
) -> None:
    watch = taker(store, what=what)
    outside = (-90.0, -90.0, -60.0, -60.0)
    scene = director.scene(5, unseen={1: LEFT}, ended={2: LEFT})
    assert watch.take(scene, [director.event(UNKNOWN, n) for n in (1, 2, 3)]) == []
    assert watch.counts == TakerCounts(unseen=3)
    if what == "crop":
        scene = director.scene(6, {4: outside})
        assert watch.take(scene, [director.event(UNKNOWN, 4)]) == []
        assert watch.counts == TakerCounts(unseen=4)


def test_no_more_than_so_many_a_second_and_alerts_come_first(
    store: SnapshotStore, director: Director
) -> None:
    watch = taker(store, per_second=2)
    boxes = {n: (40.0 + 50 * n, 80.0, 70.0 + 50 * n, 110.0) for n in range(1, 5)}
    scene = director.scene(0, boxes)
    events = [director.event(UNKNOWN, n, NOON) for n in boxes]
    alerts = [director.event(ALERT, n, NOON) for n in (3, 4)]
    taken = watch.take(scene, events + alerts)
    # The events of 3 and 4 share the pictures of their alerts.
    wanted = [alerts[0].id, alerts[1].id, events[2].id, events[3].id]
    assert [one.event_id for one in taken] == wanted
    assert watch.counts == TakerCounts(taken=4, skipped=2)

    def at(seconds: float, track_id: int) -> int:
        event = director.event(ALERT, track_id, NOON + seconds)
        return len(watch.take(scene, [event]))

    assert at(0.9, 1) == 0
    assert [at(1.0, 1), at(1.1, 2), at(1.2, 3)] == [1, 1, 0]
    # A clock set back by a year begins anew; one set forward again, too.
    assert [at(-31e6, 1), at(-31e6, 2), at(-31e6, 3), at(2.5, 1)] == [1, 1, 0, 1]


def test_cameras_do_not_share_tracks_or_pace(store: SnapshotStore, director: Director) -> None:
    watch = taker(store, per_second=1)
    for camera in ("door", "yard"):
        scene = director.scene(0, {1: LEFT}, camera=camera)
        (one,) = watch.take(scene, [director.event(UNKNOWN, 1, camera=camera)])
        assert one.topic.startswith(f"edgewarden/hq/gate-01/{camera}/snapshots/")
    elsewhere = director.scene(20, ended={1: LEFT}, camera="gate")
    assert watch.take(elsewhere, [director.event(UNKNOWN, 1, NOON + 2, camera="gate")]) == []


def test_a_full_disk_costs_the_kept_copy_and_one_line_in_the_log(
    store: SnapshotStore, director: Director, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watch = taker(store)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with caplog.at_level(logging.WARNING):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            lost = [
                watch.take(director.scene(n, {n: LEFT}), [director.event(UNKNOWN, n)])[0]
                for n in (1, 2, 3)
            ]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [one.path for one in lost] == [None] * 3
    assert all(is_clear(shown(one), LEFT) for one in lost)
    assert watch.counts == TakerCounts(taken=3, unkept=3)
    assert len(caplog.records) == 1
    assert "snapshots are not kept: no room" in caplog.text
    assert not [path for path in (tmp_path / "media").rglob("*") if path.is_file()]
    (kept,) = watch.take(director.scene(9, {9: LEFT}), [director.event(UNKNOWN, 9)])
    assert kept.path is not None
    assert kept.path.exists()


def test_quality_is_the_settings(store: SnapshotStore, director: Director) -> None:
    scene = director.scene(1, {1: LEFT})
    sizes = [
        len(taker(store, quality=q).take(scene, [director.event(UNKNOWN, 1)])[0].jpeg)
        for q in (20, 90)
    ]
    assert sizes[0] * 2 < sizes[1]


def test_a_snapshot_shows_no_picture_in_a_log(store: SnapshotStore, director: Director) -> None:
    (one,) = taker(store).take(director.scene(1, {1: LEFT}), [director.event(UNKNOWN, 1)])
    assert "xff" not in repr(one)
    assert one.event_id in repr(one)


def test_views_of_only_a_few_are_held(store: SnapshotStore, director: Director) -> None:
    """A crowd costs no memory: of the fifth and later ones, nothing is kept for when they go."""
    watch = taker(store)
    crowd = {n: (10.0 + 30 * n, 80.0, 35.0 + 30 * n, 105.0) for n in range(1, 9)}
    watch.take(director.scene(0, crowd), [])
    events = [director.event(UNKNOWN, n) for n in crowd]
    assert len(watch.take(director.scene(1, ended=crowd), events)) == 4
    assert watch.counts == TakerCounts(taken=4, unseen=4)


def test_the_store_of_a_site_keeps_its_budget_and_its_days(
    director: Director, tmp_path: Path
) -> None:
    settings = Snapshots(what="frame", budget_mb=1, keep_days=2)
    with snapshot_store(settings, tmp_path) as store:
        event = director.new_id()
        path = store.put(event, NOON, bytes(600_000))
        assert path == tmp_path / "media" / "2026-11-21" / f"{event}.jpg"
        store.put(director.new_id(), NOON, bytes(400_000))
        assert store.counts().made_room == 0
        store.put(director.new_id(), NOON + 86_400, b"x")
        assert (store.counts().made_room, store.counts().bytes) == (1, 400_001)
        assert store.sweep(NOON + 2.5 * 86_400) == 1
