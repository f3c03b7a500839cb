"""Whose face a picture is about, and whether it may be enrolled."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import EnrolmentError, GalleryError
from edge.gallery.enrolment import (
    Candidate,
    choose,
    join_same_person,
    require_agreement,
    require_new,
)
from edge.gallery.matcher import Gallery, cosine
from edge.types import Embedding, OperatingPoint, Template

if TYPE_CHECKING:
    from tests.gallery.conftest import World

POINT = OperatingPoint(threshold=0.49, margin=0.05)
LEFT, MIDDLE, RIGHT = (0.1, 0.1, 0.3, 0.4), (0.4, 0.1, 0.6, 0.4), (0.7, 0.1, 0.9, 0.4)


def face(
    embedding: Embedding,
    frames: Iterable[int] = range(10),
    *,
    quality: float = 0.8,
    box: tuple[float, ...] = LEFT,
    mixed: bool = False,
) -> Candidate:
    indices = tuple(frames)
    boxes = np.asarray([box] * len(indices), np.float32)
    return Candidate(embedding, quality, boxes, indices, mixed)


# Joining ----------------------------------------------------------------------------------------


def test_nothing_joins_to_nothing() -> None:
    assert join_same_person([], 0.49) == []


def test_pieces_of_one_broken_track_become_one_face(world: World) -> None:
    one = face(world.view(0, 0.9, 1), range(20), quality=0.9)
    two = face(world.view(0, 0.9, 2), range(25, 35), quality=0.6, box=RIGHT)
    other = face(world.view(1, 0.9, 3), range(5))
    whole, rest = join_same_person([other, two, one], 0.49)
    assert rest is other
    assert whole.frames == (*range(20), *range(25, 35))
    assert whole.boxes.shape == (30, 4)
    assert whole.quality == pytest.approx((20 * 0.9 + 10 * 0.6) / 30)
    assert whole.weight == pytest.approx(one.weight + two.weight)
    mixed = 18 * one.embedding.vector + 6 * two.embedding.vector
    assert whole.embedding.vector == pytest.approx(mixed / np.linalg.norm(mixed), abs=1e-6)


def test_two_faces_in_one_frame_are_two_people_however_alike(world: World) -> None:
    twin = world.view(0, 0.9, 1)
    assert len(join_same_person([face(twin, range(10)), face(twin, range(9, 30))], 0.49)) == 2


def test_pieces_join_from_the_threshold_on(world: World) -> None:
    pieces = [face(world.embedding(1), range(10)), face(world.embedding(0.6, 0.8), range(20, 30))]
    similarity = cosine(pieces[0].embedding, pieces[1].embedding)
    assert len(join_same_person(pieces, similarity)) == 1
    assert len(join_same_person(pieces, float(np.nextafter(similarity, 1)))) == 2


def test_a_piece_joins_the_face_it_is_most_like(world: World) -> None:
    heavy, light = face(world.embedding(1), range(30)), face(world.embedding(0, 1), range(20))
    piece = face(world.embedding(0.6, 0.8), range(40, 50))
    joined = join_same_person([heavy, light, piece], 0.49)
    assert [len(c.frames) for c in joined] == [30, 30]
    assert joined[0] is heavy


@settings(deadline=None)
@given(
    pieces=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(1, 20), st.floats(0.1, 1)),
        max_size=8,
    )
)
def test_joining_loses_no_frame_and_never_puts_two_in_one_frame(
    world: World, pieces: list[tuple[int, int, int, float]]
) -> None:
    faces = [
        face(world.view(person, 0.9, seed=start), range(start, start + length), quality=quality)
        for person, start, length, quality in pieces
    ]
    joined = join_same_person(faces, 0.49)
    assert sorted(f for c in joined for f in c.frames) == sorted(f for c in faces for f in c.frames)
    assert all(len(set(c.frames)) == len(c.frames) for c in joined)
    assert [c.weight for c in joined] == sorted((c.weight for c in joined), reverse=True)
    assert sum(c.weight for c in joined) == pytest.approx(sum(c.weight for c in faces))


# Choosing ---------------------------------------------------------------------------------------


def test_no_face_is_refused() -> None:
    with pytest.raises(EnrolmentError, match=r"no face good enough to enrol in a\.png"):
        choose([], source="a.png")


def test_duration_times_quality_dominates_and_not_duration(world: World) -> None:
    long = face(world.embedding(1), range(100), quality=0.2)
    good = face(world.embedding(0, 1), range(60), quality=0.9, box=RIGHT)
    assert choose(join_same_person([long, good], 0.49), source="a.mkv") is good


@pytest.mark.parametrize(("frames", "refused"), [(5, True), (6, True), (10, True), (4, False)])
def test_a_rival_of_half_the_weight_is_refused(world: World, frames: int, refused: bool) -> None:
    main = face(world.embedding(1), range(10))
    rival = face(world.embedding(0, 1), range(frames), box=RIGHT)
    if not refused:
        assert choose([main, rival], source="a.mkv") is main
        return
    with pytest.raises(EnrolmentError, match="more than one person") as caught:
        choose([main, rival], source="a.mkv")
    assert f"{frames * 10}% of its weight" in caught.value.found
    assert "0.800,0.250" in caught.value.found
    assert "--at 0.200,0.250" in caught.value.remedy


def test_quality_alone_can_make_a_rival_harmless(world: World) -> None:
    main = face(world.embedding(1), range(10), quality=0.9)
    assert choose([main, face(world.embedding(0, 1), range(10), quality=0.4)], source="a") is main


def test_two_lesser_rivals_are_no_rival(world: World) -> None:
    main, *others = (
        face(world.embedding(1), range(10)),
        face(world.embedding(0, 1), range(4), box=MIDDLE),
        face(world.embedding(0, 0, 1), range(4), box=RIGHT),
    )
    assert choose([main, *others], source="a.mkv") is main


@pytest.mark.parametrize("at", [(0.8, 0.25), (0.7, 0.1), (0.899, 0.399)])
def test_at_can_choose_the_lesser_face(world: World, at: tuple[float, float]) -> None:
    main = face(world.embedding(1), range(100))
    lesser = face(world.embedding(0, 1), range(3), quality=0.3, box=RIGHT)
    assert choose([main, lesser], source="a.mkv", at=at) is lesser


@pytest.mark.parametrize("at", [(0.5, 0.5), (0.9, 0.25), (0.8, 0.4), (-1.0, 0.2), (7.0, 7.0)])
def test_at_nobody_is_refused_and_says_where_faces_are(
    world: World, at: tuple[float, float]
) -> None:
    faces = [face(world.embedding(1)), face(world.embedding(0, 1), box=RIGHT)]
    with pytest.raises(EnrolmentError, match="no face at") as caught:
        choose(faces, source="a.mkv", at=at)
    assert caught.value.found == "faces at 0.200,0.250 and 0.800,0.250"


def test_at_a_point_that_somebody_only_passes_is_clear(world: World) -> None:
    main = face(world.embedding(1), range(20))
    boxes = np.asarray([LEFT] * 9 + [RIGHT] * 50, np.float32)
    passing = Candidate(world.embedding(0, 1), 0.9, boxes, tuple(range(30, 89)))
    assert choose([passing, main], source="a.mkv", at=(0.2, 0.2)) is main


@pytest.mark.parametrize("frames", [10, 19])
def test_at_a_point_that_two_faces_cover_is_refused(world: World, frames: int) -> None:
    main = face(world.embedding(1), range(20))
    other = face(world.embedding(0, 1), range(30, 30 + frames), box=(0.2, 0.1, 0.5, 0.4))
    with pytest.raises(EnrolmentError, match="more than one face at") as caught:
        choose([main, other], source="a.mkv", at=(0.25, 0.2))
    assert caught.value.found == f"one in 20 frames and another in {frames}"
    assert choose([main, other], source="a.mkv", at=(0.45, 0.2)) is other


def test_a_face_is_said_to_be_where_it_mostly_was(world: World) -> None:
    boxes = np.asarray([RIGHT, *[LEFT] * 8, MIDDLE], np.float32)
    moving = Candidate(world.embedding(1), 0.8, boxes, tuple(range(10)))
    with pytest.raises(EnrolmentError, match=r"no face at 0\.5,0\.9 in .* faces at 0\.200,0\.250"):
        choose([moving], source="a.mkv", at=(0.5, 0.9))


@settings(deadline=None)
@given(starts=st.lists(st.floats(0, 0.8), min_size=1, max_size=20))
def test_the_point_that_a_refusal_suggests_lies_on_the_first_face(
    world: World, starts: list[float]
) -> None:
    # A face 40 pixels wide in 4K, anywhere from frame to frame.
    boxes = np.asarray([[x, 0.5, x + 0.0104, 0.52] for x in starts], np.float32)
    moving = Candidate(world.embedding(1), 0.8, boxes, tuple(range(len(starts))))
    rival = face(world.embedding(0, 1), range(len(starts)))
    with pytest.raises(EnrolmentError) as caught:
        choose([moving, rival], source="a.mkv")
    point = re.search(r"--at ([\d.]+),([\d.]+)\.", caught.value.remedy)
    assert point is not None
    at = (float(point[1]), float(point[2]))
    assert choose([moving, rival], source="a.mkv", at=at) is moving


@pytest.mark.parametrize("at", [None, (0.2, 0.2)])
def test_a_face_that_turns_into_another_is_refused(
    world: World, at: tuple[float, float] | None
) -> None:
    pieces = [face(world.embedding(1), range(20)), face(world.embedding(1), [30, 31], mixed=True)]
    joined = join_same_person(pieces, 0.49)
    with pytest.raises(EnrolmentError, match=r"at 0\.200,0\.250 in a\.mkv turns into another"):
        choose(joined, source="a.mkv", at=at)


def test_somebody_else_who_turns_into_another_does_no_harm(world: World) -> None:
    main = face(world.embedding(1), range(20))
    rival = face(world.embedding(0, 1), range(5), mixed=True, box=RIGHT)
    assert choose([main, rival], source="a.mkv") is main


@pytest.mark.parametrize(
    ("boxes", "frames", "quality"),
    [(0, (), 0.5), (1, (1, 2), 0.5), (1, (1,), 0.0), (1, (1,), float("nan"))],
)
def test_a_candidate_has_a_box_a_frame_and_a_quality(
    world: World, boxes: int, frames: tuple[int, ...], quality: float
) -> None:
    with pytest.raises(ValueError, match="Candidate: expected"):
        Candidate(world.embedding(1), quality, np.zeros((boxes, 4), np.float32), frames)


# Believing --------------------------------------------------------------------------------------


def test_pictures_of_one_person_agree(world: World) -> None:
    require_agreement([], 0.49)
    require_agreement([("a", world.embedding(1))], 0.49)
    require_agreement([(str(n), world.view(0, 0.9, n)) for n in range(5)], 0.49)


def test_a_picture_of_somebody_else_is_named(world: World) -> None:
    sources = [("a.png", world.view(0, 0.9, 1)), ("b.png", world.view(0, 0.9, 2))]
    with pytest.raises(EnrolmentError, match=r"a\.png and c\.png do not show one person"):
        require_agreement([*sources, ("c.png", world.view(1, 0.9, 3))], 0.49)


def enrolled(world: World) -> Gallery:
    return Gallery(
        [
            Template("ann", world.view(0, 0.9, 1)),
            Template("ann", world.view(0, 0.9, 2)),
            Template("bob", world.view(1, 0.9, 3)),
            Template("bee", world.embedding(0, 0.9, 0.44)),
        ],
        world.space,
    )


def test_a_new_face_under_a_new_id_is_enrolled(world: World) -> None:
    require_new("cid", [world.view(3, 0.9, 9)], enrolled(world), POINT)
    require_new("cid", [world.view(3, 0.9, 9)], Gallery([], world.space), POINT)


def test_the_same_face_under_the_same_id_is_enrolled_again(world: World) -> None:
    require_new("ann", [world.view(0, 0.9, 9), world.view(0, 0.8, 8)], enrolled(world), POINT)


@pytest.mark.parametrize("person", ["cid", "ann"])
def test_a_face_that_is_enrolled_under_another_id_is_refused(world: World, person: str) -> None:
    with pytest.raises(EnrolmentError, match="already enrolled as 'bob'") as caught:
        require_new(person, [world.view(1, 0.95, 3)], enrolled(world), POINT)
    assert "gallery erase bob" in caught.value.remedy


def test_one_face_of_several_is_enough_to_refuse(world: World) -> None:
    with pytest.raises(EnrolmentError, match="already enrolled as 'ann'"):
        require_new("cid", [world.view(3, 0.9, 9), world.view(0, 0.9, 9)], enrolled(world), POINT)


def test_another_face_under_the_same_id_is_refused(world: World) -> None:
    with pytest.raises(EnrolmentError, match="'ann' is enrolled with another face"):
        require_new("ann", [world.view(3, 0.9, 9)], enrolled(world), POINT)


@pytest.mark.parametrize(("margin", "refused"), [(0.05, False), (0.2, True)])
def test_look_alikes_are_told_apart_by_the_margin(
    world: World, margin: float, refused: bool
) -> None:
    alike = Gallery([Template("ann", world.embedding(1)), world.template("bob", 1)], world.space)
    probe = world.embedding(0.8, 0.68)
    point = OperatingPoint(threshold=0.49, margin=margin)
    if not refused:
        require_new("ann", [probe], alike, point)
        return
    with pytest.raises(EnrolmentError, match="already enrolled as 'bob'"):
        require_new("ann", [probe], alike, point)


def test_faces_of_another_model_are_refused(world: World) -> None:
    foreign = Embedding(world.vector(1), "f" * 64)
    with pytest.raises(GalleryError):
        require_new("cid", [foreign], enrolled(world), POINT)
    with pytest.raises(GalleryError):
        require_agreement([("a", world.embedding(1)), ("b", foreign)], 0.49)
    with pytest.raises(GalleryError):
        join_same_person([face(world.embedding(1)), face(foreign, range(20, 25))], 0.49)
