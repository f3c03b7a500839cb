"""How often the detector looks: at every frame while anything is open, else at every second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.pipeline import PipelineSettings
from edge.types import Outcome

if TYPE_CHECKING:
    from tests.pipeline.conftest import MakeStage, Paint

FACE = (40, 20, 110, 110)
EVERY_SECOND = PipelineSettings(look_every=2)


def test_an_empty_scene_is_looked_at_every_second_frame(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage(settings=EVERY_SECOND)
    scenes = stage.play([painted()] * 10)
    assert sum(stage.detector.batches) == 5
    assert [scene.frame.index for scene in scenes] == list(range(10))


def test_a_new_face_is_looked_at_until_it_is_confirmed_and_then_every_second_frame(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage(settings=EVERY_SECOND)
    scenes = stage.play([painted({0: FACE})] * 40)
    # 0, 1 and 2 confirm it; from there on 4, 6, … 38.
    assert sum(stage.detector.batches) == 3 + 18
    assert [len(scene.active) for scene in scenes] == [0, 0] + [1] * 38
    (followed,) = scenes[-1].active
    assert followed.identity is not None
    assert followed.identity.outcome is Outcome.RECOGNISED
    changes = [scene.frame.index for scene in scenes if scene.changed]
    assert len(changes) == 1
    (ended,) = stage.end().ended
    assert ended.frames == 40  # as many as show the face


def test_a_fast_face_is_looked_at_in_every_frame(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage(settings=EVERY_SECOND)
    # A step of 30 pixels is much of its width of 70.
    frames = [painted({0: (10 + 30 * i, 20, 80 + 30 * i, 110)}) for i in range(7)]
    stage.play(frames)
    assert sum(stage.detector.batches) == 7


def test_a_face_that_leaves_is_looked_for_in_every_frame(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage(settings=EVERY_SECOND)
    stage.play([painted({0: FACE})] * 11 + [painted()] * 10)
    # 0, 1, 2, 4, 6, 8, 10 with it; then 12, and from there on every one.
    assert sum(stage.detector.batches) == 7 + 9
