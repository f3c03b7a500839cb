"""Rendered heads: the same for the same seed, and landmarks where the features are."""

from __future__ import annotations

import numpy as np
import pytest

from export.reference.world.face import Light, Pose, render_head
from export.reference.world.front import Expression
from export.reference.world.identity import person


def test_a_seed_is_one_person_for_ever_and_seeds_differ() -> None:
    assert person(7) == person(7)
    assert len({person(seed) for seed in range(200)}) == 200
    with pytest.raises(ValueError, match="0 or more"):
        person(-1)


def test_the_same_wishes_give_the_same_picture() -> None:
    first, second = (render_head(person(3), size=96, pose=Pose(yaw=0.3)) for _ in range(2))
    assert (first.image == second.image).all()
    assert (first.landmarks == second.landmarks).all()


def test_pictures_of_one_person_are_nearer_than_those_of_two() -> None:
    def view(seed: int, yaw: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        head = render_head(person(seed), size=96, pose=Pose(yaw=yaw))
        return head.image.astype(np.float64) * head.alpha[..., None]

    same = [np.abs(view(seed, 0.0) - view(seed, 0.1)).mean() for seed in range(8)]
    others = [np.abs(view(seed, 0.0) - view(seed + 1, 0.0)).mean() for seed in range(8)]
    assert max(same) < min(others)


@pytest.mark.parametrize("yaw", [-0.5, 0.0, 0.5])
@pytest.mark.parametrize("roll", [-0.3, 0.3])
def test_eyes_and_mouth_are_where_the_landmarks_say(yaw: float, roll: float) -> None:
    who = person(11)
    pose = Pose(yaw=yaw, roll=roll)
    open_eyes = render_head(who, size=240, pose=pose)
    shut = render_head(who, size=240, pose=pose, expression=Expression(blink=1.0))
    aghast = render_head(who, size=240, pose=pose, expression=Expression(open=1.0))
    for other, points in (
        (shut, open_eyes.landmarks[:2]),
        (aghast, [open_eyes.landmarks[3:].mean(axis=0)]),
    ):
        changed = np.abs(open_eyes.image.astype(int) - other.image.astype(int)).sum(axis=2) > 60
        places = np.argwhere(changed)[:, ::-1]
        for point in points:
            near = np.linalg.norm(places - point, axis=1) < 20
            assert near.sum() > 15


def test_a_turn_moves_the_nose_that_way_and_brings_the_eyes_together() -> None:
    heads = [render_head(person(5), size=200, pose=Pose(yaw=yaw)) for yaw in (-0.5, 0, 0.5)]
    noses = [float(head.landmarks[2, 0]) for head in heads]
    assert noses[0] < noses[1] < noses[2]
    eyes = [float(np.ptp(head.landmarks[:2, 0])) for head in heads]
    assert eyes[1] > max(eyes[0], eyes[2])


def test_light_from_the_left_lights_the_left() -> None:
    bald = next(person(seed) for seed in range(50) if person(seed).hair == "bald")
    light = Light(direction=(-1, 0, 0.3), ambient=0.3)
    image = render_head(bald, size=120, light=light).image.astype(float)
    assert image[40:80, 25:55].mean() > 1.3 * image[40:80, 65:95].mean()


def test_the_box_holds_the_landmarks() -> None:
    for seed in range(20):
        head = render_head(person(seed), size=100, pose=Pose(yaw=0.4, pitch=-0.2))
        x1, y1, x2, y2 = head.box
        assert (head.landmarks > (x1, y1)).all()
        assert (head.landmarks < (x2, y2)).all()


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="8 or more, found 4"):
        render_head(person(1), size=4)
