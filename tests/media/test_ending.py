from __future__ import annotations

import struct
from pathlib import Path

import pytest

from edge.media.ending import Ending, read_ending

EBML = b"\x1a\x45\xdf\xa3\x84" + b"abcd"
UNKNOWN = b"\x01" + b"\xff" * 7


def box(name: bytes, content: bytes, length: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(content) if length is None else length, name) + content


def riff(name: bytes, kind: bytes, content: bytes, length: int | None = None) -> bytes:
    return (
        struct.pack("<4sI", name, 4 + len(content) if length is None else length) + kind + content
    )


FTYP = box(b"ftyp", b"isom" + bytes(4))
GIF = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x80, 0, 0) + bytes(6)
PICTURE = b"\x21\xf9\x04\0\0\0\0\0" + b"\x2c" + bytes(8) + b"\0" + b"\x02" + b"\x02ab" + b"\0"
TABLED = b"\x2c" + bytes(8) + b"\x80" + bytes(6) + b"\x02" + b"\x03abc" + b"\0"

WHOLE = {
    "mp4": FTYP + box(b"mdat", bytes(90)) + box(b"moov", bytes(9)),
    "mp4 with a long box": FTYP + struct.pack(">I4sQ", 1, b"mdat", 26) + bytes(10),
    "mp4 whose last box goes to the end": FTYP + box(b"mdat", bytes(5), length=0),
    "mp4 with an unknown box at the end": FTYP + box(b"junk", b"", length=999),
    "mp4 with zeros after it": FTYP + box(b"mdat", b"x") + bytes(40),
    "mp4 with zeros after its fragments": FTYP + box(b"moof", b"") + bytes(40),
    "mp4 whose last fragment goes to the end": (
        FTYP + box(b"moof", b"") + box(b"mdat", b"moof", length=0)
    ),
    "matroska": EBML + b"\x18\x53\x80\x67\x83" + b"abc",
    "matroska with something after it": EBML + b"\x18\x53\x80\x67\x81" + b"a" + b"junk",
    "live matroska": EBML + b"\x18\x53\x80\x67" + UNKNOWN + b"\x1f\x43\xb6\x75\x82" + b"ab",
    "live matroska in clusters of unknown size": EBML
    + (b"\x18\x53\x80\x67" + UNKNOWN)
    + (b"\x1f\x43\xb6\x75" + UNKNOWN + b"\xa3\x82ab")
    + (b"\x1f\x43\xb6\x75" + UNKNOWN + b"\xa3\x81a"),
    "avi": riff(b"RIFF", b"AVI ", bytes(20)),
    "avi in two parts": riff(b"RIFF", b"AVI ", bytes(20)) + riff(b"RIFF", b"AVIX", bytes(8)),
    "avi without its last padding": riff(b"RIFF", b"AVI ", bytes(21)),
    "avi of a recorder that never came back": riff(b"RIFF", b"AVI ", bytes(20), length=0),
    "gif": GIF + PICTURE + TABLED + b"\x3b",
    "gif with something after it": GIF + PICTURE + b"\x3b" + b"junk",
    "transport stream": (b"\x47" + bytes(187)) * 3,
    "transport stream with time codes": (bytes(4) + b"\x47" + bytes(187)) * 3,
    "something else": b"nobody knows what this is",
    "nearly nothing": b"GIF",
}
CUT = {
    "mp4 in its pictures": FTYP + box(b"moov", bytes(9)) + box(b"mdat", bytes(5), length=99),
    "mp4 in its index": FTYP + box(b"mdat", bytes(9)) + box(b"moov", bytes(5), length=99),
    "mp4 in a fragment": FTYP + box(b"moof", b"", length=99),
    "mp4 damaged behind a fragment": FTYP + box(b"moof", b"") + box(b"j?nk", b"", length=999),
    "mp4 with zeros between fragments": (FTYP + box(b"moof", b"") + bytes(40) + box(b"moof", b"")),
    "mp4 in a long box": FTYP + struct.pack(">I4sQ", 1, b"mdat", 1 << 33) + bytes(10),
    "matroska": EBML + b"\x18\x53\x80\x67\x84" + b"abc",
    "matroska in its header": EBML[:7],
    "live matroska in a cluster": EBML + b"\x18\x53\x80\x67" + UNKNOWN + b"\x1f\x43\xb6\x75\x83ab",
    "live matroska in an id": EBML + b"\x18\x53\x80\x67" + UNKNOWN + b"\x1f\x43",
    "live matroska in a length": EBML + b"\x18\x53\x80\x67" + UNKNOWN + b"\x1f\x43\xb6\x75\x40",
    "avi": riff(b"RIFF", b"AVI ", bytes(20))[:-1],
    "avi in its second part": riff(b"RIFF", b"AVI ", b"") + riff(b"RIFF", b"AVIX", b"", length=9),
    "transport stream": (b"\x47" + bytes(187)) * 3 + b"\x47",
    "transport stream with time codes": (bytes(4) + b"\x47" + bytes(187)) * 3 + bytes(9),
}


def ending_of(tmp_path: Path, content: bytes) -> Ending:
    path = tmp_path / "file"
    path.write_bytes(content)
    return read_ending(path)


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_not_called_cut(tmp_path: Path, name: str) -> None:
    assert ending_of(tmp_path, WHOLE[name]) == Ending(cut=False)


@pytest.mark.parametrize("name", CUT)
def test_a_cut_is_seen(tmp_path: Path, name: str) -> None:
    assert ending_of(tmp_path, CUT[name]) == Ending(cut=True)


@pytest.mark.parametrize(
    ("content", "pictures"),
    [
        (GIF, 0),
        (GIF[:10], 0),
        (GIF + PICTURE[:-1], 0),
        (GIF + PICTURE, 1),
        (GIF + PICTURE + PICTURE[:4], 1),
        (GIF + PICTURE + TABLED[:-3], 1),
        (GIF + PICTURE + TABLED, 2),
        (GIF + PICTURE + b"junk" + TABLED + b"\x3b", 1),
    ],
)
def test_the_whole_pictures_of_a_cut_gif_are_counted(
    tmp_path: Path, content: bytes, pictures: int
) -> None:
    assert ending_of(tmp_path, content) == Ending(cut=True, whole_pictures=pictures)
