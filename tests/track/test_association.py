"""Which detection goes with which track in one frame, on examples worked out by hand.

All boxes are 60 × 80 and stand still before the frame in question, so that they are predicted where
they are. Enlarged by half on each side they are 120 × 160, and two of them on one level at a
distance d have an IoU of (120 − d) / (120 + d).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.types import Track

if TYPE_CHECKING:
    from tests.track.conftest import Box, MakeStream, Stream


def face(x: float, y: float = 100.0) -> Box:
    """A face whose upper left corner is at (x, y)."""
    return (x, y, x + 60, y + 80)


def rows(tracks: list[Track]) -> dict[int, int | None]:
    return {track.id: track.detection for track in tracks}


def test_the_two_stages_worked_by_hand(stream: Stream) -> None:
    a, b, c = face(0), face(100), face(300)
    stream.show(a, b, times=4)
    assert rows(stream.show(a, b, c)) == {1: 0, 2: 1}  # c is seen for the first time
    # Row 0: high, 20 from a: 100/140 · 0.9 = 0.64; 80 from b: 40/200 · 0.9 = 0.18, too little.
    # Row 1: low, at b but 10 down: the boxes themselves have 70/90 = 0.78, above 0.5.
    # Row 2: high, 45 from c: 75/165 · 0.8 = 0.36, above 0.2 for one not yet confirmed.
    # Row 3: high, but at 0.65 below the 0.7 that starts a track. Row 4: just enough.
    frame = [face(20), face(100, 110), face(345), face(500), face(560, 300)]
    scores = [0.9, 0.3, 0.8, 0.65, 0.7001]
    assert rows(stream.show(*frame, scores=scores)) == {1: 0, 2: 1}
    # c is seen for the third time and so confirmed; row 3 was never started, row 4 was.
    assert rows(stream.show(face(20), b, face(345), face(500), face(560, 300))) == {
        1: 0,
        2: 1,
        3: 2,
    }
    assert rows(stream.show(face(20), b, face(345), face(500), face(560, 300)))[4] == 4
    assert rows(stream.show(face(20), b, face(345), face(500), face(560, 300)))[5] == 3
    assert stream.ended == []


def test_all_together_fit_best_not_each_by_itself(make_stream: MakeStream) -> None:
    stream = make_stream(fuse_score=False)
    stream.show(face(100), face(190), times=3)
    # Row 0 at 140: 80/160 = 0.50 with the first, 70/170 = 0.41 with the second.
    # Row 1 at 50: 70/170 = 0.41 with the first, 140 from the second: nothing.
    # The nearest pair alone gains 0.5 − 0.2; both others together 2 · (0.41 − 0.2).
    assert rows(stream.show(face(140), face(50))) == {1: 1, 2: 0}


@pytest.mark.parametrize(("fuse", "row"), [(True, 1), (False, 0)])
def test_a_sure_detection_wins_over_a_nearer_one_where_scores_count(
    make_stream: MakeStream, fuse: bool, row: int
) -> None:
    stream = make_stream(fuse_score=fuse)
    stream.show(face(100), times=3)
    # 20 off: 100/140 = 0.71, times 0.6 is 0.43. 30 off: 90/150 = 0.6, times 0.9 is 0.54.
    assert rows(stream.show(face(120), face(70), scores=[0.6, 0.9])) == {1: row}


@pytest.mark.parametrize(("distance", "row"), [(79, 0), (81, None)])
def test_the_first_gate(make_stream: MakeStream, distance: float, row: int | None) -> None:
    # 0.2 is reached at (120 − 80) / (120 + 80).
    stream = make_stream(fuse_score=False)
    stream.show(face(100), times=3)
    assert rows(stream.show(face(100 + distance))) == {1: row}


@pytest.mark.parametrize(("distance", "row"), [(19, 0), (21, None)])
def test_the_second_gate_is_on_the_boxes_themselves(
    stream: Stream, distance: float, row: int | None
) -> None:
    # 0.5 is reached at (60 − 20) / (60 + 20).
    stream.show(face(100), times=3)
    assert rows(stream.show(face(100 + distance), scores=0.5)) == {1: row}


@pytest.mark.parametrize(("distance", "confirmed"), [(59, True), (61, False)])
def test_the_gate_of_the_unconfirmed(
    make_stream: MakeStream, distance: float, confirmed: bool
) -> None:
    # A third is reached at (120 − 60) / (120 + 60).
    stream = make_stream(unconfirmed_iou=1 / 3, fuse_score=False, min_hits=2)
    stream.show(face(100))
    assert bool(stream.show(face(100 + distance))) is confirmed


def test_a_confirmed_track_has_the_first_choice(make_stream: MakeStream) -> None:
    stream = make_stream(min_hits=3)
    stream.show(face(100), times=3)
    stream.show(face(100), face(150))
    # The one detection lies nearer to the newcomer, but within reach of the track.
    assert rows(stream.show(face(140))) == {1: 0}
    assert rows(stream.show(face(140), times=5)) == {1: 0}


def test_a_lost_track_competes_with_those_in_sight(stream: Stream) -> None:
    stream.show(face(100), face(300), times=5)
    assert rows(stream.show(face(100))) == {1: 0, 2: None}
    assert rows(stream.show(face(290), face(105))) == {1: 1, 2: 0}


def test_a_low_score_keeps_a_track_and_nothing_else(stream: Stream) -> None:
    stream.show(face(100), times=5)
    assert rows(stream.show(face(100), face(400), scores=0.3, times=10)) == {1: 0}
    assert rows(stream.show(face(100), scores=0.09)) == {1: None}  # below the low score
    assert rows(stream.show(face(100), scores=0.59)) == {1: None}  # lost: only a high one revives
    (track,) = stream.show(face(100), scores=0.6)
    assert (track.detection, track.hits) == (0, 16)
    assert track.score == pytest.approx(0.6)


def test_there_is_no_second_stage_without_low_scores(make_stream: MakeStream) -> None:
    stream = make_stream(high_score=0.1, low_score=0.3)
    stream.show(face(100), times=3)
    assert rows(stream.show(face(100), scores=0.05)) == {1: None}
    assert rows(stream.show(face(100), scores=0.2)) == {1: 0}


def test_a_low_score_does_not_confirm(stream: Stream) -> None:
    stream.show(face(100), times=2)
    assert stream.show(face(100), scores=0.5) == []
    assert stream.show(face(100), times=2) == []
    assert len(stream.show(face(100))) == 1


def test_between_the_scores_a_track_goes_on_but_none_starts(make_stream: MakeStream) -> None:
    stream = make_stream(high_score=0.5, new_score=0.8)
    assert stream.show(face(100), scores=0.79, times=10) == []
    stream.show(face(100), scores=0.81)
    assert stream.show(face(100), scores=0.51) == []
    assert rows(stream.show(face(100), scores=0.51)) == {1: 0}
