from __future__ import annotations

import gc
import hashlib
import logging
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edge.errors import ClosedError, MediaError, MediaTooLargeError
from edge.media import open_video
from edge.types import ByteImage

MakeVideo = Callable[..., Path]
IndexOf = Callable[[ByteImage], int]
PacketsOf = Callable[[Path], list[tuple[int, int]]]

# Container, codec and pixel format, each of them allowed.
KINDS: dict[str, dict[str, Any]] = {
    "a.mp4": {"codec": "mpeg4", "b_frames": 2},
    "a.mkv": {"codec": "ffv1"},
    "a.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "b.webm": {"codec": "libvpx", "options": {"deadline": "realtime"}},
    "a.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "a.ts": {"codec": "mpeg2video", "b_frames": 2},
    "a.mpg": {"codec": "mpeg1video", "muxer": "mpeg"},
    "a.mov": {"codec": "png", "pix_fmt": "rgb24"},
    "a.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "b.mkv": {"codec": "rawvideo"},
    "a.mjpeg": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "muxer": "mjpeg"},
}


@pytest.mark.parametrize("name", KINDS)
def test_every_picture_comes_once_and_in_order(
    make_video: MakeVideo, index_of: IndexOf, name: str
) -> None:
    path = make_video(name, **KINDS[name])
    with open_video(path) as reader:
        pictures = list(reader)
        assert reader.corrupt == 0
    assert [index_of(p.image) for p in pictures] == list(range(20))
    assert [p.index for p in pictures] == list(range(20))
    for picture in pictures:
        assert picture.image.shape == (64, 96, 3)
        assert picture.image.dtype == np.uint8
        assert picture.image.flags.c_contiguous
        assert picture.image.flags.writeable
    steps = np.diff([p.pts for p in pictures])
    np.testing.assert_allclose(steps, 0.04, atol=1e-3)


def test_a_video_says_what_it_is(make_video: MakeVideo) -> None:
    with open_video(make_video("a.mp4", frames=30, rate=15)) as reader:
        assert (reader.width, reader.height) == (96, 64)
        assert reader.codec == "mpeg4"
        assert reader.fps == pytest.approx(15)
        assert reader.frames == 30
        assert reader.duration == pytest.approx(2.0)


def test_where_no_count_is_written_the_number_of_frames_is_estimated(make_video: MakeVideo) -> None:
    with open_video(make_video("a.mkv", "ffv1", frames=30)) as reader:
        assert reader.frames == 30
    with open_video(make_video("a.mjpeg", "mjpeg", pix_fmt="yuvj420p", muxer="mjpeg")) as reader:
        assert reader.frames is None
        assert reader.duration is None


def test_colours_follow_the_matrix_that_the_file_names(tmp_path: Path) -> None:
    colours = np.asarray([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [200, 120, 40]]], np.uint8)
    image = colours.repeat(32, axis=0).repeat(32, axis=1)
    for name, space, matrix in (("709", 1, "ITU709"), ("601", 5, "ITU601")):
        path = tmp_path / f"{name}.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            assert isinstance(stream, av.VideoStream)
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv444p"
            stream.codec_context.colorspace = space
            stream.codec_context.color_range = 1
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame = frame.reformat(format="yuv444p", dst_colorspace=matrix, dst_color_range="MPEG")
            container.mux([*stream.encode(frame), *stream.encode(None)])
        with open_video(path) as reader:
            picture = next(iter(reader))
        assert np.abs(picture.image.astype(int) - image).max() <= 2


def test_times_begin_where_the_file_begins(make_video: MakeVideo) -> None:
    # A transport stream starts late, and a reader that hid it would shift every event.
    with open_video(make_video("a.ts", "mpeg2video", b_frames=2)) as reader:
        first = next(iter(reader))
    with av.open(str(make_video("b.ts", "mpeg2video", b_frames=2))) as container:
        frame = next(container.decode(video=0))
    assert first.pts == pytest.approx(frame.time)
    assert first.pts > 0


def test_times_that_are_missing_are_derived_from_the_rate(assets: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw.h264"
    with av.open(str(assets / "videos" / "asl_milk.mkv")) as source:
        stream = source.streams.video[0]
        annex_b = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        with raw.open("wb") as file:
            for packet in source.demux(stream):
                for part in annex_b.filter(packet if packet.size else None):
                    file.write(bytes(part))
    with av.open(str(raw)) as container:
        assert next(container.decode(video=0)).pts is None  # or this test shows nothing
    with open_video(raw) as reader:
        times = [p.pts for p in reader]
    assert len(times) == 51
    assert reader.fps is not None
    np.testing.assert_allclose(times, np.arange(51) / reader.fps)


def test_a_change_of_size_and_pixel_format_in_the_stream_is_followed(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    parts = [
        make_video("1.mjpeg", "mjpeg", muxer="mjpeg", pix_fmt="yuvj420p", frames=3),
        make_video("2.mjpeg", "mjpeg", muxer="mjpeg", pix_fmt="yuvj444p", frames=3, size=(64, 48)),
    ]
    joined = tmp_path / "joined.mjpeg"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(joined) as reader:
        assert [p.image.shape for p in reader] == [(64, 96, 3)] * 3 + [(48, 64, 3)] * 3
        assert reader.corrupt == 0


def test_a_transport_stream_may_change_its_size_and_start_its_clock_again(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    parts = [
        make_video(n, "mpeg2video", size=s) for n, s in (("1.ts", (96, 64)), ("2.ts", (64, 48)))
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(joined) as reader:
        pictures = list(reader)
    shapes = [p.image.shape for p in pictures]
    # The decoder itself loses the picture that it still holds when the size changes.
    assert shapes[:19] == [(64, 96, 3)] * 19
    assert shapes[-20:] == [(48, 64, 3)] * 20
    assert pictures[-20].pts < pictures[18].pts


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mov", {"codec": "png", "pix_fmt": "rgb24"}),
        ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    ],
)
def test_a_damaged_picture_in_the_middle_is_skipped_and_told_once(
    make_video: MakeVideo,
    packets_of: PacketsOf,
    index_of: IndexOf,
    caplog: pytest.LogCaptureFixture,
    name: str,
    kind: dict[str, str],
) -> None:
    # Every picture is coded by itself, so that the damage stays where it is.
    path = make_video(name, **kind)
    data = bytearray(path.read_bytes())
    for number in (7, 8, 12):
        start, length = packets_of(path)[number]
        data[start + 16 : start + length] = bytes(length - 16)
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING), open_video(path) as reader:
        pictures = list(reader)
        assert reader.corrupt == 3
    expected = [i for i in range(20) if i not in (7, 8, 12)]
    assert [index_of(p.image) for p in pictures] == expected
    assert [p.index for p in pictures] == list(range(17))
    np.testing.assert_allclose([p.pts for p in pictures], np.asarray(expected) / 25, atol=1e-3)
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


def test_a_picture_that_the_decoder_only_guessed_is_skipped(
    assets: Path, tmp_path: Path, packets_of: PacketsOf
) -> None:
    whole = assets / "videos" / "bottle-detection.mp4"
    data = bytearray(whole.read_bytes())
    start, length = packets_of(whole)[594]
    data[start + length // 3 : start + length] = bytes(length - length // 3)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    with open_video(path) as reader:
        assert sum(1 for _ in reader) == 1188
        assert reader.corrupt == 1


def test_damage_everywhere_is_no_video(
    make_video: MakeVideo, packets_of: PacketsOf, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_video("a.mov", "png", pix_fmt="rgb24")
    data = bytearray(path.read_bytes())
    for start, length in packets_of(path):
        data[start : start + length] = bytes(length)
    path.write_bytes(data)
    with pytest.raises(MediaError, match="20 damaged pictures") as caught:
        open_video(path)
    assert not isinstance(caught.value, MediaTooLargeError)
    assert not caplog.records


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    ],
    ids=["as is", "to the right", "half", "to the left", "mirrored", "transposed"],
)
def test_a_video_recorded_on_its_side_is_turned(
    make_video: MakeVideo,
    matrix: tuple[int, ...],
    turn: Callable[[ByteImage], ByteImage],
) -> None:
    path = make_video("a.mov", "png", pix_fmt="rgb24", frames=2)
    with open_video(path) as reader:
        stored = next(iter(reader)).image
    a, b, c, d = (value << 16 for value in matrix)
    identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    head, tail = path.read_bytes().split(b"tkhd")
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    assert identity in tail
    path.write_bytes(head + b"tkhd" + tail.replace(identity, turned, 1))
    with open_video(path) as reader:
        picture = next(iter(reader))
        assert (reader.width, reader.height) == picture.image.shape[1::-1]
    np.testing.assert_array_equal(picture.image, turn(stored))
    assert picture.image.flags.c_contiguous


def test_sound_beside_the_pictures_is_left_alone(make_video: MakeVideo, index_of: IndexOf) -> None:
    with open_video(make_video("a.mp4", sound=True)) as reader:
        assert [index_of(p.image) for p in reader] == list(range(20))


@pytest.mark.parametrize("name", ["http:x.mkv", "a%03d.mkv", "ünï 'x'.mkv", "concat:a|b.mkv"])
def test_a_name_is_only_a_name(
    make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(make_video(name, "ffv1", muxer="matroska").parent)
    with open_video(name) as reader:
        assert sum(1 for _ in reader) == 20


def test_a_title_in_another_encoding_does_no_harm(make_video: MakeVideo) -> None:
    path = make_video("a.mkv", "ffv1", title="Kamera Tuer 1")
    data = path.read_bytes()
    assert b"Tuer" in data
    path.write_bytes(data.replace(b"Tuer", b"T\xfc r"))
    with open_video(path) as reader:
        assert sum(1 for _ in reader) == 20


def test_an_animated_gif_is_a_video(assets: Path) -> None:
    with open_video(assets / "videos" / "face-demographics-walking.gif") as reader:
        pictures = list(reader)
    assert len(pictures) == 35
    assert pictures[0].image.shape == (270, 480, 3)
    # Its pictures say only what changed; a decoder that did not compose them would leave holes.
    assert np.abs(pictures[30].image.astype(int) - pictures[31].image).mean() < 30


def test_reading_goes_on_where_it_stopped(make_video: MakeVideo) -> None:
    with open_video(make_video("a.mp4")) as reader:
        for picture in reader:
            if picture.index == 4:
                break
        assert [p.index for p in reader] == list(range(5, 20))
        assert list(reader) == []


def test_a_closed_video_is_not_read(make_video: MakeVideo) -> None:
    reader = open_video(make_video("a.mp4"))
    pictures = iter(reader)
    next(pictures)
    reader.close()
    reader.close()
    assert list(pictures) == []
    with pytest.raises(ClosedError):
        iter(reader)


def test_nothing_stays_open(make_video: MakeVideo, make_sound: Callable[[str], Path]) -> None:
    good, cut, sound = make_video("a.mp4"), make_video("b.mkv"), make_sound("a.m4a")
    cut.write_bytes(cut.read_bytes()[:600])
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        with open_video(good) as reader:
            next(iter(reader))
        for bad in (cut, sound):
            with pytest.raises(MediaError):
                open_video(bad)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_picture_in_a_video_may_carry_its_own_orientation(
    encode_still: Callable[..., bytes], exif_block: Callable[[int], bytes], tmp_path: Path
) -> None:
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, 16:] = 200
    jpeg = encode_still(image, "mjpeg", pix_fmt="yuvj444p")
    content = b"Exif\0\0" + exif_block(6)
    segment = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    path = tmp_path / "a.mjpeg"
    path.write_bytes((jpeg[:2] + segment + jpeg[2:]) * 3)
    with open_video(path) as reader:
        pictures = list(reader)
    assert len(pictures) == 3
    for picture in pictures:
        assert np.abs(picture.image.astype(int) - np.rot90(image, -1)).max() < 8


def test_nothing_is_left_to_the_garbage_collector(make_video: MakeVideo) -> None:
    # What is tied into reference cycles keeps its pictures until the next collection.
    path = make_video("a.mp4")

    def read() -> None:
        with open_video(path) as reader:
            next(iter(reader))

    read()
    gc.collect()
    gc.disable()
    try:
        read()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_frames_are_released_as_they_are_left(make_video: MakeVideo) -> None:
    # A frame tied into a reference cycle stays until the next collection: hundreds of them.
    path = make_video("a.mp4", frames=150, size=(640, 480))
    code = (
        "import gc, sys\n"
        "from edge.media import open_video\n"
        "gc.disable()\n"
        "def rss():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * 4\n"
        "with open_video(sys.argv[1]) as reader:\n"
        "    pictures = iter(reader)\n"
        "    for _ in range(10): next(pictures)\n"
        "    before = rss()\n"
        "    for picture in pictures: pass\n"
        "    print(rss() - before)\n"
    )
    grown = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    )
    assert int(grown.stdout) < 20_000  # kB; 140 frames kept would be 128,000


def test_two_readings_give_the_same_bytes(assets: Path) -> None:
    def digest() -> str:
        total = hashlib.sha256()
        with open_video(assets / "videos" / "asl_again.mkv") as reader:
            for picture in reader:
                total.update(picture.image.tobytes())
        return total.hexdigest()

    assert digest() == digest()
