"""Still images."""

from __future__ import annotations

import os
from pathlib import Path

from edge.errors import MediaError
from edge.media.ffmpeg import MAX_PIXELS, decode_still, too_large
from edge.media.files import existing_file
from edge.media.orientation import upright
from edge.media.still_header import SNIFF_BYTES, read_still_header, sniff
from edge.types import ByteImage

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_WANTED = "a JPEG, PNG, WebP, BMP or TIFF image"
# More than any of these formats needs for a pixel: four channels of 16 bits.
_MOST_BYTES_A_PIXEL = 8


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a still image by its content or its name. An animated GIF is a video."""
    file = Path(path)
    try:
        with file.open("rb") as opened:
            head = opened.read(SNIFF_BYTES)
    except OSError:
        head = b""
    return sniff(head) is not None or file.suffix.lower() in IMAGE_SUFFIXES


def read_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> ByteImage:
    """The picture in an image file, uint8 ``[H, W, 3]``, BGR, upright.

    Grey becomes three equal channels, transparency is dropped, more than 8 bits are reduced to 8.
    Of several pictures in a file the first is taken.

    Raises MediaError where the file is missing, empty, a folder, cut short, or no such image;
    MediaTooLargeError, before their memory is taken, where it has more than ``max_pixels``.
    """
    file = existing_file(path, _WANTED)
    with file.open("rb") as opened:
        most = max_pixels * _MOST_BYTES_A_PIXEL + (1 << 20)
        data = opened.read(most + 1)
    header = read_still_header(data)
    if header is None:
        raise MediaError(f"{file} is no image", expected=_WANTED, found="something else")
    if len(data) > most:
        raise too_large(str(file), max_pixels)
    if header.size is not None and header.size[0] * header.size[1] > max_pixels:
        raise too_large(str(file), max_pixels, header.size)
    if not header.whole:
        raise MediaError(
            f"{file} was cut off",
            expected="a whole image",
            found=f"no end within its {len(data)} bytes",
            remedy="Copy it again.",
        )
    image = decode_still(data, header.kind, name=str(file), max_pixels=max_pixels)
    return upright(image, header.orientation)
