"""Videos with damage in the middle: what can be read behind it is, and what is lost is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from edge.errors import StreamBrokenError
from edge.media import open_video
from edge.types import ByteImage

MakeVideo = Callable[..., Path]
IndexOf = Callable[[ByteImage], int]
PacketsOf = Callable[[Path], list[tuple[int, int]]]

# Every picture is coded by itself, so that damage stays where it is.
ALONE: dict[str, Any] = {"codec": "mjpeg", "pix_fmt": "yuvj420p"}
CLUSTERS = {"cluster_time_limit": "160"}  # milliseconds: four pictures
CLUSTER = b"\x1f\x43\xb6\x75"


def spoil(path: Path, start: int, end: int) -> None:
    data = bytearray(path.read_bytes())
    data[start:end] = bytes(byte ^ 0x5A for byte in data[start:end])
    path.write_bytes(data)


def read(path: Path, index_of: IndexOf) -> tuple[list[int], int, StreamBrokenError | None]:
    """The scenes that were shown, how many were damaged, and the error at the end."""
    seen: list[int] = []
    with open_video(path) as reader:
        try:
            for picture in reader:
                seen.append(index_of(picture.image))
        except StreamBrokenError as error:
            return seen, reader.corrupt, error
        return seen, reader.corrupt, None


def test_reading_goes_on_behind_damage(
    make_video: MakeVideo, packets_of: PacketsOf, index_of: IndexOf
) -> None:
    path = make_video("a.mkv", **ALONE, muxer_options=CLUSTERS)
    packets = packets_of(path)
    spoil(path, packets[6][0] - 8, packets[9][0] + 40)  # headers and content of 6 to 9
    seen, _, error = read(path, index_of)
    assert error is None
    assert seen[:6] == [0, 1, 2, 3, 4, 5]
    assert seen[-7:] == [13, 14, 15, 16, 17, 18, 19]


def test_damage_that_hides_the_rest_is_told(
    make_video: MakeVideo, packets_of: PacketsOf, index_of: IndexOf
) -> None:
    path = make_video("a.mkv", frames=25, gop=100)
    assert path.read_bytes().count(CLUSTER) == 1
    packets = packets_of(path)
    spoil(path, packets[8][0] - 8, packets[8][0] + 40)
    seen, _, error = read(path, index_of)
    assert seen == list(range(len(seen)))
    assert 7 <= len(seen) <= 9
    assert error is not None
    assert error.exit_code == 1
    assert f"{len(seen)} of 25 pictures" in str(error.found)


def test_damage_to_the_last_picture_alone_is_no_lost_end(
    make_video: MakeVideo, packets_of: PacketsOf, index_of: IndexOf
) -> None:
    path = make_video("a.mkv", **ALONE)
    start, length = packets_of(path)[19]
    spoil(path, start + 8, start + length)
    assert read(path, index_of) == (list(range(19)), 1, None)


def test_sound_that_goes_on_without_pictures_is_no_lost_end(
    make_video: MakeVideo, tmp_path: Path, index_of: IndexOf
) -> None:
    whole = make_video("whole.mkv", sound=True, frames=20)
    path = tmp_path / "long.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        streams = {
            stream.index: target.add_stream_from_template(stream) for stream in source.streams
        }
        for packet in source.demux():
            late = packet.stream.type == "video" and (packet.pts or 0) * packet.time_base > 0.2
            if packet.size and not late:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    assert read(path, index_of) == ([0, 1, 2, 3, 4, 5], 0, None)


def test_a_video_of_mostly_damaged_pictures_is_broken(
    make_video: MakeVideo, packets_of: PacketsOf, index_of: IndexOf
) -> None:
    path = make_video("a.mov", "png", pix_fmt="rgb24")
    packets = packets_of(path)
    for number, (start, length) in enumerate(packets):
        if number % 5 in (1, 2):
            spoil(path, start, start + length)
    seen, corrupt, error = read(path, index_of)
    assert (len(seen), corrupt, error) == (12, 8, None)
    for number, (start, length) in enumerate(packets):
        if number % 5 == 3:
            spoil(path, start, start + length)
    seen, corrupt, error = read(path, index_of)
    assert (len(seen), corrupt) == (8, 12)
    assert error is not None
    assert "8 of 20 pictures" in str(error.found)
    assert "12 damaged" in str(error.found)


def test_a_hole_that_takes_most_of_a_video_is_told(
    make_video: MakeVideo, packets_of: PacketsOf, index_of: IndexOf
) -> None:
    path = make_video("a.mkv", **ALONE, muxer_options=CLUSTERS)
    packets = packets_of(path)
    spoil(path, packets[2][0], packets[16][0] + 20)
    seen, _, error = read(path, index_of)
    assert seen[-1] == 19  # the end was reached
    assert len(seen) < 10
    assert isinstance(error, StreamBrokenError)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp4", {"codec": "mpeg4", "muxer_options": {"movflags": "frag_keyframe+empty_moov"}}),
        ("a.gif", {"codec": "gif", "pix_fmt": "rgb8"}),
    ],
)
def test_a_chain_of_parts_that_is_broken_is_told(
    make_video: MakeVideo, index_of: IndexOf, name: str, kind: dict[str, Any]
) -> None:
    path = make_video(name, **kind)
    assert read(path, index_of)[1:] == (0, None)
    data = path.read_bytes()
    place = data.index(b"moof", len(data) // 2) - 4 if name == "a.mp4" else len(data) // 2
    spoil(path, place, place + 400)
    seen, _, error = read(path, index_of)
    assert 5 <= len(seen) < 15
    assert isinstance(error, StreamBrokenError)


def test_a_real_clip_with_damage_in_the_middle_is_broken(
    assets: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, index_of: IndexOf
) -> None:
    path = tmp_path / "damaged.mkv"
    path.write_bytes((assets / "videos" / "asl_no.mkv").read_bytes())
    spoil(path, 80_000, 83_000)
    with caplog.at_level(logging.WARNING):
        seen, corrupt, error = read(path, index_of)
    assert 20 < len(seen) < 30
    assert corrupt == 1
    assert error is not None
    assert f"{len(seen)} of 66 pictures" in str(error.found)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
