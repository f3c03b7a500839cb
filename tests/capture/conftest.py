"""Files to take frames from, written with the product's own writer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.media import VideoWriter, write_image
from edge.types import ByteImage


def shade(index: int) -> ByteImage:
    """A picture that tells its index by its brightness."""
    return np.full((48, 64, 3), 20 + index * 8, np.uint8)


@pytest.fixture
def index_of() -> Callable[[ByteImage], int]:
    """Which shade a frame shows."""
    return lambda image: round((float(image.mean()) - 20) / 8)


@pytest.fixture
def shades() -> list[ByteImage]:
    return [shade(index) for index in range(20)]


@pytest.fixture
def clip(tmp_path: Path, shades: list[ByteImage]) -> Path:
    """Twenty pictures at 10 a second."""
    path = tmp_path / "clip.mkv"
    with VideoWriter(path, size=(64, 48), fps=10) as writer:
        for image in shades:
            writer.write(image)
    return path


@pytest.fixture
def cut_clip(tmp_path: Path, clip: Path) -> Path:
    """The same, without its second half."""
    path = tmp_path / "cut.mkv"
    path.write_bytes(clip.read_bytes())
    os.truncate(path, path.stat().st_size * 6 // 10)
    return path


@pytest.fixture
def folder(tmp_path: Path, shades: list[ByteImage]) -> Path:
    """The first three pictures as images whose names sort by number only."""
    place = tmp_path / "images"
    place.mkdir()
    for number, image in zip((8, 9, 10), shades, strict=False):
        write_image(place / f"{number}.png", image)
    return place
