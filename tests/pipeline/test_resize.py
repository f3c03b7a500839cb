"""A camera that changes the size of its pictures: boxes of one size mean nothing in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.pipeline import PipelineSettings
from edge.types import Frame

if TYPE_CHECKING:
    from tests.pipeline.conftest import MakeStage, Paint

FAR = (220, 130, 300, 230)  # outside of a picture of the small size
NEAR = (20, 10, 80, 90)
SMALL = (160, 120)


def test_tracks_end_in_the_last_frame_of_their_size(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage()
    stage.play([painted({0: FAR})] * 12)
    small = Frame("door", 12, 0.4, painted({0: NEAR}, size=SMALL))
    closed, scene = stage.step(small)
    assert (closed.frame.index, closed.frame.size) == (11, (320, 240))
    (gone,) = closed.ended
    assert gone.identity is not None
    assert gone.identity.person == "a"
    np.testing.assert_array_equal(gone.track.box, FAR)
    assert closed.active == ()
    assert scene.frame is small
    assert scene.ended == ()


def test_who_comes_after_it_is_a_track_of_its_own(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage(person=True)
    stage.play([painted({0: FAR})] * 12)
    for index in range(12, 24):
        stage.step(Frame("door", index, 0.0, painted({1: NEAR}, size=SMALL)))
    (followed,) = stage.seen["door"][-1].active
    assert followed.track.id == 2
    assert followed.frames == 12
    (ended,) = stage.end().ended
    assert ended.track.id == 2
    assert ended.identity is not None
    assert ended.identity.person == "b"


def test_only_the_camera_that_changed_begins_anew(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage()
    for index in range(24):
        size = (320, 240) if index < 12 else SMALL
        box = FAR if index < 12 else NEAR
        scenes = stage.step(
            Frame("yard", index, 0.0, painted({1: FAR})),
            Frame("door", index, 0.0, painted({0: box}, size=size)),
        )
        cameras = [scene.frame.camera for scene in scenes]
        assert cameras == (["yard", "door", "door"] if index == 12 else ["yard", "door"])
    (ended,) = stage.end("yard").ended
    assert ended.frames == 24


def test_the_last_frame_counts_even_where_nobody_looked(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage(settings=PipelineSettings(look_every=2))
    stage.play([painted()] * 4)  # looked at: 0 and 2
    assert stage.detector.batches == [1, 1]
    closed, _ = stage.step(Frame("door", 4, 0.2, painted(size=SMALL)))
    assert closed.frame.index == 3
    assert stage.detector.batches == [1, 1, 1]


def test_a_camera_that_ends_in_another_size_ends_in_its_own(
    make_stage: MakeStage, painted: Paint
) -> None:
    # A camera of few fps: the size changed in frames that were not analysed.
    stage = make_stage()
    stage.play([painted({0: FAR})] * 12)
    scene = stage.pipeline.end(Frame("door", 14, 0.5, painted(size=SMALL)))
    assert (scene.frame.index, scene.frame.size) == (11, (320, 240))
    assert len(scene.ended) == 1
