"""Tracks from their first sighting to their end, in scenes whose truth is known."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.geometry import iou_matrix
from edge.track.bytetrack import ByteTracker, TrackSettings
from edge.track.kalman import Motion
from edge.types import Detections, Track

if TYPE_CHECKING:
    from tests.track.conftest import Box, MakeDetections, MakeStream, Stream

MAX_LOST = TrackSettings().max_lost


def face(x: float, y: float = 100.0, width: float = 60.0, height: float = 80.0) -> Box:
    """A face whose upper left corner is at (x, y)."""
    return (x, y, x + width, y + height)


def ids(tracks: list[Track]) -> list[int]:
    return [track.id for track in tracks]


def test_empty_frames_first(stream: Stream) -> None:
    assert stream.show(times=20) == []
    assert len(stream.show(face(100), times=3)) == 1
    assert stream.show() != []  # predicted
    assert stream.flush() != []
    assert ByteTracker().update(Detections.empty(landmarks=True), 7) == ([], [])


def test_a_stream_without_anything_ends_without_anything(stream: Stream) -> None:
    assert stream.flush() == []
    stream.show(times=3)
    assert stream.flush() == []


def test_one_object_moving_is_one_track(stream: Stream) -> None:
    stream.index = 40
    for x in range(0, 400, 8):
        alive = stream.show(face(600, 300), face(x, 100 + x / 10))
    first, second = alive
    assert (first.id, first.detection, second.id, second.detection) == (1, 0, 2, 1)
    assert (second.first_index, second.last_index, second.hits) == (40, 89, 50)
    assert iou_matrix(second.box, face(392, 139.2))[0, 0] > 0.95
    assert second.score == pytest.approx(0.9)
    assert stream.ended == []


@pytest.mark.parametrize("min_hits", [1, 2, 3, 5])
def test_a_track_is_shown_from_the_sighting_that_confirms_it(
    make_stream: MakeStream, min_hits: int
) -> None:
    stream = make_stream(min_hits=min_hits)
    shown = [len(stream.show(face(100))) for _ in range(6)]
    assert shown == [0] * (min_hits - 1) + [1] * (7 - min_hits)
    (track,) = stream.flush()
    assert (track.hits, track.first_index, track.last_index) == (6, 0, 5)


@pytest.mark.parametrize("seen", [1, 2])
def test_a_ghost_is_never_confirmed_and_takes_no_id(stream: Stream, seen: int) -> None:
    for start in range(10):
        stream.show(face(60 * start), scores=1.0, times=seen)
        assert stream.show() == []
    assert (stream.flush(), stream.ended) == ([], [])
    assert ids(stream.show(face(100), times=3)) == [1]


def test_sightings_with_a_miss_between_them_confirm_nothing(stream: Stream) -> None:
    for _ in range(20):
        assert stream.show(face(100), times=2) == []
        assert stream.show() == []


def test_two_that_cross_keep_their_tracks(stream: Stream) -> None:
    # One face passes below and partly over the other, 6 px a frame each way. Rows change places.
    for step in range(60):
        right, left = face(100 + 6 * step, 100), face(460 - 6 * step, 140)
        boxes = (right, left) if step % 2 else (left, right)
        alive = stream.show(*boxes)
        if step >= 2:
            at = {t.id: boxes[t.detection] for t in alive if t.detection is not None}
            assert at == {1: left, 2: right}


def test_one_that_hides_behind_another_in_passing_comes_out_as_itself(stream: Stream) -> None:
    for step in range(70):
        front, back = face(460 - 5 * step, 100, 80, 104), face(100 + 5 * step, 110)
        hidden = iou_matrix(front, back)[0, 0] > 0.2
        alive = stream.show(*([front] if hidden else [front, back]))
    assert {t.id: t.detection for t in alive} == {1: 0, 2: 1}
    assert stream.ended == []
    first, second = alive
    assert first.hits == 70
    assert 50 < second.hits < 65


@pytest.mark.parametrize("gap", [1, 5, 15, MAX_LOST - 1])
def test_a_covered_face_is_revived(stream: Stream, gap: int) -> None:
    stream.show(face(200), times=20)
    hidden = stream.show(times=gap)
    assert [(t.id, t.detection, t.hits, t.last_index) for t in hidden] == [(1, None, 20, 19)]
    (track,) = stream.show(face(225))
    assert (track.id, track.detection, track.hits) == (1, 0, 21)
    assert (track.first_index, track.last_index) == (0, 20 + gap)
    assert stream.ended == []


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("max_lost", [0, 7, MAX_LOST])
def test_lost_time_is_counted_in_frame_indices(
    make_stream: MakeStream, max_lost: int, every: int
) -> None:
    stream = make_stream(max_lost=max_lost)
    stream.show(face(200), times=4, every=every)
    last = stream.index - every
    while stream.index - last <= max_lost:
        assert ids(stream.show(every=every)) == [1]
    assert stream.ended == []
    assert stream.show(every=every) == []
    (ended,) = stream.ended
    assert (ended.id, ended.hits, ended.last_index) == (1, 4, last)
    assert ids(stream.show(face(200), times=3, every=every)) == [2]


def test_a_track_ends_as_it_was_last_seen(stream: Stream) -> None:
    for x in range(0, 200, 10):
        alive = stream.show(face(x), scores=0.8)
    (before,) = alive
    (hidden,) = stream.show()
    stream.show(times=MAX_LOST)
    (ended,) = stream.ended
    assert hidden.box[0] > before.box[0] + 5
    assert (ended.box == before.box).all()
    assert (ended.detection, ended.last_index, ended.hits) == (None, 19, 20)
    assert ended.score == pytest.approx(0.8)


def test_an_unseen_box_moves_on_for_a_while_and_then_stands(make_stream: MakeStream) -> None:
    stream = make_stream(coast=6)
    for x in range(0, 200, 10):
        stream.show(face(x))
    places = [stream.show()[0].box[0] for _ in range(10)]
    steps = np.diff([190.0, *places])
    assert steps[:6] == pytest.approx([10] * 6, abs=0.5)
    assert (steps[6:] == 0).all()


def test_an_unseen_box_stops_growing(stream: Stream) -> None:
    for growth in range(0, 40, 2):
        stream.show(face(100, 100, 60 + growth, 80 + growth))
    heights = [float(track.box[3] - track.box[1]) for _ in range(6) for track in stream.show()]
    assert heights[0] > 118
    assert heights[1:] == pytest.approx([heights[0]] * 5)


def test_a_pause_makes_the_motion_model_less_sure(make_stream: MakeStream) -> None:
    # The longer the pause, the more of a new sighting is believed, as the filter itself has it.
    for pause in (1, 5, 20):
        stream = make_stream(min_hits=2, coast=20)
        stream.show(face(100), every=pause)
        (track,) = stream.show(face(110))
        state = Motion.start(face(100)).predict(pause).correct(np.asarray([0]), face(110))
        np.testing.assert_allclose(track.box, state.boxes()[0])


def test_frames_left_out_are_predicted_over(make_stream: MakeStream) -> None:
    # 10 px a frame; then 6 frames are missing, in which it goes further than the gate would reach
    # if it were taken to stand: buffer 0 and an IoU above 0.5 mean less than 20 px.
    for index, follows in ((27, True), (23, False)):
        stream = make_stream(buffer=0.0, first_iou=0.5, fuse_score=False)
        for x in range(0, 210, 10):
            stream.show(face(x))
        assert stream.index == 21
        stream.index = index
        (track,) = stream.show(face(270))
        assert (track.detection == 0) is follows


def test_fast_motion_seen_every_third_frame_is_followed(make_stream: MakeStream) -> None:
    # Someone walks past: 0.95 of the face's width from one look to the next.
    walk = [face(57 * step) for step in range(10)]
    stream = make_stream()
    alive = [stream.show(box, every=3) for box in walk]
    assert [ids(tracks) for tracks in alive] == [[]] * 2 + [[1]] * 8
    assert all(tracks[0].detection == 0 for tracks in alive[2:])
    without = make_stream(buffer=0.0)
    assert [without.show(box, every=3) for box in walk] == [[]] * 10


def test_what_was_in_sight_is_looked_for_after_any_pause(stream: Stream) -> None:
    # A camera whose picture does not change is not analysed; who sat there still sits there.
    stream.show(face(200), times=10)
    stream.index += 10 * MAX_LOST
    (track,) = stream.show(face(205))
    assert (track.id, track.detection) == (1, 0)
    stream.index += 10 * MAX_LOST
    assert stream.show(face(500)) == []
    assert ids(stream.ended) == [1]


def test_what_was_lost_before_a_pause_is_not_looked_for_after_it(stream: Stream) -> None:
    stream.show(face(200), times=10)
    assert ids(stream.show()) == [1]
    stream.index += MAX_LOST
    assert stream.show(face(200)) == []
    assert ids(stream.ended) == [1]


def test_what_ends_together_comes_in_the_order_of_its_ids(stream: Stream) -> None:
    stream.show(face(200), face(400), times=10)
    stream.show(face(200))  # the second is lost already when the first is missed
    stream.index += 2 * MAX_LOST
    assert stream.show() == []
    assert ids(stream.ended) == [1, 2]


def test_a_slow_camera_still_confirms(stream: Stream) -> None:
    assert ids(stream.show(face(200), times=3, every=4 * MAX_LOST)) == [1]


def test_flush_ends_what_was_confirmed(stream: Stream) -> None:
    stream.show(face(0), face(200), times=10)
    stream.show(face(200), times=5)
    (lost, seen) = stream.show(face(200), face(500))
    assert (lost.detection, seen.detection) == (None, 0)
    first, second = stream.flush()
    assert (first.id, first.last_index, first.hits, first.detection) == (1, 9, 10, None)
    assert (second.id, second.last_index, second.hits, second.detection) == (2, 15, 16, None)
    assert (second.box == seen.box).all()
    assert stream.flush() == []


def test_after_flush_another_stream_may_begin(stream: Stream) -> None:
    stream.show(face(200), times=10)
    stream.flush()
    stream.index = 0
    assert stream.show(face(200), times=2) == []
    assert ids(stream.show(face(200))) == [2]


@pytest.mark.parametrize("again", [5, 4, 0])
def test_frames_must_come_in_their_order(
    stream: Stream, detections: MakeDetections, again: int
) -> None:
    stream.show(face(200), times=6)
    with pytest.raises(ValueError, match=f"after 5, found {again}"):
        stream.tracker.update(detections([]), again)
    assert ids(stream.show(face(200))) == [1]


def test_many_objects_are_kept_apart(stream: Stream) -> None:
    rng = np.random.default_rng(3)
    at = np.stack(np.meshgrid(np.arange(12), np.arange(8)), -1).reshape(-1, 2) * (160.0, 180.0)
    velocity = rng.uniform(-4, 4, at.shape)
    owner: dict[int, int] = {}
    for frame in range(40):
        at += velocity
        if frame % 10 == 9:
            velocity = -velocity
        order = rng.permutation(len(at))
        shaken = at[order] + rng.normal(0, 1.5, at.shape)
        hidden = rng.random(len(at)) < 0.1 if frame > 3 else np.zeros(len(at), bool)
        order, shaken = order[~hidden], shaken[~hidden]
        alive = stream.show(*(face(x, y) for x, y in shaken))
        for track in alive:
            if track.detection is not None:
                person = int(order[track.detection])
                assert owner.setdefault(track.id, person) == person
    assert sorted(owner) == list(range(1, 97))
    assert sorted(owner.values()) == list(range(96))
    assert stream.ended == []


def test_ids_may_be_shared(detections: MakeDetections) -> None:
    shared = count(5)
    first, second = ByteTracker(ids=shared), ByteTracker(ids=shared)
    for index in range(3):
        one, _ = first.update(detections([face(0)]), index)
        two, _ = second.update(detections([face(0), face(200)]), index)
    assert (ids(one), ids(two)) == ([5], [6, 7])


def test_boxes_without_area_or_number_are_passed_over(stream: Stream) -> None:
    nan = float("nan")
    bad = [(nan, nan, nan, nan), (5, 5, 5, 60), (50, 9, 10, 60), (7, 7, 7, 7)]
    for _ in range(5):
        alive = stream.show(*bad, face(100), face(300), scores=[0.9] * 5 + [nan])
    assert [(t.id, t.detection) for t in alive] == [(1, 4)]
    tiny = [stream.show(face(300, 300, 1, 1), face(100)) for _ in range(4)][-1]
    assert [(t.id, t.detection) for t in tiny] == [(1, 1), (2, 0)]


SCENES = st.lists(
    st.tuples(
        st.integers(1, 20),  # frames since the one before
        st.lists(
            st.tuples(
                st.integers(0, 300),
                st.integers(0, 100),
                st.integers(0, 90),
                st.sampled_from([0.05, 0.2, 0.5, 0.65, 0.9]),
            ),
            max_size=5,
        ),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(scene=SCENES, hits=st.integers(1, 3))
def test_what_always_holds(
    detections: MakeDetections,
    scene: list[tuple[int, list[tuple[int, int, int, float]]]],
    hits: int,
) -> None:
    def run() -> tuple[list[list[Track]], list[Track]]:
        tracker = ByteTracker(settings=TrackSettings(min_hits=hits, max_lost=20))
        index = 0
        shown: list[list[Track]] = []
        over: list[Track] = []
        for gap, found in scene:
            index += gap
            boxes = [face(x, y, side, side * 1.25) for x, y, side, _ in found]
            alive, ended = tracker.update(detections(boxes, [s for *_, s in found] or 0.9), index)
            rows = [t.detection for t in alive if t.detection is not None]
            assert len(set(rows)) == len(rows)
            for track in alive:
                assert (track.detection is not None) == (track.last_index == index)
                assert index - track.last_index <= 20
                assert track.hits >= hits
                assert np.isfinite(track.box).all()
                if track.detection is not None:
                    assert found[track.detection][3] >= 0.2
            assert ids(alive) == sorted(ids(alive))
            assert not set(ids(alive)) & set(ids(over + ended))
            shown.append(alive)
            over += ended
        return shown, over + tracker.flush()

    shown, over = run()
    assert sorted(ids(over)) == list(range(1, len(over) + 1))  # dense, and each ends just once
    assert {t.id for alive in shown for t in alive} == set(ids(over))
    again, over_again = run()
    assert [_plain(t) for t in over] == [_plain(t) for t in over_again]
    assert [[_plain(t) for t in a] for a in shown] == [[_plain(t) for t in a] for a in again]
    seen = Counter(t.id for alive in shown for t in alive if t.detection is not None)
    assert all(track.hits == seen[track.id] + hits - 1 for track in over)


def _plain(track: Track) -> tuple[object, ...]:
    where = tuple(track.box.tolist())
    return (track.id, where, track.score, track.detection, track.hits, track.last_index)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"high_score": 1.2}, "high_score: expected 0 to 1, found 1.2"),
        ({"high_score": float("nan")}, "high_score"),
        ({"low_score": -0.1}, "low_score"),
        ({"new_score": 0.5}, "new_score: expected 0.6 to 1, found 0.5"),
        ({"new_score": 1.1}, "new_score"),
        ({"first_iou": 2.0}, "first_iou"),
        ({"second_iou": -1.0}, "second_iou"),
        ({"unconfirmed_iou": 1.01}, "unconfirmed_iou"),
        ({"buffer": -0.1}, "buffer: expected 0 or more"),
        ({"min_hits": 0}, "min_hits: expected 1 or more, found 0"),
        ({"max_lost": -1}, "max_lost"),
        ({"coast": -1}, "coast"),
    ],
)
def test_settings_out_of_range_are_refused(
    make_stream: MakeStream, values: dict[str, float], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        make_stream(**values)


@pytest.mark.parametrize(
    ("high", "new", "start"),
    [(0.6, None, 0.7), (0.4, None, 0.55), (1.0, None, 1.0), (0.6, 0.6, 0.6)],
)
def test_the_score_that_starts_a_track(high: float, new: float | None, start: float) -> None:
    found = TrackSettings(high_score=high, new_score=new).start_score
    assert found == pytest.approx(start)
