"""People who show no face: when that is said, and when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.pipeline import PipelineSettings, Scene
from edge.types import ByteImage, Outcome

if TYPE_CHECKING:
    from tests.pipeline.conftest import MakeStage, Paint

BODY = (20, 10, 140, 230)
FACE = (40, 20, 110, 110)
ELSEWHERE = (220, 20, 290, 110)
SETTINGS = PipelineSettings(look_every=1, person_every=2, faceless=3)


def spoken(scenes: list[Scene]) -> list[tuple[str, int]]:
    """("started" or "ended", frame index) of people who show no face, in order."""
    found = []
    for scene in scenes:
        for followed in scene.active:
            if followed.subject is None and followed.track.id in scene.changed:
                found.append(("started", scene.frame.index))
        found += [("ended", scene.frame.index) for f in scene.ended if f.subject is None]
    return found


def test_somebody_without_a_face_is_told_after_so_many_sightings(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage(person=True, settings=SETTINGS)
    scenes = stage.play([painted(bodies={0: BODY})] * 30)
    ((kind, frame),) = spoken(scenes)
    (first,) = {s.frame.index for s in scenes if s.changed}
    assert (kind, frame) == ("started", first)
    # Looks are at 0, 2, 4 …; the tracker may take one or two of them to believe in somebody.
    assert 4 <= frame <= 8
    for scene in scenes:
        assert [f.track.id for f in scene.active] == ([1] if scene.frame.index >= frame else [])
    (followed,) = scenes[-1].active
    assert followed.identity is not None
    assert followed.identity.outcome is Outcome.PERSON_WITHOUT_FACE
    assert followed.track.box.tolist() == [20, 10, 140, 230]
    assert spoken([stage.end()]) == [("ended", 29)]


def test_a_camera_with_no_person_detector_says_nothing_of_people(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage(settings=SETTINGS)
    assert spoken([*stage.play([painted(bodies={0: BODY})] * 40), stage.end()]) == []


def test_somebody_who_shows_a_face_is_not_told(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage(person=True, settings=SETTINGS)
    scenes = stage.play([painted({0: FACE}, {0: BODY})] * 30)
    assert spoken([*scenes, stage.end()]) == []


def test_somebody_whose_head_is_above_the_frame_hides_nothing(
    make_stage: MakeStage, painted: Paint
) -> None:
    stage = make_stage(person=True, settings=SETTINGS)
    reaching_in = (20, 0, 140, 230)
    assert spoken([*stage.play([painted(bodies={0: reaching_in})] * 30), stage.end()]) == []


def test_a_face_elsewhere_is_not_theirs(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage(person=True, settings=SETTINGS)
    scenes = stage.play([painted({0: ELSEWHERE}, {0: BODY})] * 30)
    assert [kind for kind, _ in spoken(scenes)] == ["started"]
    ids = [f.track.id for f in scenes[-1].active]
    assert len(ids) == len(set(ids)) == 2


def test_it_ends_when_a_face_appears_and_starts_again_when_it_turns_away(
    make_stage: MakeStage, painted: Paint
) -> None:
    away, facing = painted(bodies={0: BODY}), painted({0: FACE}, {0: BODY})
    stage = make_stage(person=True, settings=SETTINGS)
    scenes = stage.play([away] * 20 + [facing] * 20 + [away] * 120)
    (first, _), (ended, when), (again, later) = spoken(scenes)
    assert (first, ended, again) == ("started", "ended", "started")
    assert 20 <= when <= 24
    assert later > 40
    assert spoken([stage.end()]) == [("ended", 159)]


def test_it_ends_when_they_leave(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage(person=True, settings=SETTINGS)
    scenes = stage.play([painted(bodies={0: BODY})] * 20 + [painted()] * 200)
    assert [kind for kind, _ in spoken(scenes)] == ["started", "ended"]
    assert scenes[-1].active == ()
    assert spoken([stage.end()]) == []


@pytest.mark.parametrize(("top", "told"), [(0, False), (2, False), (10, True)])
def test_somebody_whose_head_is_above_the_frame_is_not_told(
    make_stage: MakeStage, painted: Paint, top: int, told: bool
) -> None:
    stage = make_stage(person=True, settings=SETTINGS)
    scenes = stage.play([painted(bodies={0: (20, top, 140, 230)})] * 30)
    assert bool(spoken([*scenes, stage.end()])) is told


def test_a_glimpse_of_somebody_is_not_told(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage(person=True, settings=SETTINGS)
    pictures: list[ByteImage] = [painted(bodies={0: BODY})] * 4 + [painted()] * 200
    assert spoken([*stage.play(pictures), stage.end()]) == []


def test_somebody_who_is_only_expected_is_not_sighted(
    make_stage: MakeStage, painted: Paint
) -> None:
    settings = PipelineSettings(look_every=1, person_every=1, faceless=6)
    stage = make_stage(person=True, settings=settings)
    scenes = stage.play([painted(bodies={0: BODY})] * 7 + [painted()] * 100)
    assert spoken([*scenes, stage.end()]) == []


def test_sightings_count_only_one_after_another(make_stage: MakeStage, painted: Paint) -> None:
    settings = PipelineSettings(look_every=1, person_every=1, faceless=12)
    away, facing = painted(bodies={0: BODY}), painted({0: FACE}, {0: BODY})
    # A face seen now and then is one that keeps its track.
    stage = make_stage(person=True, settings=settings)
    scenes = stage.play(([facing] * 5 + [away] * 5) * 6)
    assert spoken(scenes) == []


def test_people_are_looked_for_only_now_and_then(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage(person=True, settings=PipelineSettings(look_every=1, person_every=7))
    stage.play([painted()] * 15)
    person = stage.pipeline._models.person
    assert person is not None
    assert vars(person)["batches"] == [1, 1, 1]
