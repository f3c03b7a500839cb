"""Several cameras at once, and what always holds of what is said about any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.pipeline import PipelineSettings, Scene
from edge.types import Frame, Outcome

if TYPE_CHECKING:
    from tests.pipeline.conftest import MakeStage, Paint

FACE = (100, 100, 180, 200)


def final_names(scene: Scene) -> list[str | None]:
    return [f.identity.person for f in scene.ended if f.identity is not None]


def test_cameras_keep_apart_what_they_see(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage()
    for index in range(12):
        scenes = stage.step(
            Frame("door", index, 0.0, painted({0: FACE})),
            Frame("yard", 500 + index * 3, 0.0, painted({1: FACE})),
        )
        assert [s.frame.camera for s in scenes] == ["door", "yard"]
    assert [[f.track.id for f in s.active] for s in scenes] == [[1], [1]]
    assert final_names(stage.end("door")) == ["a"]
    assert final_names(stage.end("yard")) == ["b"]


def test_cameras_share_one_call_to_each_model(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage()
    for index in range(11):
        stage.step(*(Frame(c, index, 0.0, painted({0: FACE})) for c in ("door", "yard", "hall")))
    assert stage.detector.batches == [3] * 11
    assert stage.embedder.batches == [3] * 3


def test_a_camera_may_miss_frames_that_others_have(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage()
    for index in range(30):
        frames = [Frame("door", index, 0.0, painted({0: FACE}))]
        if index % 3 == 0:
            frames.insert(0, Frame("yard", index, 0.0, painted({1: FACE}, size=(200, 240))))
        assert [s.frame for s in stage.step(*frames)] == frames
    assert final_names(stage.end("yard")) == ["b"]
    assert final_names(stage.end("door")) == ["a"]


def test_one_camera_may_end_and_come_back(make_stage: MakeStage, painted: Paint) -> None:
    stage = make_stage()
    stage.play([painted({0: FACE})] * 12, camera="door")
    stage.play([painted({1: FACE})] * 12, camera="yard")
    assert final_names(stage.end("door")) == ["a"]
    again = stage.play([painted({0: FACE})] * 12, camera="door")
    assert [len(s.changed) for s in again] == [0] * 10 + [1] + [0]
    assert [f.track.id for f in again[-1].active] == [1]
    assert final_names(stage.end("yard")) == ["b"]


PLACES = {0: (10, 40, 80, 130), 1: (125, 40, 180, 110), 2: (230, 60, 300, 150)}
MOMENT = st.tuples(
    st.sets(st.integers(0, 2)),  # faces
    st.sets(st.integers(0, 2)),  # bodies
    st.sampled_from([0, 0, 0, 1]),  # who sits in the first place instead, as a change of hands
    st.integers(1, 36),  # frames
    st.integers(1, 8),  # step
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moments=st.lists(MOMENT, min_size=1, max_size=5))
def test_a_track_is_told_before_it_changes_and_ends_exactly_once(
    make_stage: MakeStage,
    painted: Paint,
    moments: list[tuple[set[int], set[int], int, int, int]],
) -> None:
    stage = make_stage(
        person=True, settings=PipelineSettings(look_every=1, person_every=2, faceless=3)
    )
    frame, scenes = 0, []
    for faces, bodies, swapped, count, step in moments:
        where = {person: PLACES[person] for person in faces}
        if swapped and 0 in where:
            where[3] = where.pop(0)
        bodies_at = {p: (x1 - 10, y1 - 30, x2 + 10, 230) for p, (x1, y1, x2, _) in PLACES.items()}
        picture = painted(where, {person: bodies_at[person] for person in bodies})
        scenes += stage.play([picture] * count, start=frame, every=step)
        frame += count * step
    scenes.append(stage.end())

    live: dict[int, tuple[Outcome, str | None]] = {}
    faces_ended: set[int] = set()
    for scene in scenes:
        by_id = {f.track.id: f for f in scene.active}
        assert len(by_id) == len(scene.active)
        assert scene.changed <= by_id.keys()
        assert not by_id.keys() & faces_ended
        for track_id, followed in by_id.items():
            identity = followed.identity
            held = None if identity is None else (identity.outcome, identity.person)
            if track_id in scene.changed:
                assert held is not None
                assert live.get(track_id) != held
                live[track_id] = held
            assert live.get(track_id) == held
        for followed in scene.ended:
            assert followed.identity is not None
            assert followed.track.id not in by_id
            if followed.subject is None:
                assert live.pop(followed.track.id)[0] is Outcome.PERSON_WITHOUT_FACE
            else:
                assert followed.track.id not in faces_ended
                faces_ended.add(followed.track.id)
                live.pop(followed.track.id, None)
            if followed.identity.outcome is Outcome.RECOGNISED:
                assert followed.identity.similarity is not None
                assert followed.identity.similarity >= 0.49
                assert followed.identity.person in {"a", "b"}
    assert live == {}
