"""Faces from their first frame to the last: what changed, what ended, and who it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.gallery.shots import ShotSettings
from edge.gallery.subject import RecognitionSettings
from edge.pipeline import Followed, Scene
from edge.track.bytetrack import TrackSettings
from edge.types import Frame, Outcome

if TYPE_CHECKING:
    from tests.pipeline.conftest import MakeStage, Paint

FACE = (20, 100, 100, 200)
OTHER = (200, 20, 270, 110)
CONFIRMED = TrackSettings().min_hits - 1  # the first frame in which a track is shown to anyone
NAMED_AT = CONFIRMED + 8  # the last frame of the third window of three
LONG_GONE = TrackSettings().max_lost + 10


def told(scene: Scene) -> dict[int, tuple[Outcome, str | None]]:
    """Track id to the identity that is new in this scene."""
    return {f.track.id: key(f) for f in scene.active if f.track.id in scene.changed}


def key(followed: Followed) -> tuple[Outcome, str | None]:
    assert followed.identity is not None
    return followed.identity.outcome, followed.identity.person


def changes(scenes: list[Scene]) -> list[tuple[int, Outcome, str | None]]:
    return [(s.frame.index, *k) for s in scenes for k in told(s).values()]


def ends(scenes: list[Scene]) -> list[tuple[int, Outcome, str | None]]:
    return [(s.frame.index, *key(f)) for s in scenes for f in s.ended]


def test_a_face_is_named_once_and_ends_once(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage()
    scenes = stage.play([painted({0: FACE})] * 40)
    assert changes(scenes) == [(NAMED_AT, Outcome.RECOGNISED, "a")]
    assert ends(scenes) == []
    assert ends([stage.end()]) == [(39, Outcome.RECOGNISED, "a")]
    assert ends([stage.end()]) == []


def test_a_face_that_leaves_ends_while_the_camera_goes_on(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage()
    stage.play([painted({0: FACE})] * 20)
    later = stage.play([painted()] * LONG_GONE, start=20)
    assert [(outcome, who) for _, outcome, who in ends(later)] == [(Outcome.RECOGNISED, "a")]
    assert ends([stage.end()]) == []
    (gone,) = (f for s in later for f in s.ended)
    assert gone.track.last_index == 19
    assert gone.track.hits == 20


def test_a_face_ends_where_it_was_last_seen(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage()
    stage.play([painted({0: (x, 60, x + 70, 150)}) for x in range(0, 120, 4)])
    later = stage.play([painted()] * LONG_GONE, start=30)
    assert later[10].active[0].track.box[0] > 140  # it is expected to have walked on
    (gone,) = (f for s in later for f in s.ended)
    assert gone.track.box == pytest.approx(np.asarray([116, 60, 186, 150]), abs=4)
    assert gone.track.detection is None


def test_a_face_behind_something_keeps_its_track_and_name(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage()
    here, hidden = painted({0: FACE}), painted()
    scenes = stage.play([here] * 20 + [hidden] * 30 + [here] * 20)
    assert changes(scenes) == [(NAMED_AT, Outcome.RECOGNISED, "a")]
    assert {f.track.id for s in scenes for f in s.active} == {1}
    assert len(stage.end().ended) == 1


def test_a_face_of_a_moment_is_low_quality_at_its_end(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage()
    scenes = stage.play([painted({0: FACE})] * (CONFIRMED + 4))
    assert changes(scenes) == []
    (followed,) = stage.end().ended
    assert followed.identity is not None
    assert key(followed) == (Outcome.LOW_QUALITY, None)
    assert followed.identity.reason == "only 2 of 3 good views"


def test_the_view_that_waits_can_complete_a_short_track(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage()
    frames = CONFIRMED + 7
    assert changes(stage.play([painted({0: FACE})] * frames)) == []
    assert ends([stage.end()]) == [(frames - 1, Outcome.RECOGNISED, "a")]


def test_strangers_and_people_enrolled_are_told_apart_in_one_frame(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage()
    stage.play([painted({0: FACE, 3: OTHER})] * 20)
    final = {f.track.box[0] > 150: key(f) for f in stage.end().ended}
    assert final == {False: (Outcome.RECOGNISED, "a"), True: (Outcome.UNKNOWN, None)}


def test_a_track_that_changes_hands_is_told_again(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage()
    first, second = painted({0: FACE}), painted({1: FACE})
    stage.play([first] * 100)
    settled = None
    for index in range(100, 200):
        (scene,) = stage.play([second], start=index)
        (followed,) = scene.active
        assert followed.subject is not None
        if settled is None and followed.subject.has_changed_hands:
            settled = index
    assert settled is not None
    shots, confirm = ShotSettings(), RecognitionSettings().confirm
    # The view that settles it is the first vote.
    told_at = settled + (confirm - 1) * shots.then_every
    assert changes(stage.seen["door"]) == [
        (NAMED_AT, Outcome.RECOGNISED, "a"),
        (told_at, Outcome.RECOGNISED, "b"),
    ]
    assert told_at <= 100 + shots.recheck + (shots.enough + confirm) * shots.then_every
    assert ends([stage.end()]) == [(199, Outcome.RECOGNISED, "b")]


def test_only_some_views_are_embedded(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage()
    stage.play([painted({0: FACE})] * 300)
    shots = ShotSettings()
    rechecks = 300 // shots.recheck
    assert shots.keep < sum(stage.embedder.batches) <= shots.keep + rechecks


def test_where_frames_are_skipped_windows_still_count_frame_indices(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage()
    scenes = stage.play([painted({0: FACE})] * 10, every=3)
    # Each window is over when the next view comes.
    assert changes(scenes) == [((CONFIRMED + 3) * 3, Outcome.RECOGNISED, "a")]


def test_the_largest_face_so_far_and_the_landmarks_are_kept(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage()
    sizes = [60, 62, 64, 66, 68, 70, 70, 70, 70, 66, 62, 60]
    scenes = stage.play([painted({0: (100, 100, 100 + s, 120 + s)}) for s in sizes])
    (followed,) = scenes[-1].active
    assert followed.face_px == pytest.approx(70, abs=2)
    assert followed.landmarks == pytest.approx(
        np.asarray([[118, 128], [142, 128], [130, 146], [121, 164], [139, 164]])
    )


def test_without_a_recogniser_every_face_is_unknown_at_once(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage(recogniser=False)
    scenes = stage.play([painted({0: FACE})] * 20)
    (one,) = changes(scenes)
    assert one[1:] == (Outcome.UNKNOWN, None)
    assert one[0] == next(s.frame.index for s in scenes if s.active)
    (followed,) = stage.end().ended
    assert followed.identity is not None
    assert followed.identity.reason == "no recogniser is configured"
    assert followed.landmarks is None


def test_a_landmark_model_serves_a_detector_without(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage(shape=None, landmarks=True)
    scenes = stage.play([painted({0: FACE, 1: OTHER})] * 20)
    assert {who for _, _, who in changes(scenes)} == {"a", "b"}
    (first,) = (f for f in scenes[-1].active if f.track.box[0] < 150)
    assert first.landmarks is not None
    assert first.landmarks[0] == pytest.approx([44, 135], abs=1e-3)


@pytest.mark.parametrize(
    ("shape", "reason", "quality"),
    [
        (None, "no landmarks to align the face by", None),
        ("in_one_place", "no landmarks to align the face by", None),
        ("not_numbers", "no landmarks to align the face by", None),
        ("turned", "face turned away", 0.0),
    ],
)
def test_faces_that_give_no_good_view_are_low_quality_and_never_embedded(
    make_stage: MakeStage,
    painted: Paint,
    shape: str | None,
    reason: str,
    quality: float | None,
) -> None:
    stage = make_stage(shape=shape)
    scenes = stage.play([painted({0: FACE})] * 30)
    (one,) = changes(scenes)
    assert one[1:] == (Outcome.LOW_QUALITY, None)
    assert one[0] <= RecognitionSettings().patience + 2
    (followed,) = stage.end().ended
    assert followed.identity is not None
    assert followed.identity.reason == reason
    assert followed.identity.quality == quality
    assert stage.embedder.batches == []


@pytest.mark.parametrize("people", ["", "b"])
def test_nobody_is_named_who_is_not_enrolled(
    make_stage: MakeStage, painted: Paint, people: str
) -> None:
    stage = make_stage(people=people)
    scenes = stage.play([painted({0: FACE})] * 20)
    assert changes(scenes) == [(NAMED_AT, Outcome.UNKNOWN, None)]


def test_no_frames_and_frames_without_faces_are_nothing(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage(person=True)
    assert stage.pipeline.step([]) == []
    assert stage.detector.batches == []
    scenes = [*stage.play([painted()] * 30), stage.end()]
    assert all((s.active, s.changed, s.ended) == ((), frozenset(), ()) for s in scenes)


def test_ending_a_camera_that_was_never_seen_is_nothing(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage()
    stage.play([painted({0: FACE})] * 10, camera="door")
    last = Frame("yard", 3, 0.1, painted())
    scene = stage.pipeline.end(last)
    assert scene == Scene(last, (), frozenset(), ())
    assert len(stage.end("door").ended) == 1


@pytest.mark.parametrize("size", [(160, 120), (640, 480), (100, 320), (1, 1)])
def test_a_stream_may_change_its_size(
    make_stage: MakeStage, painted: Paint, size: tuple[int, int]
) -> None:
    stage = make_stage(person=True)
    later = painted({0: (20, 20, 90, 110)} if min(size) > 1 else {}, size=size)
    scenes = [*stage.play([painted({0: FACE})] * 20 + [later] * 60), stage.end()]
    finals = ends(scenes)
    assert {who for _, _, who in finals} == {"a"}
    assert len(finals) == len({f.track.id for s in scenes for f in s.ended})


def test_what_is_seen_depends_on_the_frames_alone(make_stage: MakeStage, painted: Paint) -> None:
    def run() -> list[object]:
        stage = make_stage(person=True)
        pictures = [painted({0: (x, 120, x + 70, 210), 3: OTHER}) for x in range(20, 80)]
        scenes = [*stage.play(pictures), stage.end()]
        return [
            [(f.track.id, f.identity, f.track.box.tolist()) for f in (*s.active, *s.ended)]
            for s in scenes
        ]

    assert run() == run()
