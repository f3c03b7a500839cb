from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.errors import MediaError, MediaTooLargeError
from edge.media import MAX_PIXELS, is_image, read_image
from edge.types import ByteImage

Encode = Callable[..., bytes]
Exif = Callable[..., bytes]
Chunk = Callable[[bytes, bytes], bytes]
HugePng = Callable[[int, int], Path]
Refuse = Callable[[str, Path, int], tuple[int, str]]

# Suffix, encoder, pixel format in the file, and how far a value may be off.
KINDS = [
    ("png", "png", "rgb24", 0),
    ("jpg", "mjpeg", "yuvj444p", 24),
    ("webp", "libwebp", "bgra", 0),
    ("bmp", "bmp", "bgr24", 0),
    ("tif", "tiff", "rgb24", 0),
]


def blocks(height: int = 32, width: int = 48) -> ByteImage:
    """Four colours, one in each quarter, so that no turn of it looks like another."""
    image = np.empty((height, width, 3), np.uint8)
    top, left = (height + 1) // 2, (width + 1) // 2
    image[:top, :left] = (250, 10, 20)
    image[:top, left:] = (20, 240, 30)
    image[top:, :left] = (10, 30, 230)
    image[top:, left:] = (200, 200, 200)
    return image


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


Save = Callable[[str, bytes], Path]


def encoded(encode: Encode, codec: str, pix_fmt: str, image: ByteImage) -> bytes:
    options = {"lossless": "1"} if codec == "libwebp" else {}
    return encode(image, codec, pix_fmt=pix_fmt, options=options)


@pytest.mark.parametrize(("suffix", "codec", "pix_fmt", "tolerance"), KINDS)
@pytest.mark.parametrize("size", [(32, 48), (1, 48), (32, 1), (1, 1), (33, 7)])
def test_every_kind_is_read_at_every_size(
    encode_still: Encode,
    save: Save,
    suffix: str,
    codec: str,
    pix_fmt: str,
    tolerance: int,
    size: tuple[int, int],
) -> None:
    image = blocks(*size)
    path = save(f"a.{suffix}", encoded(encode_still, codec, pix_fmt, image))
    read = read_image(path)
    assert read.shape == image.shape
    assert read.dtype == np.uint8
    assert read.flags.c_contiguous
    assert np.abs(read.astype(int) - image).max() <= tolerance


def test_grey_becomes_three_equal_channels(encode_still: Encode, save: Save) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    read = read_image(save("a.png", encode_still(grey, "png", format="gray", pix_fmt="gray")))
    np.testing.assert_array_equal(read, np.repeat(grey[..., None], 3, axis=2))


def test_sixteen_bits_are_reduced_to_eight(encode_still: Encode, save: Save) -> None:
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    read = read_image(
        save("a.png", encode_still(deep, "png", format="gray16be", pix_fmt="gray16be"))
    )
    assert np.abs(read[..., 0].astype(int) - (deep >> 8)).max() <= 1
    colour = np.dstack([deep, deep[::-1], deep.T])
    read = read_image(
        save("b.tiff", encode_still(colour, "tiff", format="rgb48le", pix_fmt="rgb48le"))
    )
    assert np.abs(read[..., ::-1].astype(int) - (colour >> 8)).max() <= 1


def test_transparency_is_dropped(encode_still: Encode, save: Save) -> None:
    image = blocks()
    alpha = np.zeros((32, 48, 1), np.uint8)
    alpha[::2] = 200
    clear = np.dstack([image, alpha])
    read = read_image(save("a.png", encode_still(clear, "png", format="bgra", pix_fmt="rgba")))
    np.testing.assert_array_equal(read, image)


def test_the_content_decides_and_not_the_name(encode_still: Encode, save: Save) -> None:
    path = save("a.jpg", encode_still(blocks(), "png"))
    np.testing.assert_array_equal(read_image(path), blocks())
    assert is_image(save("no suffix", encode_still(blocks(), "png")))


def stored(image: ByteImage, orientation: int) -> ByteImage:
    """How a camera stores ``image`` under an orientation: the definition of the EXIF tag, by which
    row and column 0 of what is stored lie on the sides of the picture that it names."""
    transposed = image.transpose(1, 0, 2)
    return {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: transposed,
        6: transposed[::-1],
        7: transposed[::-1, ::-1],
        8: transposed[:, ::-1],
    }[orientation]


def with_exif_jpeg(data: bytes, block: bytes, chunk: Chunk) -> bytes:
    content = b"Exif\0\0" + block
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + data[2:]


def with_exif_png(data: bytes, block: bytes, chunk: Chunk) -> bytes:
    return data[:33] + chunk(b"eXIf", block) + data[33:]


def with_exif_webp(data: bytes, block: bytes, chunk: Chunk) -> bytes:
    body = data[12:] + b"EXIF" + struct.pack("<I", len(block)) + block
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def with_exif_tiff(data: bytes, block: bytes, chunk: Chunk) -> bytes:
    """The tag goes into the picture's own directory, which is moved to the end of the file."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    entries = [data[start + 2 + 12 * i : start + 14 + 12 * i] for i in range(count)]
    kept = [entry for entry in entries if entry[:2] != b"\x12\x01"]
    entries = sorted([*kept, block[10:22]], key=lambda entry: struct.unpack("<H", entry[:2]))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("codec", "pix_fmt", "insert", "orders"),
    [
        ("mjpeg", "yuvj444p", with_exif_jpeg, "<>"),
        ("png", "rgb24", with_exif_png, "<>"),
        ("libwebp", "bgra", with_exif_webp, "<>"),
        ("tiff", "rgb24", with_exif_tiff, "<"),
    ],
    ids=["jpeg", "png", "webp", "tiff"],
)
def test_a_picture_taken_on_its_side_is_turned(
    encode_still: Encode,
    exif_block: Exif,
    png_chunk: Chunk,
    save: Save,
    codec: str,
    pix_fmt: str,
    insert: Callable[[bytes, bytes, Chunk], bytes],
    orders: str,
    orientation: int,
) -> None:
    image = blocks()
    data = encoded(encode_still, codec, pix_fmt, stored(image, orientation))
    for order in orders:
        path = save("a.bin", insert(data, exif_block(orientation, order), png_chunk))
        read = read_image(path)
        assert read.shape == image.shape
        assert np.abs(read.astype(int) - image).max() <= 8
        assert read.flags.c_contiguous


def test_a_thumbnail_is_not_taken_for_the_picture(encode_still: Encode, save: Save) -> None:
    thumbnail = encode_still(blocks(8, 8), "mjpeg", pix_fmt="yuvj420p")
    data = encode_still(blocks(), "mjpeg", pix_fmt="yuvj444p")
    content = b"Exif\0\0" + thumbnail
    segment = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    assert read_image(save("a.jpg", data[:2] + segment + data[2:])).shape == (32, 48, 3)
    # Nor its end for the end of the picture.
    with pytest.raises(MediaError):
        read_image(save("b.jpg", data[:2] + segment + data[2:-40]))


def test_what_follows_a_jpeg_does_no_harm(encode_still: Encode, save: Save) -> None:
    data = encode_still(blocks(), "mjpeg", pix_fmt="yuvj444p")
    alone = read_image(save("a.jpg", data))
    second = encode_still(blocks(8, 8), "mjpeg", pix_fmt="yuvj420p")
    np.testing.assert_array_equal(read_image(save("b.jpg", data + second)), alone)


@pytest.mark.parametrize(("suffix", "codec", "pix_fmt", "tolerance"), KINDS)
def test_an_image_that_was_cut_off_is_refused(
    encode_still: Encode, save: Save, suffix: str, codec: str, pix_fmt: str, tolerance: int
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(encode_still, codec, pix_fmt, noise)
    for share in (0.001, 0.01, 0.1, 0.3, 0.5, 0.8, 0.98):
        path = save(f"a.{suffix}", data[: max(1, int(len(data) * share))])
        with pytest.raises(MediaError):
            read_image(path)


@pytest.mark.parametrize(
    ("content", "found"), [(b"", "an empty file"), (b"hello", "something else")]
)
def test_what_is_no_image_is_refused(save: Save, content: bytes, found: str) -> None:
    with pytest.raises(MediaError) as caught:
        read_image(save("a.png", content))
    assert caught.value.found == found
    assert caught.value.exit_code == 2


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path, found in ((tmp_path / "missing.png", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(MediaError, match=found):
            read_image(path)


def test_the_first_bytes_alone_are_no_image(save: Save) -> None:
    for head in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"RIFF\4\0\0\0WEBP"):
        for tail in (b"", bytes(3), b"\xff" * 60):
            with pytest.raises(MediaError):
                read_image(save("a", head + tail))


@pytest.mark.parametrize("side", [16_000, 30_000])
def test_a_small_file_of_very_many_pixels_takes_no_memory(
    huge_png: HugePng, refuse_in_a_new_process: Refuse, side: int
) -> None:
    path = huge_png(side, side)
    assert path.stat().st_size < 120_000
    grown, found = refuse_in_a_new_process("image", path, MAX_PIXELS)
    assert grown < 10_000  # kB
    assert found == f"{side} × {side}"


def test_an_image_within_the_limit_is_read(huge_png: HugePng) -> None:
    path = huge_png(2000, 1500)
    assert read_image(path, max_pixels=3_000_000).shape == (1500, 2000, 3)
    with pytest.raises(MediaTooLargeError, match="2,999,999"):
        read_image(path, max_pixels=2_999_999)


def test_a_lie_about_the_size_takes_no_memory_either(
    encode_still: Encode, save: Save, refuse_in_a_new_process: Refuse
) -> None:
    jpeg = bytearray(encode_still(blocks(), "mjpeg", pix_fmt="yuvj420p"))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", 30_000, 30_000)
    bmp = bytearray(encode_still(blocks(), "bmp", pix_fmt="bgr24"))
    bmp[18:26] = struct.pack("<ii", 30_000, -30_000)
    webp = bytearray(encode_still(blocks(), "libwebp", pix_fmt="yuv420p"))
    place = webp.index(b"\x9d\x01\x2a") + 3
    webp[place : place + 4] = struct.pack("<HH", 16_383, 16_383)
    for name, content in (("a.jpg", jpeg), ("a.bmp", bmp), ("a.webp", webp)):
        grown, _ = refuse_in_a_new_process("image", save(name, bytes(content)), MAX_PIXELS)
        assert grown < 10_000  # kB


def test_a_size_that_only_the_decoder_knows_is_limited_too(
    encode_still: Encode, save: Save, refuse_in_a_new_process: Refuse
) -> None:
    black = np.zeros((3000, 3000, 3), np.uint8)
    path = save("a.webp", encoded(encode_still, "libwebp", "bgra", black))
    assert path.stat().st_size < 10_000
    grown, found = refuse_in_a_new_process("image", path, 1_000_000)
    assert grown < 10_000  # kB; decoded it has 36,000
    assert found == "more"


def test_a_file_larger_than_any_image_of_the_limit_is_not_read_whole(
    encode_still: Encode, save: Save
) -> None:
    path = save("a.png", encode_still(blocks(), "png"))
    os.truncate(path, 1 << 40)
    with pytest.raises(MediaTooLargeError):
        read_image(path, max_pixels=32 * 48)


def test_a_file_is_an_image_by_content_or_name(
    encode_still: Encode, save: Save, tmp_path: Path, assets: Path
) -> None:
    assert is_image(save("a.jpeg", b"damaged"))
    assert is_image(tmp_path / "missing.PNG")
    assert not is_image(save("a.txt", b"text"))
    assert not is_image(save("a", b""))
    assert not is_image(tmp_path)
    assert not is_image(assets / "videos" / "asl_book.mkv")
    assert not is_image(assets / "videos" / "face-demographics-walking.gif")


def test_nothing_stays_open(encode_still: Encode, save: Save) -> None:
    good = save("a.png", encode_still(blocks(), "png"))
    bad = save("b.png", good.read_bytes()[:60])
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        read_image(good)
        with pytest.raises(MediaError):
            read_image(bad)
    assert len(os.listdir("/proc/self/fd")) == before
