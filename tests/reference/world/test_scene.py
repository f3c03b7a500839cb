from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from export.reference.world.actions import Stand
from export.reference.world.actor import Actor
from export.reference.world.background import backdrop
from export.reference.world.furniture import Area
from export.reference.world.identity import person
from export.reference.world.scene import Scene
from export.reference.world.settings import PLACES, Place, SceneSettings
from export.reference.world.truth import ANOMALIES, BEHAVIOURS, Anomaly, Behaviour, FrameTruth
from export.reference.world.view import View

SMALL = SceneSettings(size=(320, 192), fps=5, seconds=4)
CLEAN = replace(SMALL, nuisance=0.0)


def _truths(seed: int, settings: SceneSettings) -> list[FrameTruth]:
    return [truth for _, truth in Scene(seed=seed, settings=settings)]


def test_the_same_seed_is_the_same_scene() -> None:
    scene = Scene(seed=4, settings=SMALL)
    again = Scene(seed=4, settings=SMALL)
    for (image, truth), (other, same), (third, _) in zip(scene, again, scene, strict=True):
        assert np.array_equal(image, other)
        assert np.array_equal(image, third)
        assert [who.track for who in truth.people] == [who.track for who in same.people]
        for who, twin in zip(truth.people, same.people, strict=True):
            assert np.array_equal(who.skeleton, twin.skeleton)


def test_another_seed_is_another_scene() -> None:
    first, second = (next(iter(Scene(seed=seed, settings=SMALL)))[0] for seed in (1, 2))
    assert np.abs(first.astype(int) - second).mean() > 10


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("night", [False, True])
def test_every_place_by_day_and_night(place: Place, night: bool) -> None:
    settings = replace(SMALL, place=place, night=night, seconds=1, size=(160, 96))
    frames = list(Scene(seed=3, settings=settings))
    assert len(frames) == settings.frames == 5
    for image, truth in frames:
        assert image.shape == (96, 160, 3)
        assert image.dtype == np.uint8
        assert image.std() > 8
        assert truth.time == pytest.approx(truth.index / 5)


def test_nights_are_darker() -> None:
    day, night = (
        next(iter(Scene(seed=3, settings=replace(CLEAN, place="street", night=night))))[0].mean()
        for night in (False, True)
    )
    assert night < 0.6 * day


def test_one_view_is_one_place_for_many_scenes() -> None:
    settings = replace(CLEAN, place="lobby", view=7, people=0, night=False)
    first, second = (next(iter(Scene(seed=seed, settings=settings)))[0] for seed in (1, 2))
    assert np.array_equal(first, second)
    other = next(iter(Scene(seed=1, settings=replace(settings, view=8))))[0]
    assert not np.array_equal(first, other)


def test_what_a_person_changes_in_the_picture_lies_in_the_box() -> None:
    settings = replace(CLEAN, place="lobby", view=3, night=False, people=1, behaviours=("loiter",))
    empty = next(iter(Scene(seed=1, settings=replace(settings, people=0))))[0].astype(int)
    for seed in range(1, 7):
        image, truth = next(iter(Scene(seed=seed, settings=settings)))
        (who,) = truth.people
        x1, y1, x2, y2 = who.box.round().astype(int)
        changed = np.abs(image.astype(int) - empty).max(axis=2) > 50  # a shadow is less than that
        inside = changed[max(y1 - 2, 0) : y2 + 2, max(x1 - 2, 0) : x2 + 2].sum()
        assert inside > 0.3 * who.visible * (x2 - x1) * (y2 - y1) * 0.5
        assert inside >= 0.97 * changed.sum()


def test_joints_and_faces_lie_in_the_box_of_their_person() -> None:
    settings = replace(CLEAN, close=True, people=3, seconds=6)
    faces = 0
    for seed in range(4):
        for truth in _truths(seed, settings):
            for who in truth.people:
                low, high = who.box[:2] - 2, who.box[2:] + 2
                joints = who.skeleton[who.seen]
                assert (joints >= low).all()
                assert (joints <= high).all()
                assert 0 < who.visible <= 1
                assert (who.box >= 0).all()
                assert (who.box[2:] <= settings.size).all()
                if who.face is not None and who.face.visible > 0.9 and abs(who.face.yaw) < 0.9:
                    middle = (who.face.box[:2] + who.face.box[2:]) / 2
                    reach = (who.face.box[2:] - who.face.box[:2]) / 2
                    assert (np.abs(who.face.landmarks - middle) <= 1.1 * reach).all()
                    faces += 1
    assert faces > 10


def test_landmarks_are_where_a_turned_up_face_has_them() -> None:
    settings = replace(CLEAN, close=True, people=2, behaviours=("walk",), seconds=5)
    checked = 0
    for seed in range(6):
        for truth in _truths(seed, settings):
            for who in truth.people:
                if who.face is None or abs(who.face.yaw) > 0.5 or who.behaviour != "walk":
                    continue
                left, right, nose, corner, other = who.face.landmarks
                assert left[0] < right[0]
                assert corner[0] < other[0]
                assert max(left[1], right[1]) < nose[1] < min(corner[1], other[1])
                checked += 1
    assert checked > 10


def test_faces_before_a_close_camera_are_large() -> None:
    settings = SceneSettings(close=True, place="lobby", people=4, fps=3, seconds=8, nuisance=0)
    widths = [
        float(who.face.box[2] - who.face.box[0])
        for seed in range(4)
        for truth in _truths(seed, settings)
        for who in truth.people
        if who.face is not None and who.face.visible > 0.8 and abs(who.face.yaw) < 0.6
    ]
    assert sum(40 <= width <= 130 for width in widths) > 20


def test_the_people_asked_for_come() -> None:
    settings = replace(CLEAN, identities=(11, 12), people=4, behaviours=("loiter",))
    found = {who.identity for truth in _truths(5, settings) for who in truth.people}
    assert found == {11, 12}


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_what_was_asked_for_is_done(behaviour: Behaviour) -> None:
    settings = replace(CLEAN, behaviours=(behaviour,), people=1, seconds=6, size=(160, 96))
    scene = Scene(seed=2, settings=settings)
    done = scene.doing(1)
    assert behaviour in done
    told = {who.track: who.behaviour for truth in (t for _, t in scene) for who in truth.people}
    assert told
    for truth in (t for _, t in scene):
        for who in truth.people:
            assert who.behaviour == scene.doing(who.track)[truth.index]


def test_it_takes_two_to_fight() -> None:
    settings = replace(CLEAN, behaviours=("fight",), people=1)
    truth = _truths(3, settings)[-1]
    assert [who.behaviour for who in truth.people] == ["fight", "fight"]


def test_nearer_people_hide_those_behind_them() -> None:
    hidden = 0
    settings = replace(CLEAN, place="corridor", people=6, behaviours=("walk",))
    for seed in range(3):
        for truth in _truths(seed, settings):
            boxes = [who.box for who in truth.people]
            for index, who in enumerate(truth.people):
                for nearer in boxes[:index]:
                    centre = (who.box[:2] + who.box[2:]) / 2
                    if (centre > nearer[:2]).all() and (centre < nearer[2:]).all():
                        hidden += who.visible < 0.8
    assert hidden > 3


def test_furniture_hides_people() -> None:
    settings = replace(CLEAN, place="yard", behaviours=("climb",), people=1, seconds=6)
    scene = Scene(seed=1, settings=settings)
    assert scene.backdrop.fence is not None
    shares: dict[bool, list[float]] = {True: [], False: []}
    for _, truth in scene:
        for who in truth.people:
            state = scene._actors[0].state(truth.time)
            assert state is not None
            x1, _, x2, _ = who.box
            if x1 > 0 and x2 < 320:
                shares[bool(state.at[2] > scene.backdrop.fence[0])].append(who.visible)
    assert min(shares[False]) > 0.95
    assert max(shares[True][-2:]) < 0.97


def test_whoever_passes_the_line_is_said_to_cross_it() -> None:
    settings = replace(CLEAN, place="street", people=2, behaviours=("walk",), seconds=10)
    crossings = 0
    for seed in range(3):
        scene = Scene(seed=seed, settings=settings)
        (x1, y1), (x2, y2) = scene.line
        sides: dict[int, float] = {}
        for _, truth in scene:
            for who in truth.people:
                if not who.seen[15:].all() or who.box[0] <= 0 or who.box[2] >= 320:
                    continue
                x, y = who.skeleton[15:].mean(axis=0)
                side = float((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1))
                if who.track in truth.crossed:
                    crossings += 1
                    assert sides[who.track] * side < 0 or abs(side) < 0.05 * abs(y2 - y1) * 320
                sides[who.track] = side
    assert crossings > 1


@pytest.mark.parametrize("kind", ANOMALIES)
def test_an_anomaly_is_where_its_truth_says(kind: Anomaly) -> None:
    settings = replace(
        CLEAN, place="lobby", view=5, night=False, people=0, anomaly=kind, anomaly_from=1.0
    )
    frames = list(Scene(seed=2, settings=settings))
    before, after = frames[0], frames[-1]
    assert before[1].anomaly is None
    assert after[1].anomaly is not None
    assert after[1].anomaly.kind == kind
    changed = np.abs(after[0].astype(int) - before[0].astype(int)).max(axis=2) > 40
    assert changed.sum() > 20
    x1, y1, x2, y2 = after[1].anomaly.box.round().astype(int)
    assert changed[max(y1 - 4, 0) : y2 + 4, max(x1 - 4, 0) : x2 + 4].sum() > 0.9 * changed.sum()


def test_a_shaken_camera_moves_the_truth_with_the_picture() -> None:
    settings = replace(SMALL, people=1, behaviours=("fall",), seconds=8, size=(160, 96))
    shaken = []
    for seed in range(12):
        lying = [
            truth.people[0].skeleton[15] for truth in _truths(seed, settings)[-10:] if truth.people
        ]
        if len(lying) == 10:
            shaken.append(float(np.ptp(lying, axis=0).max()))
    assert len(shaken) > 3
    assert min(shaken) < 0.3 < max(shaken)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda: SceneSettings(place="moon"), "place: expected .*lobby.*found moon"),  # type: ignore[arg-type]  # the bad input under test
        (lambda: SceneSettings(place="yard", close=True), "close camera"),
        (lambda: SceneSettings(size=(640, 20)), "size: expected 64 pixels"),
        (lambda: SceneSettings(fps=0), "fps: expected more than 0"),
        (lambda: SceneSettings(seconds=0), "seconds"),
        (lambda: SceneSettings(people=99), "people: expected 0 to 12, found 99"),
        (lambda: SceneSettings(identities=()), "identities"),
        (lambda: SceneSettings(behaviours=("dance",)), "behaviours.*dance"),  # type: ignore[arg-type]  # as above
        (lambda: SceneSettings(nuisance=2), "nuisance: expected 0 to 1"),
        (lambda: SceneSettings(anomaly="ufo"), "anomaly.*ufo"),  # type: ignore[arg-type]  # as above
        (lambda: SceneSettings(place="lobby", behaviours=("climb",)), "place to climb"),
    ],
)
def test_what_cannot_be_a_scene_is_refused(
    spoil: Callable[[], SceneSettings], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        spoil()


def test_a_scene_of_ones_own_has_the_place_and_the_people_that_it_is_given() -> None:
    size = (160, 96)
    view = View(height=2.0, pitch=0.1, focal=160.0, size=size)
    mount = (view, Area(near=1.2, far=9.0, half=3.0))
    place = backdrop("lobby", 3, close=True, size=size, night=False, mount=mount)
    stand = Stand(place=(0.0, 5.0), heading=3.0, seconds=9.0, seed=1)
    actor = Actor(track=1, who=person(77), enters=-1.0, actions=(stand,))
    settings = replace(CLEAN, place="lobby", size=size, seconds=0.4)
    scene = Scene(seed=1, settings=settings, where=place, who=[actor])
    assert scene.backdrop.view == view
    for _, truth in scene:
        assert [(who.identity, who.behaviour) for who in truth.people] == [(77, "loiter")]
        assert abs(truth.people[0].box[[0, 2]].mean() - 80) < 12
