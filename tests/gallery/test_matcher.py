"""The open-set search, against a plain loop over all templates."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import GalleryError
from edge.gallery.matcher import Gallery, cosine
from edge.types import Embedding, Match, Template

if TYPE_CHECKING:
    from tests.gallery.conftest import World

# Many templates a person, and many persons: (name, seed of the vector).
ENROLLED = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 30)), max_size=25)


def enrolled(world: World, chosen: list[tuple[str, int]]) -> list[Template]:
    return [Template(name, world.random(seed)) for name, seed in chosen]


def test_an_empty_gallery_knows_nobody(world: World) -> None:
    gallery = Gallery([], world.space)
    assert gallery.match(world.random(1)) == Match(None, None, None)
    assert gallery.similarities(world.random(1)) == {}
    assert gallery.people == []


def test_with_one_person_the_margin_is_the_similarity(world: World) -> None:
    match = Gallery([world.template("a", 0)], world.space).match(world.embedding(0.6, 0.8))
    assert match.person == "a"
    assert match.similarity == pytest.approx(0.6)
    assert match.margin == match.similarity


def test_the_margin_is_to_the_next_person_and_not_to_the_next_template(world: World) -> None:
    gallery = Gallery(
        [
            Template("a", world.embedding(1.0)),
            Template("a", world.embedding(0.99, 0.14)),
            world.template("b", 1),
        ],
        world.space,
    )
    match = gallery.match(world.embedding(0.8, 0.6))
    assert match.person == "a"
    assert match.similarity is not None
    assert match.similarity == pytest.approx((0.8 * 0.99 + 0.6 * 0.14) / np.hypot(0.99, 0.14))
    assert match.margin == pytest.approx(match.similarity - 0.6)


def test_a_next_person_who_is_unlike_widens_the_margin(world: World) -> None:
    gallery = Gallery([world.template("a", 0), world.template("b", 1)], world.space)
    match = gallery.match(world.embedding(0.8, -0.6))
    assert match.margin == pytest.approx(1.4)


def test_of_two_equally_near_the_first_by_id_comes_with_no_margin(world: World) -> None:
    same = world.embedding(1.0)
    gallery = Gallery([Template("zoe", same), Template("abe", same)], world.space)
    match = gallery.match(world.embedding(0.7, 0.7))
    assert match.person == "abe"
    assert match.margin == 0


def test_a_cosine_never_passes_one(world: World) -> None:
    long = Embedding(world.vector(1.0) * np.float32(1.0009), world.space)
    gallery = Gallery([Template("a", long)], world.space)
    assert gallery.match(long).similarity == 1.0
    assert gallery.match(Embedding(-long.vector, world.space)).similarity == -1.0
    assert cosine(long, long) == 1.0


@pytest.mark.parametrize("others", [0, 1])
def test_embeddings_of_another_model_are_refused(world: World, others: int) -> None:
    foreign = Embedding(world.vector(1.0), "f" * 64)
    gallery = Gallery([world.template("a", 0)] * others, world.space)
    for search in (gallery.match, gallery.similarities):
        with pytest.raises(
            GalleryError, match=r"expected embedding space 000000000000; found ffff"
        ):
            search(foreign)
    with pytest.raises(GalleryError):
        Gallery([world.template("a", 0), Template("b", foreign)], world.space)
    with pytest.raises(GalleryError):
        cosine(foreign, world.embedding(1.0))


@settings(deadline=None)
@given(chosen=ENROLLED, seed=st.integers(0, 30))
def test_it_finds_what_a_plain_loop_finds(
    world: World, chosen: list[tuple[str, int]], seed: int
) -> None:
    probe = world.random(seed)
    templates = enrolled(world, chosen)
    best: dict[str, float] = {}
    for one in templates:
        similarity = float(np.dot(one.embedding.vector.astype(float), probe.vector.astype(float)))
        best[one.person] = max(best.get(one.person, -2.0), similarity)
    gallery = Gallery(templates, world.space)
    assert gallery.similarities(probe) == pytest.approx(best, abs=1e-6)
    assert gallery.people == sorted(best)
    match = gallery.match(probe)
    if not best:
        assert match == Match(None, None, None)
        return
    assert match.person is not None
    assert best[match.person] == pytest.approx(max(best.values()), abs=1e-6)
    others = [value for name, value in best.items() if name != match.person]
    assert match.similarity == pytest.approx(best[match.person], abs=1e-6)
    assert match.margin == pytest.approx(best[match.person] - max(others, default=0.0), abs=2e-6)


@settings(deadline=None)
@given(chosen=ENROLLED, seed=st.integers(0, 30), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_templates_makes_no_difference(
    world: World, chosen: list[tuple[str, int]], seed: int, shuffle: Random
) -> None:
    templates = enrolled(world, chosen)
    mixed = list(templates)
    shuffle.shuffle(mixed)
    probe = world.random(seed)
    one, other = Gallery(templates, world.space), Gallery(mixed, world.space)
    assert one.match(probe) == other.match(probe)
    assert one.similarities(probe) == other.similarities(probe)
