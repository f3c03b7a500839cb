from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.media.orientation import orientation_from_matrix, upright
from edge.media.still_header import StillHeader, exif_orientation, read_still_header, sniff

MAGICS = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"BM", b"II*\0", b"MM\0*"]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        *zip(MAGICS, ["png", "jpeg", "webp", "bmp", "tiff", "tiff"], strict=True),
        (b"", None),
        (b"RIFF\0\0\0\0AVI ", None),
        (b"GIF89a", None),
        (b"\0\0\0\x20ftypheic", None),
    ],
)
def test_the_first_bytes_tell_the_kind(head: bytes, kind: str | None) -> None:
    assert sniff(head) == kind


def test_sizes_are_read_where_they_are_stored() -> None:
    png = MAGICS[0] + struct.pack(">I4sII", 13, b"IHDR", 30_000, 20_000)
    assert read_still_header(png) == StillHeader("png", (30_000, 20_000))
    bmp = b"BM" + bytes(12) + struct.pack("<Iii", 40, 640, -480)
    assert read_still_header(bmp) == StillHeader("bmp", (640, 480))
    frame = b"\xff\xc2\0\x08\x08" + struct.pack(">HH", 480, 640) + b"\x03"
    scan = b"\xff\xda\0\x02data"
    jpeg = b"\xff\xd8\xff\xe0\0\x04ab" + b"\xff" + frame + scan
    assert read_still_header(jpeg + b"\xff\xd9") == StillHeader("jpeg", (640, 480))
    assert read_still_header(jpeg) == StillHeader("jpeg", (640, 480), whole=False)


def test_the_tag_is_found_among_others() -> None:
    entries = struct.pack("<HHIH2x", 0x0100, 3, 1, 7) + struct.pack("<HHIH2x", 0x0112, 3, 1, 6)
    block = b"II*\0" + struct.pack("<IH", 8, 2) + entries
    assert exif_orientation(block) == 6


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II*\0",
        b"II*\0" + struct.pack("<I", 1 << 31),
        b"II*\0" + struct.pack("<IH", 8, 9999),
        b"II*\0" + struct.pack("<IHHHIH", 8, 1, 0x0112, 3, 1, 9) + b"\0\0",
        b"II*\0" + struct.pack("<IHHHIH", 8, 1, 0x0112, 3, 1, 0) + b"\0\0",
        b"II*\0" + struct.pack("<IHHHIH", 8, 1, 0x0112, 4, 1, 6) + b"\0\0",
        b"II*\0" + struct.pack("<IHHHI", 8, 1, 0x0112, 3, 1),
        b"XX*\0" + struct.pack("<IHHHIH", 8, 1, 0x0112, 3, 1, 6) + b"\0\0",
    ],
)
def test_a_block_that_says_nothing_sensible_means_upright(block: bytes) -> None:
    assert exif_orientation(block) == 1


@given(st.sampled_from(MAGICS), st.binary(max_size=200))
def test_no_header_is_so_broken_that_reading_it_fails(magic: bytes, rest: bytes) -> None:
    header = read_still_header(magic + rest)
    assert header is not None
    assert 1 <= header.orientation <= 8


PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def corner(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> list[int]:
    return [int(image[0, 0, 0]), int(image[0, -1, 0]), int(image[-1, 0, 0])]


@pytest.mark.parametrize(
    ("orientation", "corners"),
    # Of [[0, 3, 6], [9, 12, 15]]: top left, top right and bottom left once it is upright.
    [
        *((1, [0, 6, 9]), (2, [6, 0, 15]), (3, [15, 9, 6]), (4, [9, 15, 0])),
        *((5, [0, 9, 6]), (6, [9, 0, 15]), (7, [15, 6, 9]), (8, [6, 15, 0])),
        *((0, [0, 6, 9]), (9, [0, 6, 9])),
    ],
)
def test_pictures_are_turned_by_their_orientation(orientation: int, corners: list[int]) -> None:
    turned = upright(PICTURE, orientation)
    assert corner(turned) == corners
    assert turned.flags.c_contiguous
    assert turned.shape == ((3, 2, 3) if 5 <= orientation <= 8 else (2, 3, 3))


@pytest.mark.parametrize(
    ("matrix", "orientation"),
    [
        ((1, 0, 0, 1), 1),
        ((65536, 0, 0, 65536), 1),
        ((0, 65536, -65536, 0), 6),
        ((0, -65536, 65536, 0), 8),
        ((-65536, 0, 0, -65536), 3),
        ((0, 0, 0, 0), 1),
        ((46341, 46341, -46341, 46341), 1),
    ],
)
def test_display_matrices_are_orientations(
    matrix: tuple[int, int, int, int], orientation: int
) -> None:
    assert orientation_from_matrix(*matrix) == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_display_matrix_moves_pixels_as_its_orientation_does(orientation: int) -> None:
    height, width = PICTURE.shape[:2]
    found = []
    for a, b, c, d in [
        *((1, 0, 0, 1), (-1, 0, 0, 1), (-1, 0, 0, -1), (1, 0, 0, -1)),
        *((0, 1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0), (0, -1, 1, 0)),
    ]:
        if orientation_from_matrix(a, b, c, d) != orientation:
            continue
        rows, columns = np.mgrid[:height, :width]
        x, y = a * columns + c * rows, b * columns + d * rows
        shown = np.zeros((np.ptp(y) + 1, np.ptp(x) + 1, 3), np.uint8)
        shown[y - y.min(), x - x.min()] = PICTURE
        np.testing.assert_array_equal(upright(PICTURE, orientation), shown)
        found.append((a, b, c, d))
    assert len(found) == 1


def test_turning_keeps_what_it_was_given(index_of: Callable[..., int]) -> None:
    before = PICTURE.copy()
    upright(PICTURE, 6)
    np.testing.assert_array_equal(PICTURE, before)
