"""Which views get embedded, which shots are kept, and what they are fused to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.gallery.shots import Shot, ShotBook, ShotSettings, agreeing, fuse

if TYPE_CHECKING:
    from tests.gallery.conftest import World

LEVEL = 0.49
FIRST, THEN = ShotSettings().first_every, ShotSettings().then_every

INDICES = st.lists(st.integers(1, 40), min_size=1, max_size=60)
SCORES = st.lists(st.floats(0, 1, width=32), min_size=60, max_size=60)


def a_book(**settings: float) -> ShotBook:
    return ShotBook(ShotSettings(**settings), level=LEVEL)  # type: ignore[arg-type]  # ints too


def watch(
    world: World, book: ShotBook, views: Iterable[tuple[int, float]], *, person: int = 0
) -> list[int]:
    """Offer views of (frame, score); the frames of those that were embedded."""
    embedded = []
    for frame, score in views:
        chosen = book.offer(world.look(frame, score))
        if chosen is not None:
            embedded.append(chosen.frame_index)
            face = world.view(person, 0.9, seed=chosen.frame_index)
            book.add(world.shot(chosen.frame_index, chosen.quality.score, face))
    return embedded


def test_a_window_gives_its_best_view_and_they_are_short_until_there_are_enough(
    world: World,
) -> None:
    scores = [0.5, 0.9, 0.6] + [0.7, 0.6, 0.5] + [0.4, 0.5, 0.6] + [0.8] * 9 + [0.95] + [0.5] * 10
    assert watch(world, a_book(), enumerate(scores)) == [1, 3, 8, 18, 19]


@pytest.mark.parametrize(
    ("frames", "embedded"),
    [
        # One view a window: each is known to be its window's best when the next one comes.
        (range(0, 30, 3), [0, 3, 6, 9]),
        (range(0, 300, 30), list(range(0, 270, 30))),
        (range(0, 12, 2), [0, 4, 8]),
        # A gap, as where a face was lost behind something.
        ([0, 1, 50, 51, 52], [0, 50]),
        ([7], []),
    ],
)
def test_windows_are_counted_in_frame_indices(
    world: World, frames: Iterable[int], embedded: list[int]
) -> None:
    assert watch(world, a_book(), ((frame, 0.8) for frame in frames)) == embedded


def test_a_window_of_one_frame_takes_every_view(world: World) -> None:
    book = a_book(first_every=1, then_every=1, keep=50)
    assert watch(world, book, ((f, 0.8) for f in (4, 5, 9, 30))) == [4, 5, 9, 30]


@settings(deadline=None)
@given(steps=INDICES, scores=SCORES)
def test_embedded_views_are_good_and_new_and_never_more_than_the_windows(
    world: World, steps: list[int], scores: list[float]
) -> None:
    book = a_book()
    frames = np.cumsum(steps).tolist()
    views = list(zip(frames, scores, strict=False))
    embedded = watch(world, book, views)
    good = [frame for frame, score in views if score >= 0.3]
    assert set(embedded) <= set(good)
    assert embedded == sorted(set(embedded))
    assert len(embedded) <= 1 + (frames[-1] - frames[0]) / FIRST
    # Two windows lie between the first and the last of any three views.
    assert all(b - a > FIRST for a, b in zip(embedded, embedded[2:], strict=False))


@settings(deadline=None)
@given(scores=SCORES)
def test_where_frames_are_far_apart_every_good_view_that_improves_is_embedded(
    world: World, scores: list[float]
) -> None:
    book = a_book(keep=60)
    views = [(index * THEN, score) for index, score in enumerate(scores)]
    embedded = watch(world, book, views)
    assert embedded == [frame for frame, score in views[:-1] if score >= 0.3]


@pytest.mark.parametrize(("score", "face_px"), [(0.29, 80.0), (0.9, 31.9), (0.0, 0.0)])
def test_poor_views_are_never_embedded_but_the_best_is_remembered(
    world: World, score: float, face_px: float
) -> None:
    book = a_book()
    worse = world.look(0, score / 2, face_px=face_px)
    poor = world.look(1, score, face_px=face_px)
    offered = [worse, poor, *(world.look(f, score / 2, face_px=face_px) for f in range(2, 40))]
    assert [view for view in offered if book.offer(view)] == []
    assert book.last_view() is None
    assert book.rejected == poor.quality or score == 0
    assert len(book) == 0


def test_views_on_the_very_limits_are_good(world: World) -> None:
    book = a_book(first_every=1)
    view = world.look(0, 0.3, face_px=32.0)
    assert book.offer(view) is view
    assert book.rejected is None


def test_only_the_best_are_kept_and_only_better_ones_are_embedded(world: World) -> None:
    book = a_book(keep=4, then_every=3)
    scores = [0.5, 0.6, 0.7, 0.8]
    frames = iter(range(1000))
    views = [(next(frames), score) for score in scores for _ in range(3)]
    assert len(watch(world, book, views)) == 4
    assert watch(world, book, [(next(frames), 0.5) for _ in range(12)]) == []
    assert watch(world, book, [(next(frames), 0.55) for _ in range(3)]) == [24]
    assert len(book) == 4
    fused = book.fused()
    assert fused is not None
    assert fused[1] == pytest.approx((0.55 + 0.6 + 0.7 + 0.8) / 4)


def test_now_and_then_a_view_is_embedded_that_is_no_better(world: World) -> None:
    book = a_book(keep=4, then_every=5, recheck=20)
    frames = watch(world, book, ((f, 0.9) for f in range(24)))
    assert frames == [0, 3, 6, 9]
    before = book.fused()
    assert watch(world, book, ((f, 0.5) for f in range(24, 75))) == [29, 49, 69]
    after = book.fused()
    assert before is not None
    assert after is not None
    assert after[1] == before[1]  # the worse view was compared and not kept
    assert after[0].vector.tolist() == before[0].vector.tolist()


def test_a_view_of_somebody_else_has_the_next_ones_looked_at_too(world: World) -> None:
    book = a_book(keep=4, then_every=5, recheck=50)
    watch(world, book, ((f, 0.9) for f in range(25)))
    assert len(book) == 4
    second = watch(world, book, ((f, 0.4) for f in range(25, 100)), person=1)
    # One is due after 50 frames; it is in doubt, so is the next, and the third settles it.
    assert second[:3] == [59, 64, 69]
    fused = book.fused()
    assert fused is not None
    assert float(fused[0].vector[1]) > 0.9
    assert book.is_enough


def test_one_odd_view_is_looked_into_and_forgotten(world: World) -> None:
    book = a_book(keep=4, then_every=5, recheck=50)
    watch(world, book, ((f, 0.9) for f in range(25)))
    before = book.fused()
    assert watch(world, book, ((f, 0.4) for f in range(25, 64)), person=1) == [59]
    assert watch(world, book, ((f, 0.4) for f in range(64, 105))) == [64]
    after = book.fused()
    assert before is not None
    assert after is not None
    assert after[0].vector.tolist() == before[0].vector.tolist()


def test_a_track_changes_hands_with_enough_shots_like_none_before(world: World) -> None:
    book = a_book()
    for frame in range(0, 80, 10):
        book.add(world.shot(frame, 0.9, world.view(0, 0.9, seed=frame)))
    sizes = []
    for frame in (80, 90, 100):
        book.add(world.shot(frame, 0.4, world.view(1, 0.9, seed=frame)))
        sizes.append(len(book))
        assert book.has_changed_hands is (frame == 100)
    assert sizes == [8, 8, 3]


@pytest.mark.parametrize(
    "faces",
    [
        # One is like both: it may be the same person in another pose.
        [(0.0, 1.0), (0.0, 1.0), (0.7, 0.7)],
        [(0.7, 0.7), (0.0, 1.0), (0.0, 1.0)],
        # No two of them are alike.
        [(0.0, 1.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0)],
        # Back again before it could be settled.
        [(0.0, 1.0), (0.0, 1.0), (1.0,), (0.0, 1.0), (0.0, 1.0)],
    ],
)
def test_less_than_that_is_no_change_of_hands(world: World, faces: list[tuple[float, ...]]) -> None:
    book = a_book()
    for frame in range(0, 80, 10):
        book.add(world.shot(frame, 0.9, world.view(0, 0.9, seed=frame)))
    for place, parts in enumerate(faces):
        book.add(world.shot(80 + place * 10, 0.4, world.embedding(*parts)))
    assert len(book) == 8
    assert not book.has_changed_hands
    fused = book.fused()
    assert fused is not None
    assert float(fused[0].vector[0]) > 0.9


def test_a_hand_before_the_face_is_no_owner_of_the_track(world: World) -> None:
    book = a_book()
    for frame in (0, 3):
        book.add(world.shot(frame, 0.9, world.view(1, 0.9, seed=frame)))
    for frame in (6, 9, 12):
        book.add(world.shot(frame, 0.4, world.view(0, 0.9, seed=frame)))
    assert book.is_enough
    assert not book.has_changed_hands
    fused = book.fused()
    assert fused is not None
    assert fused[1] == pytest.approx(0.4)


def test_old_shots_stay_until_enough_newer_ones_agree(world: World) -> None:
    book = a_book(expire=100)
    for frame in (0, 10, 20, 30):
        book.add(world.shot(frame, 0.9, world.view(0, 0.9, seed=frame)))
    sizes = []
    for frame in (200, 210, 220):
        book.add(world.shot(frame, 0.4, world.view(0, 0.9, seed=frame)))
        sizes.append(len(book))
    assert sizes == [5, 6, 3]
    fused = book.fused()
    assert fused is not None
    assert fused[1] == pytest.approx(0.4)


def test_newer_shots_that_disagree_do_not_put_out_the_old_ones(world: World) -> None:
    book = a_book(expire=100)
    for frame in (0, 10, 20):
        book.add(world.shot(frame, 0.9, world.view(0, 0.9, seed=frame)))
    for frame, person in ((200, 1), (210, 2), (220, 3), (230, 4)):
        book.add(world.shot(frame, 0.9, world.view(person, 0.9, seed=frame)))
    fused = book.fused()
    assert book.is_enough
    assert fused is not None
    assert float(fused[0].vector[0]) > 0.9


def test_a_full_book_of_old_shots_lets_worse_new_ones_in(world: World) -> None:
    book = a_book(expire=100, keep=4)
    watch(world, book, ((f, 0.9) for f in range(60)))
    assert len(book) == 4
    assert watch(world, book, ((f, 0.4) for f in range(300, 330))) == [300, 310, 320]
    assert len(book) == 3


def test_the_last_view_counts_only_where_there_is_not_enough(world: World) -> None:
    short, long = a_book(), a_book()
    watch(world, short, ((f, 0.8) for f in range(7)))
    watch(world, long, ((f, 0.8) for f in range(10)))
    assert (len(short), len(long)) == (2, 3)
    last = short.last_view()
    assert last is not None
    assert last.frame_index == 6
    assert short.last_view() is None
    assert long.last_view() is None


def test_an_empty_book_says_nothing() -> None:
    book = a_book()
    assert book.fused() is None
    assert book.last_view() is None
    assert not book.is_enough
    assert agreeing([], LEVEL) == []


def test_fusing_weighs_by_quality(world: World) -> None:
    shots = [world.shot(0, 0.9, world.embedding(1)), world.shot(1, 0.3, world.embedding(0.6, 0.8))]
    fused, quality = fuse(shots)
    # 0.9 · (1, 0) + 0.3 · (0.6, 0.8) = (1.08, 0.24)
    assert fused.vector[:2] == pytest.approx(np.asarray([1.08, 0.24]) / np.hypot(1.08, 0.24))
    assert quality == pytest.approx(0.6)
    assert fused.space == world.space


@settings(deadline=None)
@given(seeds=st.lists(st.integers(0, 99), min_size=1, max_size=12), scores=SCORES)
def test_a_fused_vector_has_unit_length(
    world: World, seeds: list[int], scores: list[float]
) -> None:
    shots = [
        world.shot(0, max(score, 0.01), world.random(seed))
        for seed, score in zip(seeds, scores, strict=False)
    ]
    group = agreeing(shots, LEVEL)
    assert group
    fused, quality = fuse(group)
    assert float(np.linalg.norm(fused.vector)) == pytest.approx(1, abs=1e-6)
    assert 0 < quality <= 1


@settings(deadline=None)
@given(
    likenesses=st.lists(st.floats(0.85, 1), min_size=3, max_size=7),
    likeness=st.floats(0, 1),
    scores=SCORES,
)
def test_one_odd_view_among_three_or_more_changes_nothing(
    world: World, likenesses: list[float], likeness: float, scores: list[float]
) -> None:
    shots = [
        world.shot(0, max(score, 0.3), world.view(0, near, seed=seed))
        for seed, (near, score) in enumerate(zip(likenesses, scores, strict=False))
    ]
    odd = world.shot(0, 1.0, world.view(1, likeness, seed=77))
    assert all(s.embedding.vector @ odd.embedding.vector < LEVEL for s in shots)
    assert len(agreeing(shots, LEVEL)) == len(shots)
    assert agreeing([odd, *shots], LEVEL) == shots


def test_of_two_groups_the_larger_counts_then_the_one_of_higher_quality(world: World) -> None:
    def group(person: int, scores: list[float]) -> list[Shot]:
        return [world.shot(0, q, world.view(person, 0.95, seed=i)) for i, q in enumerate(scores)]

    few, many = group(0, [0.9, 0.9]), group(1, [0.3, 0.3, 0.3])
    assert agreeing([*few, *many], LEVEL) == many
    better = group(2, [0.9, 0.9, 0.4])
    assert agreeing([*many, *better], LEVEL) == better


@pytest.mark.parametrize(
    "wrong",
    [
        {"enough": 0},
        {"enough": 9},
        {"keep": 2},
        {"first_every": 0},
        {"then_every": 0},
        {"recheck": 0},
        {"expire": 0},
        {"min_quality": 0.0},
        {"min_quality": 1.1},
    ],
)
def test_settings_under_which_nothing_could_be_said_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        ShotSettings(**wrong)  # type: ignore[arg-type]  # ints where it takes ints
