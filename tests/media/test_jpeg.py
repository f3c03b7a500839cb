from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.media.image import read_image
from edge.media.jpeg import encode_jpeg
from edge.media.still_header import read_still_header
from edge.types import ByteImage


def chart(height: int = 96, width: int = 128) -> ByteImage:
    rows, columns = np.mgrid[:height, :width]
    planes = [rows * 2, columns * 2, 255 - columns]
    return np.stack(planes, axis=2).astype(np.uint8)


def test_a_jpeg_shows_the_picture_and_carries_nothing_else(tmp_path: Path) -> None:
    data = encode_jpeg(chart(), quality=90)
    (tmp_path / "a.jpg").write_bytes(data)
    shown = read_image(tmp_path / "a.jpg")
    assert np.abs(shown.astype(int) - chart()).mean() < 3
    header = read_still_header(data)
    assert header is not None
    assert (header.kind, header.size, header.whole) == ("jpeg", (128, 96), True)
    assert b"Exif" not in data
    assert b"\xff\xfe" not in data[:100]  # no comment


def test_quality_is_paid_for_in_bytes() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    sizes = [len(encode_jpeg(noise, quality=quality)) for quality in (1, 30, 85, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] * 4 < sizes[-1]


def test_a_part_of_a_picture_needs_no_copy(tmp_path: Path) -> None:
    picture = chart()
    part = picture[10:50, 20:90]
    assert encode_jpeg(part, quality=80) == encode_jpeg(part.copy(), quality=80)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (65_501, 1, 3), (1, 65_501, 3)])
def test_what_a_jpeg_cannot_hold_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="1 to 65500 pixels a side"):
        encode_jpeg(np.zeros(shape, np.uint8), quality=80)
    largest = (min(shape[0], 65_500) or 1, min(shape[1], 65_500) or 1, 3)
    assert encode_jpeg(np.zeros(largest, np.uint8), quality=80)
