from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.errors import MediaError, MediaTooLargeError
from edge.media import open_images, write_image
from edge.media.folder import natural_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images whose brightness is their number, and much that is no image."""
    place = tmp_path / "pictures"
    place.mkdir()
    for number, name in ((10, "frame10.png"), (9, "frame9.JPG"), (100, "frame100.png")):
        write_image(place / name, np.full((20, 30, 3), number, np.uint8))
    (place / "Thumbs.db").write_bytes(b"no image")
    (place / "sub.png").mkdir()
    return place


def test_images_come_in_natural_order_at_the_rate(folder: Path) -> None:
    with open_images(folder, fps=4) as reader:
        pictures = list(reader)
        assert (reader.frames, reader.fps, reader.corrupt) == (3, 4, 0)
        assert (reader.width, reader.height) == (30, 20)
    assert [int(p.image.mean()) for p in pictures] == [9, 10, 100]
    assert [(p.index, p.pts) for p in pictures] == [(0, 0.0), (1, 0.25), (2, 0.5)]


def test_names_sort_by_their_numbers() -> None:
    ordered = ["1.png", "02.png", "2.png", "a", "A1", "a2b9", "a2b10", "a10", "b", "é1"]
    assert sorted(reversed(ordered), key=natural_key) == ordered
    assert natural_key("x1") != natural_key("X1")


def test_one_image_is_a_series_of_one(folder: Path) -> None:
    with open_images(folder / "frame10.png") as reader:
        assert [(p.index, p.pts) for p in reader] == [(0, 0.0)]
        assert reader.frames == 1


def test_images_that_cannot_be_read_are_skipped_and_told_once(
    folder: Path,
    huge_png: Callable[[int, int], Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (folder / "frame11.png").write_bytes(b"damaged")
    (folder / "frame12.png").write_bytes(b"")
    huge_png(9000, 9000).rename(folder / "frame13.png")
    with caplog.at_level(logging.WARNING), open_images(folder) as reader:
        pictures = list(reader)
        assert reader.corrupt == 3
    assert [int(p.image.mean()) for p in pictures] == [9, 10, 100]
    assert [p.index for p in pictures] == [0, 1, 2]
    assert len(caplog.records) == 1
    assert "frame11.png" in caplog.text


def test_a_single_image_says_what_is_wrong_with_it(
    tmp_path: Path, huge_png: Callable[[int, int], Path]
) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(MediaError, match="empty file"):
        open_images(tmp_path / "a.png")
    with pytest.raises(MediaTooLargeError):
        open_images(huge_png(9000, 9000))
    with pytest.raises(MediaError, match="no such file"):
        open_images(tmp_path / "missing.png")


def test_a_folder_without_an_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        open_images(tmp_path)
    assert caught.value.found == "none"
    (tmp_path / "a.png").write_bytes(b"damaged")
    with pytest.raises(MediaError) as caught:
        open_images(tmp_path)
    assert caught.value.found == "1 that cannot be read"


@pytest.mark.parametrize("fps", [0, -1])
def test_a_rate_is_above_nothing(folder: Path, fps: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        open_images(folder, fps=fps)
