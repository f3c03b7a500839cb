"""The demo's clip: what ships is what the plot says, and people can be enrolled and recognised."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from edge.errors import BundleError
from edge.media import open_video, read_image
from edge.pack import demo_clip, demo_people, demo_truth
from edge.pack.demo_truth import load_truth
from export.reference.demo.film import Notes, frame_count, frames
from export.reference.demo.plot import ENROLLED, STRANGERS
from export.reference.demo.portraits import portrait

_HELD_OUT = 1_000_000  # seeds from here on are never learned from
_MOST_BYTES = 1_500_000


def test_what_ships_belongs_together() -> None:
    truth = demo_truth()
    assert demo_clip().stat().st_size <= _MOST_BYTES
    assert set(demo_people()) == set(truth.enrolled) == set(ENROLLED)
    assert {person.id for person in truth.people} == set(ENROLLED) | set(STRANGERS)
    assert truth.frames == frame_count() == sum(shot.frames for shot in truth.shots)
    with open_video(demo_clip()) as reader:
        pictures = [picture.image.shape for picture in reader]
        assert reader.fps == pytest.approx(truth.fps)
    assert pictures == [(truth.size[1], truth.size[0], 3)] * truth.frames


def test_nobody_in_it_was_ever_learned_from() -> None:
    seeds = [*ENROLLED.values(), *STRANGERS.values()]
    assert min(seeds) >= _HELD_OUT
    assert len(set(seeds)) == len(seeds)


def test_it_has_something_to_tell() -> None:
    truth = demo_truth()
    assert {conduct.kind for conduct in truth.conducts} == {
        "intrusion", "line_crossing", "loitering",
    }  # fmt: skip
    assert {act.behaviour for act in truth.acts} >= {"run", "fall", "fight", "take"}
    assert {shot.night for shot in truth.shots} == {False, True}
    large = {person.id for person in truth.people if person.face_px >= 60}
    assert set(ENROLLED) < large  # and a stranger who comes as near


def test_pictures_show_somebody_who_can_be_enrolled() -> None:
    for pictures in demo_people().values():
        assert len(pictures) >= 2
        assert all(read_image(path).shape == (420, 360, 3) for path in pictures)


def test_the_same_seed_gives_the_same_pictures() -> None:
    first, same, other = (portrait(1_000_018, seed=seed, number=0) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_the_same_seed_gives_the_same_frames() -> None:
    first, same = (list(islice(frames(3, Notes()), 3)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))


@pytest.mark.slow
def test_the_truth_that_ships_is_that_of_the_plot() -> None:
    notes, truth = Notes(), demo_truth()
    for _ in frames(truth.seed, notes):
        pass
    assert notes.truth(truth.seed) == truth


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"format": "2.0"}', b"\xff"])
def test_a_truth_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "truth.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=r"truth"):
        load_truth(path)
