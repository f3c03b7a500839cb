"""The self-test's material: what ships is what the plot says."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from edge.media import open_video, read_image
from edge.pack import PACK
from edge.selftest.material import read_material
from export.reference.selftest.film import FPS, SECONDS, SIZE, VISITORS, ZONE, scene

_HELD_OUT = 1_000_000  # seeds from here on are never learned from
_MOST_BYTES, _MOST_CLIP_BYTES = 500_000, 400_000


def test_what_ships_belongs_together() -> None:
    material = read_material(PACK / "selftest")
    assert sum(path.stat().st_size for path in material.folder.iterdir()) <= _MOST_BYTES
    assert material.path(material.clip).stat().st_size <= _MOST_CLIP_BYTES
    with open_video(material.path(material.clip)) as reader:
        shapes = [picture.image.shape for picture in reader]
        assert reader.fps == pytest.approx(material.fps) == FPS
    assert shapes == [(SIZE[1], SIZE[0], 3)] * round(SECONDS * FPS)
    known = [visitor.name if visitor.known else None for visitor in VISITORS]
    assert [visit.person for visit in material.visits] == known
    assert set(material.people) == {name for name in known if name is not None}
    assert all(len(pictures) >= 2 for pictures in material.people.values())
    named = {
        material.clip,
        "selftest.json",
        *(picture for pictures in material.people.values() for picture in pictures),
        *material.strangers,
        *(probe.picture for probe in material.probes),
    }
    assert {path.name for path in material.folder.iterdir()} == named


def test_there_is_enough_to_try_models_with() -> None:
    material = read_material(PACK / "selftest")
    assert sum(len(probe.faces) for probe in material.probes) >= 6
    assert sum(len(probe.people) for probe in material.probes) >= 1
    for probe in material.probes:
        height, width, _ = read_image(material.path(probe.picture)).shape
        assert (width, height) == SIZE


def test_one_stranger_enters_the_zone_and_nobody_else_does() -> None:
    material = read_material(PACK / "selftest")
    entering = [visit for visit in material.visits if visit.in_zone]
    assert [visit.person for visit in entering] == [None]
    edge = ZONE[0][0] * SIZE[0]
    for visit in material.visits:
        centres = [(face.box[0] + face.box[2]) / 2 for face in visit.faces]
        assert len(centres) >= 5
        assert all((centre > edge) == visit.in_zone for centre in centres)


def test_nobody_in_it_was_ever_learned_from() -> None:
    seeds = [visitor.identity for visitor in VISITORS]
    assert min(seeds) >= _HELD_OUT
    assert len(set(seeds)) == len(seeds)


def test_the_same_seed_gives_the_same_frames() -> None:
    first, same, other = ([image for image, _ in islice(scene(seed), 2)] for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
