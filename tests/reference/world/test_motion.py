from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from export.reference.world.actions import Climb, Fall, Fight, Go, Stand, Take, heading_to
from export.reference.world.actor import Actor, Bag
from export.reference.world.identity import person
from export.reference.world.motion import (
    ANKLES,
    HEAD,
    HIPS,
    KNEES,
    PELVIS,
    SHOULDERS,
    WRISTS,
    Controls,
    Gait,
    blend,
    figure,
    running,
    stride,
    walking,
)


def _go(gait: Gait, distance: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    at = np.asarray([0.0, 0.0, distance])
    return figure(stride(gait, distance), at=at, heading=0.0, tall=1.0).joints


@pytest.mark.parametrize(
    "gait", [walking(0.6, 0), walking(1.3, -1), walking(1.65, 1), running(3.0, 0), running(4.4, 1)]
)
def test_a_foot_on_the_ground_stays_where_it_is(gait: Gait) -> None:
    step = gait.stride / 40
    held = 0
    for side in (0, 1):
        for index in range(80):
            now, then = index * step, (index + 1) * step
            phases = [(d / gait.stride + 0.5 * side) % 1.0 for d in (now, then)]
            if phases[0] < phases[1] < gait.stance:
                ankles = [_go(gait, d)[ANKLES[side], 2] for d in (now, then)]
                assert abs(ankles[1] - ankles[0]) < 0.006  # of a step of 2 to 7 centimetres
                held += 1
    assert held > 20


@pytest.mark.parametrize("gait", [walking(1.3, 0), running(3.4, 0)])
def test_legs_swing_against_each_other_and_arms_against_the_legs(gait: Gait) -> None:
    joints = _go(gait, 0.05 * gait.stride)
    left, right = joints[ANKLES[0], 2], joints[ANKLES[1], 2]
    assert left > right + 0.2
    assert joints[WRISTS[1], 2] > joints[WRISTS[0], 2] + 0.1


def test_bones_keep_their_lengths() -> None:
    for index in range(30):
        joints = _go(running(3.4, 0), index * 0.11)
        for side in (0, 1):
            thigh = np.linalg.norm(joints[KNEES[side]] - joints[HIPS[side]])
            shin = np.linalg.norm(joints[ANKLES[side]] - joints[KNEES[side]])
            assert thigh == pytest.approx(0.45, abs=1e-6)
            assert shin == pytest.approx(0.44, abs=1e-6)


def test_knees_bend_forwards() -> None:
    crouched = Controls(pelvis=np.asarray([0.0, 0.0, 0.6]))
    joints = figure(crouched, at=np.zeros(3), heading=0.0, tall=1.0).joints
    assert joints[KNEES[0], 2] > joints[HIPS[0], 2] + 0.2


def test_heading_turns_the_body() -> None:
    facing = figure(Controls(), at=np.zeros(3), heading=math.pi, tall=1.0)
    assert facing.facing == pytest.approx([0.0, -0.03, -1.0], abs=1e-3)
    # Towards the camera the left shoulder is on the picture's right.
    assert facing.joints[SHOULDERS[0], 0] > facing.joints[SHOULDERS[1], 0]
    assert facing.gaze[2] < -0.99


def test_tall_people_are_taller() -> None:
    heads = [
        figure(Controls(), at=np.zeros(3), heading=0, tall=tall).joints[HEAD, 1]
        for tall in (0.9, 1.1)
    ]
    assert heads[1] / heads[0] == pytest.approx(1.1 / 0.9)


def test_halfway_between_postures() -> None:
    middle = blend(Controls(lean=0.0), Controls(lean=1.0, pelvis=np.zeros(3)), 0.25)
    assert middle.lean == pytest.approx(0.25)
    assert middle.pelvis[2] == pytest.approx(0.95 * 0.75)


def _height(action: Fall | Climb | Take, time: float, row: int) -> float:
    state = action.state(time)
    return float(
        figure(state.controls, at=state.at, heading=state.heading, tall=1.0).joints[row, 1]
    )


@pytest.mark.parametrize("way", [0.0, 1.5, math.pi, -2.0])
def test_who_falls_ends_on_the_ground_and_not_below(way: float) -> None:
    fall = Fall(place=(0, 5), heading=0.3, seconds=5, way=way)
    assert _height(fall, 0.0, HEAD) > 1.5
    assert _height(fall, 2.0, HEAD) < 0.45
    assert _height(fall, 2.0, PELVIS) < 0.45
    state = fall.state(2.0)
    joints = figure(state.controls, at=state.at, heading=0.3, tall=1.0).joints
    assert joints[:17, 1].min() > 0


def test_who_takes_bends_down_and_comes_up() -> None:
    take = Take(place=(0, 5), heading=0.0)
    assert _height(take, take.grasped, WRISTS[1]) < 0.45
    assert _height(take, take.seconds, HEAD) > 1.5


def test_who_climbs_comes_over_the_fence() -> None:
    climb = Climb(fence=(1.0, 7.0), heading=0.0, height=1.8)
    assert climb.state(0.0).at == pytest.approx([1.0, 0.0, 6.68])
    assert climb.state(climb.seconds).at == pytest.approx([1.0, 0.0, 7.32])
    crossing = min(
        np.linspace(0, climb.seconds, 200), key=lambda time: abs(climb.state(time).at[2] - 7.0)
    )
    assert _height(climb, float(crossing), PELVIS) > 1.7


def test_who_fights_faces_the_other() -> None:
    one, other = (
        Fight(middle=(0, 5), heading=0.4, seconds=4, seed=1, role=role).state(1.0)
        for role in (0, 1)
    )
    gap = other.at - one.at
    ahead = np.asarray([math.sin(one.heading), 0.0, math.cos(one.heading)])
    assert 0.4 < np.linalg.norm(gap) < 1.5
    assert gap @ ahead > 0.9 * np.linalg.norm(gap)
    assert one.behaviour == other.behaviour == "fight"


def test_loiterers_stay() -> None:
    stand = Stand(place=(1, 6), heading=0, seconds=4, seed=5)
    assert all(stand.state(t).at == pytest.approx([1, 0, 6]) for t in (0.0, 1.0, 3.9))
    assert stand.state(1.0).behaviour == "loiter"


def test_actors_come_act_in_turn_and_leave() -> None:
    walk = Go(start=(0, 5), end=(2.6, 5), speed=1.3)
    actor = Actor(
        track=1,
        who=person(3),
        enters=1.0,
        actions=(
            walk,
            Fall(place=(2.6, 5), heading=heading_to((0, 5), (2.6, 5)), seconds=2, way=0),
        ),
        bag=Bag(color=(1, 2, 3), taken=1.5),
    )
    assert actor.state(0.9) is None
    assert actor.state(5.1) is None
    first, later = actor.state(2.0), actor.state(4.0)
    assert first is not None
    assert later is not None
    assert (first.behaviour, later.behaviour) == ("walk", "fall")
    assert first.at[0] == pytest.approx(1.3)
    assert not actor.carries(2.4)
    assert actor.carries(2.6)


def test_one_action_passes_smoothly_into_the_next() -> None:
    actor = Actor(
        track=1,
        who=person(3),
        enters=0.0,
        actions=(Go(start=(0, 5), end=(1.3, 5), speed=1.3), Take(place=(1.3, 5), heading=0.0)),
    )
    before, after = actor.state(0.999), actor.state(1.001)
    assert before is not None
    assert after is not None
    gap = actor.figure(before).joints - actor.figure(after).joints
    assert np.abs(gap).max() < 0.03
    jumped = replace(actor, actions=(actor.actions[1],)).state(0.0)
    assert jumped is not None
    assert abs(jumped.heading - before.heading) > 1
