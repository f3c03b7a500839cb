"""What the first bytes of an image file say: its kind, size and orientation.

Read here, and not by a decoder, because a decoder is only trusted with a size that was checked, and
because a decoder says nothing about mirrored pictures or a JPEG that was cut short.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from edge.media.orientation import UPRIGHT

Kind = Literal["bmp", "jpeg", "png", "tiff", "webp"]

SNIFF_BYTES = 12
_ORIENTATION_TAG = 0x0112
_SHORT = 3


@dataclass(frozen=True, slots=True)
class StillHeader:
    """kind: the file format. size: width and height as stored, None where only a decoder knows.

    orientation: as the EXIF tag, 1 to 8. whole: False where the end of the picture is missing.
    """

    kind: Kind
    size: tuple[int, int] | None = None
    orientation: int = UPRIGHT
    whole: bool = True


def sniff(head: bytes) -> Kind | None:
    """The kind of image that starts with ``head`` (12 bytes suffice), None for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if head[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if head[:4] in (b"II*\0", b"MM\0*"):
        return "tiff"
    return "bmp" if head[:2] == b"BM" else None


def read_still_header(data: bytes) -> StillHeader | None:
    """The header of a whole image file, None where it is no image of a known kind."""
    kind = sniff(data)
    return None if kind is None else _READERS[kind](data)


def _read_png(data: bytes) -> StillHeader:
    size = struct.unpack_from(">II", data, 16) if len(data) >= 24 else None
    orientation, position = UPRIGHT, 8
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        if name == b"eXIf":
            orientation = exif_orientation(data[position + 8 : position + 8 + length])
        position += length + 12
    return StillHeader("png", size, orientation)


def _read_jpeg(data: bytes) -> StillHeader:
    size, orientation, end = None, UPRIGHT, 2
    for marker, start, stop in _jpeg_segments(data):
        end = stop
        # Start of frame: C0 to CF without the tables C4, C8 and CC.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and stop - start >= 5:
            height, width = struct.unpack_from(">HH", data, start + 1)
            size = (width, height)
        elif marker == 0xE1 and data[start : start + 6] == b"Exif\0\0":
            orientation = exif_orientation(data[start + 6 : stop])
    # Within the coded picture no FF D9 can stand, so the first one after it is its end.
    return StillHeader("jpeg", size, orientation, whole=data.find(b"\xff\xd9", end) >= 0)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of the content of each segment up to the coded picture."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        stop = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        yield marker, position + 4, min(stop, len(data))
        if marker == 0xDA:
            return
        position = stop


def _read_webp(data: bytes) -> StillHeader:
    orientation, position = UPRIGHT, 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        if name == b"EXIF":
            content = data[position + 8 : position + 8 + length]
            orientation = exif_orientation(content.removeprefix(b"Exif\0\0"))
        position += 8 + length + length % 2
    return StillHeader("webp", None, orientation)


def _read_bmp(data: bytes) -> StillHeader:
    if len(data) < 26 or int.from_bytes(data[14:18], "little") < 40:
        return StillHeader("bmp")
    width, height = struct.unpack_from("<ii", data, 18)
    return StillHeader("bmp", (abs(width), abs(height)))


def _read_tiff(data: bytes) -> StillHeader:
    return StillHeader("tiff", None, exif_orientation(data))


def exif_orientation(tiff: bytes) -> int:
    """The tag Orientation of the first directory of a TIFF or EXIF block; 1 where there is none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return UPRIGHT
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return UPRIGHT
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
        if tag == _ORIENTATION_TAG and kind == _SHORT and 1 <= value <= 8:
            return int(value)
    return UPRIGHT


_READERS: dict[Kind, Callable[[bytes], StillHeader]] = {
    "bmp": _read_bmp,
    "jpeg": _read_jpeg,
    "png": _read_png,
    "tiff": _read_tiff,
    "webp": _read_webp,
}
