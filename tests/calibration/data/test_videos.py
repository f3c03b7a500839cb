"""Pictures chosen from videos, alone and beside images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.dataset import open_set
from edge.errors import MediaError
from edge.manifest import Manifest
from edge.media import open_video
from edge.vision.preprocess import place, place_in_tensor
from tests.small_world import film

Images = Callable[..., Path]
Scene = Callable[..., Any]


@pytest.fixture
def clip(tmp_path: Path, scene: Scene) -> Callable[..., Path]:
    """Films scenes: ``clip(numbers, name)``."""

    def make(numbers: range, name: str = "clip.mp4") -> Path:
        return film(tmp_path / name, [scene(number) for number in numbers])

    return make


def frames_of(path: Path, manifest: Manifest) -> list[Any]:
    spec = manifest.input
    assert spec is not None
    with open_video(path) as video:
        return [place_in_tensor(p.image, place((64, 48), spec), spec) for p in video]


def test_frames_are_spread_over_the_clip(clip: Callable[..., Path], whole: Manifest) -> None:
    path = clip(range(80))
    frames = frames_of(path, whole)
    chosen = open_set([path], whole, count=4)
    places = [
        next(i for i, frame in enumerate(frames) if np.array_equal(frame, picture))
        for picture in chosen.pictures()
    ]
    assert len(places) == 4
    assert [place // 20 for place in places] == [0, 1, 2, 3]


def test_a_still_scene_is_one_picture(scene: Scene, whole: Manifest, tmp_path: Path) -> None:
    path = film(tmp_path / "still.mp4", [scene(1)] * 30 + [scene(2)] * 30)
    chosen = open_set([path], whole, count=10)
    assert chosen.count == 2
    assert chosen.describe()["near_duplicates"] == 38


def test_a_long_clip_takes_no_more_than_its_share(
    clip: Callable[..., Path], images: Images, whole: Manifest
) -> None:
    folder = images(range(10))
    clip(range(100, 200)).rename(folder / "long.mp4")
    chosen = open_set([folder], whole, count=11)
    names = [chosen.group_of(index) for index in range(11)]
    assert chosen.count == 11
    assert names.count("long.mp4") == 1
    assert len(set(chosen.groups)) == 11


def test_the_share_grows_where_images_are_few(
    clip: Callable[..., Path], images: Images, whole: Manifest
) -> None:
    folder = images(range(2))
    clip(range(100, 200)).rename(folder / "long.mp4")
    chosen = open_set([folder], whole, count=20)
    names = [chosen.group_of(index) for index in range(chosen.count)]
    assert sorted(set(names)) == ["0000.png", "0001.png", "long.mp4"]
    assert names.count("long.mp4") >= 7


def test_a_single_clip_is_split_in_time(clip: Callable[..., Path], whole: Manifest) -> None:
    path = clip(range(60))
    frames = frames_of(path, whole)
    parts = open_set([path], whole, count=20).split(0.75)
    assert [part.count for part in parts] == [15, 5]
    first, second = (
        [next(i for i, f in enumerate(frames) if np.array_equal(f, p)) for p in part.pictures()]
        for part in parts
    )
    assert max(first) < min(second)


def test_of_a_clip_that_breaks_off_the_whole_frames_are_used(
    clip: Callable[..., Path], images: Images, whole: Manifest
) -> None:
    folder = images(range(2))
    whole_clip = clip(range(100, 160), "clip.mkv")
    data = whole_clip.read_bytes()
    (folder / "cut.mkv").write_bytes(data[: len(data) // 2])
    chosen = open_set([folder], whole, count=30)
    frames = frames_of(whole_clip, whole)
    of_clip = [
        picture
        for index, picture in enumerate(chosen.pictures())
        if chosen.group_of(index) == "cut.mkv"
    ]
    assert of_clip
    assert all(any(np.array_equal(p, f) for f in frames) for p in of_clip)


def test_a_clip_that_is_shorter_at_its_use_is_refused(
    clip: Callable[..., Path], whole: Manifest
) -> None:
    path = clip(range(60))
    chosen = open_set([path], whole, count=10)
    clip(range(5))
    with pytest.raises(MediaError, match="has changed while it was used"):
        list(chosen.pictures())
