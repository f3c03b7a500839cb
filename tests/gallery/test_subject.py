"""From the first view of a track to its final identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.gallery.matcher import Gallery
from edge.gallery.shots import ShotSettings
from edge.gallery.subject import FaceSubject, RecognitionSettings
from edge.types import Identity, OperatingPoint, Outcome, Template

if TYPE_CHECKING:
    from tests.gallery.conftest import Look, World

POINT = OperatingPoint(threshold=0.49, margin=0.05)
SETTINGS = RecognitionSettings()
RECOGNISED, UNKNOWN, LOW_QUALITY = Outcome.RECOGNISED, Outcome.UNKNOWN, Outcome.LOW_QUALITY


def a_subject(world: World, people: str = "ab", **settings: int) -> FaceSubject:
    """A subject before a gallery in which a is person 0, b is person 1 and so on."""
    templates = [world.template(name, "abcdef".index(name)) for name in people]
    shots = ShotSettings()
    return FaceSubject(
        RecognitionSettings(shots=shots, **settings), POINT, Gallery(templates, world.space)
    )


def key(identity: Identity | None) -> tuple[Outcome, str | None] | None:
    return None if identity is None else (identity.outcome, identity.person)


def test_somebody_enrolled_is_named_with_the_third_good_view_and_told_once(world: World) -> None:
    subject = a_subject(world)
    told = world.show(subject, world.looks(0, range(60)))
    assert [t.frame for t in told if t.changed] == [8]
    assert [key(t.identity) for t in told] == [None] * 8 + [(RECOGNISED, "a")] * 52
    final = world.finish(subject, world.view(0, 0.9, seed=1))
    assert key(final) == (RECOGNISED, "a")
    assert final.similarity is not None
    assert final.similarity > 0.9  # fusing takes out what differs from view to view
    assert final.quality == pytest.approx(0.8)
    assert final.reason is None


def test_a_stranger_is_unknown_and_the_reason_says_why(world: World) -> None:
    subject = a_subject(world)
    told = world.show(subject, world.looks(3, range(30)))
    assert key(told[-1].identity) == (UNKNOWN, None)
    final = world.finish(subject, world.view(3, 0.9, seed=1))
    assert (final.reason, final.person) == ("similarity below the threshold", None)
    assert final.similarity == pytest.approx(0, abs=1e-6)


def test_somebody_between_two_who_are_enrolled_is_unknown(world: World) -> None:
    subject = a_subject(world)
    between = world.embedding(0.72, 0.70)
    world.show(subject, [world.odd(frame, between) for frame in range(30)])
    final = world.finish(subject, between)
    assert key(final) == (UNKNOWN, None)
    assert final.reason == "two enrolled people are too close"


def test_an_empty_gallery_makes_everybody_unknown(world: World) -> None:
    subject = a_subject(world, "")
    world.show(subject, world.looks(0, range(30)))
    final = world.finish(subject, world.view(0, 0.9, seed=1))
    assert final == Identity(UNKNOWN, quality=final.quality, reason="nobody is enrolled")


def test_without_a_recogniser_a_face_is_only_followed(world: World) -> None:
    subject = FaceSubject(SETTINGS, None, None)
    assert subject.decide()
    assert subject.identity == Identity(UNKNOWN, reason="no recogniser is configured")
    assert not subject.decide()
    assert not subject.conclude()


@pytest.mark.parametrize(
    ("good", "poor", "reason", "quality"),
    [
        (0, 20, "face turned away", 0.2),
        (1, 20, "only 1 of 3 good views; the next best: face turned away", 0.8),
        (2, 0, "only 2 of 3 good views", 0.8),
    ],
)
def test_too_few_good_views_are_low_quality_and_the_reason_helps(
    world: World, good: int, poor: int, reason: str, quality: float
) -> None:
    subject = a_subject(world)
    for frame in range(good * 3):
        chosen = subject.look(world.look(frame, 0.8))
        if chosen is not None:
            subject.learn(chosen, world.view(0, 0.9, seed=frame))
    for frame in range(good * 3, good * 3 + poor):
        view = world.look(frame, 0.2)
        turned = type(view)(frame, world.quality(0.2, frontality=0.1), view.crop)
        assert subject.look(turned) is None
    subject.conclude()
    assert subject.identity is not None
    assert key(subject.identity) == (LOW_QUALITY, None)
    assert subject.identity.reason == reason
    assert subject.identity.quality == pytest.approx(quality)


def test_a_face_that_cannot_be_aligned_is_low_quality(world: World) -> None:
    subject = a_subject(world, patience=4)
    told = world.show(subject, [world.odd(f, world.embedding(1), score=None) for f in range(9)])
    assert [t.frame for t in told if t.changed] == [3]
    assert subject.identity == Identity(LOW_QUALITY, reason="no landmarks to align the face by")
    assert subject.best_rejected is None


def test_views_that_show_something_else_each_time_are_low_quality(world: World) -> None:
    subject = a_subject(world, "abcdef")
    told = world.show(
        subject, [world.odd(f, world.view(f // 3 % 6, 0.9, seed=f)) for f in range(18)]
    )
    assert key(told[-1].identity) == (LOW_QUALITY, None)
    assert world.finish(subject, world.embedding(1)).reason == (
        "the views do not agree with each other"
    )


def test_a_name_is_held_while_better_views_contradict_each_other(world: World) -> None:
    subject = a_subject(world)
    contradicting = [world.odd(f, world.random(f), score=0.9) for f in range(10, 120)]
    told = world.show(subject, [*world.looks(0, range(9), score=0.4), *contradicting])
    assert [t.frame for t in told if t.changed] == [8]
    final = world.finish(subject, world.embedding(1))
    assert (final.outcome, final.reason) == (LOW_QUALITY, "the views do not agree with each other")


@pytest.mark.parametrize("good", [0, 1, 2])
def test_patience_ends_in_low_quality_which_the_first_real_identity_replaces(
    world: World, good: int
) -> None:
    subject = a_subject(world, patience=15)
    looks = [
        *world.looks(0, range(good * 3)),
        *world.looks(0, range(good * 3, 39), score=0.2),
        *world.looks(0, range(39, 60)),
    ]
    told = world.show(subject, looks)
    changes = [(t.frame, key(t.identity)) for t in told if t.changed]
    needed = 3 - good
    assert changes == [(14, (LOW_QUALITY, None)), (39 + needed * 3 - 1, (RECOGNISED, "a"))]


def test_a_track_too_short_for_a_third_window_uses_the_view_that_waits(world: World) -> None:
    subject = a_subject(world)
    world.show(subject, world.looks(0, range(7)))
    assert subject.identity is None
    assert key(world.finish(subject, world.view(0, 0.9, seed=1))) == (RECOGNISED, "a")


def test_one_odd_view_changes_nothing(world: World) -> None:
    plain, disturbed = a_subject(world), a_subject(world)
    looks = world.looks(0, range(100))
    odd = list(looks)
    for frame in (38, 39):  # the best of its window
        odd[frame] = world.odd(frame, world.view(1, 0.99, seed=1), score=1.0)
    world.show(plain, looks)
    told = world.show(disturbed, odd)
    assert [t.frame for t in told if t.changed] == [8]
    one, other = plain.fused(), disturbed.fused()
    assert one is not None
    assert other is not None
    assert float(other[0].vector[1]) == pytest.approx(0, abs=1e-6)
    assert float(one[0].vector @ other[0].vector) > 0.99
    assert key(world.finish(disturbed, world.view(0, 0.9, seed=1))) == (RECOGNISED, "a")


@pytest.mark.parametrize("score", [0.2, None])
def test_who_looks_away_for_long_keeps_the_name(world: World, score: float | None) -> None:
    subject = a_subject(world)
    looks = [
        *world.looks(0, range(60)),
        *[world.odd(f, world.embedding(1), score=score) for f in range(60, 2000)],
        *world.looks(0, range(2000, 2011)),
    ]
    told = world.show(subject, looks)
    assert [t.frame for t in told if t.changed] == [8]
    assert key(world.finish(subject, world.view(0, 0.9, seed=1))) == (RECOGNISED, "a")


def handover(world: World, looks: list[Look], people: str) -> tuple[list[tuple[int, str]], str]:
    """(frame, name) of each change, unknown being "?", and the name at the end."""
    subject = a_subject(world, people)
    told = world.show(subject, looks)
    assert subject.has_changed_hands
    subject.conclude()
    changes = [(t.frame, key(t.identity)) for t in told if t.changed]
    return [(f, k[1] or "?") for f, k in changes if k], (key(subject.identity) or ("", ""))[
        1
    ] or "?"


def limit(step: int) -> int:
    """Frames after which a track that has changed hands is published as the second person."""
    shots = SETTINGS.shots
    window = shots.then_every + (step if step > 1 else 0)
    return shots.recheck + (shots.enough + SETTINGS.confirm) * window


@settings(deadline=None)
@given(
    before=st.integers(30, 600),
    step=st.integers(1, 10),
    scores=st.lists(st.floats(0.3, 1), min_size=1, max_size=40),
    fade=st.floats(0.5, 1),
    people=st.sampled_from(["ab", "a", "b", "abcdef", ""]),
)
def test_a_track_that_changes_hands_follows_within_the_stated_frames(
    world: World, before: int, step: int, scores: list[float], fade: float, people: str
) -> None:
    change = before * step
    frames = range(0, change + limit(step) + 1, step)
    looks = []
    for index, frame in enumerate(frames):
        score = scores[index % len(scores)]
        person = 0 if frame < change else 1
        good = score if person == 0 else max(0.3, score * fade)
        looks += world.looks(person, [frame], score=good)
    changes, final = handover(world, looks, people)
    first, second = ("a" if "a" in people else "?"), ("b" if "b" in people else "?")
    names = [name for _, name in changes]
    assert names == ([first] if first == second else [first, second])
    assert all(frame <= change + limit(step) for frame, _ in changes)
    assert final == second


def test_a_track_that_passes_to_a_look_alike_follows_as_the_shots_grow_old(world: World) -> None:
    alike = world.embedding(0.6, 0.8)  # b, who looks like a
    gallery = Gallery(
        [world.template("a", 0), Template("b", alike)],
        world.space,
    )
    subject = FaceSubject(SETTINGS, POINT, gallery)
    second = [world.odd(f, alike, score=0.5) for f in range(200, 600)]
    told = world.show(subject, [*world.looks(0, range(200), score=0.9), *second])
    changes = [(t.frame, key(t.identity)) for t in told if t.changed]
    assert {who for _, who in changes} <= {(RECOGNISED, "a"), (RECOGNISED, "b"), (UNKNOWN, None)}
    last, who = changes[-1]
    assert who == (RECOGNISED, "b")
    shots = SETTINGS.shots
    assert last <= 200 + shots.expire + (shots.enough + SETTINGS.confirm) * shots.then_every


def test_no_third_person_is_named_while_a_track_changes_hands(world: World) -> None:
    # c is somewhat like both: less than the threshold to each, more to the mean of the two.
    both = world.embedding(0.46, 0.46, 0.76)
    gallery = Gallery([Template("c", both)], world.space)
    assert gallery.match(world.embedding(1, 1)).similarity == pytest.approx(0.65, abs=0.01)
    subject = FaceSubject(SETTINGS, POINT, gallery)
    looks = [*world.looks(0, range(200)), *world.looks(1, range(200, 600))]
    told = world.show(subject, looks)
    assert {key(t.identity) for t in told} == {None, (UNKNOWN, None)}
    assert key(world.finish(subject, world.view(1, 0.9, seed=1))) == (UNKNOWN, None)


@settings(deadline=None)
@given(
    runs=st.lists(
        st.tuples(
            st.integers(0, 7),  # person
            st.integers(1, 40),  # frames
            st.integers(1, 60),  # step
            st.one_of(st.none(), st.floats(0, 1)),  # quality
            st.floats(0, 1),  # likeness
        ),
        max_size=8,
    ),
    people=st.sampled_from(["", "a", "abc", "abcdef"]),
    threshold=st.floats(0.05, 0.9),
    margin=st.floats(0, 0.3),
)
def test_whatever_comes_a_name_is_always_backed_by_threshold_and_margin(
    world: World,
    runs: list[tuple[int, int, int, float | None, float]],
    people: str,
    threshold: float,
    margin: float,
) -> None:
    templates = [world.template(name, "abcdef".index(name)) for name in people]
    gallery = Gallery(templates, world.space)
    subject = FaceSubject(SETTINGS, OperatingPoint(threshold=threshold, margin=margin), gallery)
    frame, looks = 0, []
    for person, count, step, score, likeness in runs:
        for _ in range(count):
            frame += step
            looks.append(world.odd(frame, world.view(person, likeness, seed=frame), score))
    told = world.show(subject, looks)
    final = world.finish(subject, world.random(frame))
    held = None
    for one in told:
        assert one.changed is (key(one.identity) != held)
        held = key(one.identity)
    for identity in [*(t.identity for t in told), final]:
        if identity is None or identity.outcome is not RECOGNISED:
            assert identity is None or identity.person is None
            assert identity is None or identity.reason
            continue
        assert identity.person in set(people)
        assert identity.similarity is not None
        assert identity.margin is not None
        assert identity.similarity >= threshold
        assert identity.margin >= margin
    fused = subject.fused()
    if final.outcome is not LOW_QUALITY and fused is not None:
        match = gallery.match(fused[0])
        assert (final.similarity, final.margin) == (match.similarity, match.margin)
