"""Files that are no video, or none that is read here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import MediaError, MediaTooLargeError
from edge.media import open_video

MakeVideo = Callable[..., Path]
Refuse = Callable[[str, Path, int], tuple[int, str]]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"this is no video at all, only a line of text\n" * 20, "invalid data"),
        (bytes(5000), "invalid data"),
    ],
    ids=["empty", "text", "zeros"],
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        open_video(path)
    assert found in str(caught.value).lower()
    assert str(path) in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, found in (
        (tmp_path / "missing.mp4", "no such file"),
        (tmp_path, "a folder"),
        (tmp_path / "pipe", "neither a file nor a folder"),
    ):
        with pytest.raises(MediaError, match=found):
            open_video(path)


@pytest.mark.parametrize("cover", [False, True], ids=["bare", "with a cover"])
def test_sound_alone_is_refused(make_sound: Callable[..., Path], cover: bool) -> None:
    with pytest.raises(MediaError, match="no video") as caught:
        open_video(make_sound("a.mp4" if cover else "a.m4a", cover=cover))
    assert caught.value.found == "audio"


@pytest.mark.parametrize(("codec", "name"), [("huffyuv", "a.avi"), ("flv", "a.flv")])
def test_a_codec_that_is_not_allowed_is_refused_by_name(
    make_video: MakeVideo, codec: str, name: str
) -> None:
    pix_fmt = "yuv422p" if codec == "huffyuv" else "yuv420p"
    with pytest.raises(MediaError) as caught:
        open_video(make_video(name, codec, pix_fmt=pix_fmt))
    assert caught.value.found == codec
    assert "h264" in caught.value.expected


def test_a_playlist_is_not_followed(make_video: MakeVideo, tmp_path: Path) -> None:
    part = make_video("part.ts", "mpeg2video")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.8,\n{part}\n#EXT-X-ENDLIST\n")
    script = tmp_path / "list.ffconcat"
    script.write_text(f"ffconcat version 1.0\nfile '{part}'\n")
    for path in (playlist, script):
        with pytest.raises(MediaError):
            open_video(path)


def test_a_still_in_heif_is_refused_and_not_shown_as_one_of_its_tiles(
    make_video: MakeVideo,
) -> None:
    path = make_video("a.mp4", "mpeg4")
    data = path.read_bytes()
    assert data[4:12] == b"ftypisom"
    path.write_bytes(data[:8] + b"heic" + data[12:])
    with pytest.raises(MediaError, match="HEIF"):
        open_video(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp4", {"codec": "mpeg4", "b_frames": 2}),
        ("a.mkv", {"codec": "ffv1"}),
        ("a.webm", {"codec": "libvpx", "options": {"deadline": "realtime"}}),
        ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("a.ts", {"codec": "mpeg2video"}),
        ("a.gif", {"codec": "gif", "pix_fmt": "rgb8"}),
        ("a.mjpeg", {"codec": "mjpeg", "pix_fmt": "yuvj420p", "muxer": "mjpeg"}),
    ],
)
def test_more_pixels_than_allowed_are_refused(
    make_video: MakeVideo, name: str, kind: dict[str, Any]
) -> None:
    path = make_video(name, **kind)
    with pytest.raises(MediaTooLargeError, match="at most 6,143 pixels"):
        open_video(path, max_pixels=96 * 64 - 1)


def test_a_video_of_too_many_pixels_takes_no_memory(
    make_video: MakeVideo, refuse_in_a_new_process: Refuse
) -> None:
    black = np.zeros((4000, 4000, 3), np.uint8)
    path = make_video("a.mov", "png", size=(4000, 4000), images=[black], pix_fmt="rgb24")
    assert path.stat().st_size < 100_000
    grown, found = refuse_in_a_new_process("video", path, 1_000_000)
    assert grown < 12_000  # kB; decoded it has 48,000
    assert found == "4000 × 4000"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mjpeg", {"codec": "mjpeg", "pix_fmt": "yuvj420p", "muxer": "mjpeg"}),
        ("a.mp4", {"codec": "mpeg4"}),
    ],
)
def test_a_size_that_only_the_decoder_knows_is_limited_too(
    make_video: MakeVideo, name: str, kind: dict[str, Any]
) -> None:
    path = make_video(name, size=(400, 300), frames=2, **kind)
    with pytest.raises(MediaTooLargeError) as caught:
        open_video(path, max_pixels=1000)
    assert caught.value.found == "more"
