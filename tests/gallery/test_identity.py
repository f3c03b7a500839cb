"""One judgement, and when another one takes its place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.gallery.identity import IdentityKeeper, fault_of, judge
from edge.types import Identity, Match, OperatingPoint, Outcome

if TYPE_CHECKING:
    from tests.gallery.conftest import World

POINT = OperatingPoint(threshold=0.49, margin=0.05)
A = Identity(Outcome.RECOGNISED, "a", 0.7, 0.3, 0.8)
B = Identity(Outcome.RECOGNISED, "b", 0.6, 0.2, 0.8)
UNKNOWN = Identity(Outcome.UNKNOWN, similarity=0.2, margin=0.1, quality=0.8, reason="far")
POOR = Identity(Outcome.LOW_QUALITY, quality=0.1, reason="face blurred")
ABOVE = math.nextafter(0.49, 1)
BELOW = math.nextafter(0.49, 0)


@pytest.mark.parametrize(
    ("similarity", "margin", "reason"),
    [
        (0.7, 0.3, None),
        (0.49, 0.05, None),
        (ABOVE, 0.05, None),
        (BELOW, 0.3, "similarity below the threshold"),
        (0.7, math.nextafter(0.05, 0), "two enrolled people are too close"),
        (0.7, 0.0, "two enrolled people are too close"),
        (0.3, 0.0, "similarity below the threshold"),
        (-0.4, 0.1, "similarity below the threshold"),
    ],
)
def test_a_match_needs_threshold_and_margin(
    similarity: float, margin: float, reason: str | None
) -> None:
    judged = judge(Match("a", similarity, margin), POINT, 0.8)
    assert judged == Identity(
        Outcome.UNKNOWN if reason else Outcome.RECOGNISED,
        None if reason else "a",
        similarity,
        margin,
        0.8,
        reason,
    )


@pytest.mark.parametrize(("margin", "named"), [(0.0, False), (5e-7, False), (2e-6, True)])
def test_equally_near_people_are_not_named_even_where_no_margin_is_asked(
    margin: float, named: bool
) -> None:
    judged = judge(Match("a", 0.9, margin), OperatingPoint(threshold=0.49, margin=0.0), 0.8)
    assert (judged.person == "a") is named


def test_an_empty_gallery_makes_everybody_unknown() -> None:
    judged = judge(Match(None, None, None), POINT, 0.8)
    assert judged == Identity(Outcome.UNKNOWN, quality=0.8, reason="nobody is enrolled")


@pytest.mark.parametrize(
    ("parts", "face_px", "fault"),
    [
        ({"size": 0.1}, 80.0, "face too small"),
        ({"sharpness": 0.1}, 80.0, "face blurred"),
        ({"frontality": 0.1}, 80.0, "face turned away"),
        ({"detector": 0.1}, 80.0, "detector unsure"),
        ({"sharpness": 0.1}, 31.9, "face of 31 px is smaller than 32.5 px"),
    ],
)
def test_the_worst_of_a_view_is_named(
    world: World, parts: dict[str, float], face_px: float, fault: str
) -> None:
    quality = world.quality(0.6, face_px=face_px, **parts)
    assert fault_of(quality, min_face_px=32.5) == fault


def test_the_first_judgement_stands_at_once() -> None:
    keeper = IdentityKeeper()
    assert keeper.current is None
    assert keeper.consider(A)
    assert keeper.current is A


def test_low_quality_gives_way_at_once_but_is_told_once() -> None:
    keeper = IdentityKeeper()
    assert [keeper.consider(POOR), keeper.consider(POOR), keeper.consider(UNKNOWN)] == [
        True,
        False,
        True,
    ]


def test_the_same_identity_again_refreshes_the_numbers_and_is_no_change() -> None:
    keeper = IdentityKeeper()
    keeper.consider(A)
    fresher = Identity(Outcome.RECOGNISED, "a", 0.9, 0.5, 0.9)
    assert not keeper.consider(fresher)
    assert keeper.current is fresher


@pytest.mark.parametrize(
    ("votes", "changes"),
    [
        ([B, B, B], [False, False, True]),
        ([B, B, A, B, B, B], [False] * 5 + [True]),
        ([B, B, UNKNOWN, B, B, B], [False] * 5 + [True]),
        ([UNKNOWN, UNKNOWN, UNKNOWN, A, A, A], [False, False, True, False, False, True]),
        ([B, UNKNOWN] * 4, [False] * 8),
        ([B, B, B, A, A], [False, False, True, False, False]),
    ],
)
def test_another_identity_takes_three_votes_in_a_row(
    votes: list[Identity], changes: list[bool]
) -> None:
    keeper = IdentityKeeper(confirm=3)
    keeper.consider(A)
    assert [keeper.consider(vote) for vote in votes] == changes


@settings(deadline=None)
@given(
    votes=st.lists(st.sampled_from([A, B, UNKNOWN]), max_size=40),
    confirm=st.integers(1, 5),
)
def test_it_never_flips_on_fewer_votes_than_confirm(votes: list[Identity], confirm: int) -> None:
    keeper = IdentityKeeper(confirm=confirm)
    for index, vote in enumerate(votes):
        before = keeper.current
        changed = keeper.consider(vote)
        assert keeper.current is not None
        if before is None:
            assert changed
            continue
        different = (keeper.current.outcome, keeper.current.person) != (
            before.outcome,
            before.person,
        )
        assert changed is different
        last = votes[max(0, index + 1 - confirm) : index + 1]
        agreed = len(last) == confirm and all(one is vote for one in last)
        assert not changed or agreed
        # The other way round: what so many votes in a row say is what is held.
        assert not agreed or keeper.current is vote


def test_the_conclusion_stands_whatever_was_held() -> None:
    keeper = IdentityKeeper()
    keeper.consider(A)
    keeper.consider(B)
    assert keeper.conclude(UNKNOWN)
    assert keeper.current is UNKNOWN
    assert not keeper.conclude(UNKNOWN)
    assert IdentityKeeper().conclude(POOR)
