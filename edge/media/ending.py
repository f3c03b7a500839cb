"""Whether a video file reaches as far as its own structure says.

A demuxer meets the end of a file that was cut short as it meets any other end. The containers below
state the length of their parts, so a cut shows as a part that reaches beyond the end of the file.
MPEG transport streams have packets of one size. MPEG program streams and raw streams promise
nothing and may end anywhere.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_ISO_WITH_PICTURES = (b"mdat", b"moof", b"moov")
_EBML = b"\x1a\x45\xdf\xa3"
# Bytes in a packet, and where in it the sync byte stands.
_TRANSPORT_PACKETS = ((188, 0), (192, 4))
_GIF_IMAGE, _GIF_EXTENSION, _GIF_TRAILER = 0x2C, 0x21, 0x3B
_SEGMENT = b"\x18\x53\x80\x67"


@dataclass(frozen=True, slots=True)
class Ending:
    """cut: the file, or what of it can be followed, ends before it should.

    whole_pictures: how many pictures lie before the cut, where only the structure can tell.
    """

    cut: bool
    whole_pictures: int | None = None


def read_ending(path: Path) -> Ending:
    """Look for a cut by walking over the parts of the file. Raises OSError where it is unreadable.

    After ISO/IEC 14496-12 (MP4), RFC 8794 and RFC 9559 (Matroska, WebM), the RIFF and AVI file
    formats, the GIF89a specification, and ISO/IEC 13818-1 (transport streams, also with the time
    codes of Blu-ray). Whatever is none of these counts as whole.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(200)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp"):
            return Ending(_iso_is_cut(file, size))
        if head[:4] == _EBML:
            return Ending(_matroska_is_cut(file, size))
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return Ending(_avi_is_cut(file, size))
        if head[:6] in (b"GIF87a", b"GIF89a"):
            return _gif_ending(file)
        for packet, sync in _TRANSPORT_PACKETS:
            if head[sync::packet] == b"\x47\x47":
                return Ending(size % packet != 0)
    return Ending(cut=False)


def _iso_is_cut(file: BinaryIO, size: int) -> bool:
    """Fragments are found by walking from one to the next: damage on the way hides all others."""
    position, fragmented = 0, False
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, name = struct.unpack_from(">I4s", header)
        if length == 1 and len(header) == 16:
            (length,) = struct.unpack_from(">Q", header, 8)
        elif length == 0 and name == b"mdat":  # up to the end of the file, wherever that is
            return False
        if length < 8:  # zeros after the end, or damage
            return fragmented and _names(file, b"moof", after=position)
        fragmented = fragmented or name == b"moof"
        position += length
        if position > size:
            return fragmented or name in _ISO_WITH_PICTURES
    return False


def _names(file: BinaryIO, box: bytes, *, after: int) -> bool:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(box, after) >= 0


def _matroska_is_cut(file: BinaryIO, size: int) -> bool:
    """A Segment of known size decides. One of unknown size, as live recorders write, is entered."""
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(12)
        if header[0] < 0x10:  # no element id: whatever this is, it is not Matroska
            return False
        id_length = _vint_length(header[0])
        rest = header[id_length:]
        if not rest or rest[0] == 0 or len(rest) < _vint_length(rest[0]):
            return not rest or rest[0] != 0
        length = _vint_length(rest[0])
        value = int.from_bytes(rest[:length], "big") & ((1 << 7 * length) - 1)
        position += id_length + length
        if value != (1 << 7 * length) - 1:
            position += value
            if header[:4] == _SEGMENT:
                break
    return position > size


def _vint_length(first: int) -> int:
    """Bytes of a variable-size integer, by its first byte."""
    return 9 - first.bit_length()


def _avi_is_cut(file: BinaryIO, size: int) -> bool:
    position = 0
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or length in (0, 0xFFFFFFFF):  # never filled in by the recorder
            return False
        position += 8 + length + length % 2
        # Some writers leave out the byte that pads an odd length.
        if position - length % 2 > size:
            return True
    return False


def _gif_ending(file: BinaryIO) -> Ending:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position, pictures = 13 + _color_table_bytes(data[10:11]), 0
        while position < len(data):
            block = data[position]
            if block == _GIF_TRAILER:
                return Ending(cut=False)
            if block not in (_GIF_IMAGE, _GIF_EXTENSION):  # damage, which no decoder gets over
                break
            start = position + 2
            if block == _GIF_IMAGE:
                start = position + 11 + _color_table_bytes(data[position + 9 : position + 10])
            end = _after_sub_blocks(data, start)
            if end is None:
                break
            pictures += block == _GIF_IMAGE
            position = end
    return Ending(cut=True, whole_pictures=pictures)


def _color_table_bytes(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _after_sub_blocks(data: mmap.mmap, position: int) -> int | None:
    while position < len(data):
        length = data[position]
        position += 1 + length
        if length == 0:
            return position
    return None
