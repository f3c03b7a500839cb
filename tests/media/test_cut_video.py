"""Videos that end before they should, cut at many places."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edge.errors import MediaError, StreamBrokenError
from edge.media import open_video

MakeVideo = Callable[..., Path]

KINDS: dict[str, dict[str, Any]] = {
    "front.mp4": {"codec": "mpeg4", "b_frames": 2, "muxer_options": {"movflags": "faststart"}},
    "back.mp4": {"codec": "mpeg4", "b_frames": 2},
    "sound.mp4": {"codec": "mpeg4", "sound": True, "muxer_options": {"movflags": "faststart"}},
    "a.mkv": {"codec": "mpeg4", "b_frames": 2},
    "live.mkv": {"codec": "ffv1", "muxer_options": {"live": "1"}},
    "a.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "a.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "a.gif": {"codec": "gif", "pix_fmt": "rgb8"},
}


def read(path: Path) -> tuple[list[str], Exception | None]:
    """A digest of every picture, and the error at the end."""
    seen: list[str] = []
    try:
        with open_video(path) as reader:
            for picture in reader:
                seen.append(hashlib.sha256(picture.image.tobytes()).hexdigest())
            assert reader.corrupt == 0
    except (MediaError, StreamBrokenError) as error:
        return seen, error
    return seen, None


def places(length: int) -> list[int]:
    """Where to cut: evenly, and close to both ends."""
    even = np.linspace(1, length - 1, 30).astype(int).tolist()
    return sorted({*even, 7, 8, 40, length - 2, length - 9})


@pytest.mark.parametrize("name", KINDS)
def test_every_whole_picture_up_to_the_cut_is_shown_and_then_the_cut_is_told(
    make_video: MakeVideo, tmp_path: Path, name: str
) -> None:
    whole = make_video(name, **KINDS[name])
    pictures, error = read(whole)
    assert (len(pictures), error) == (20, None)
    data = whole.read_bytes()
    cut = tmp_path / f"cut-{name}"
    before = 0
    for length in places(len(data)):
        cut.write_bytes(data[:length])
        seen, error = read(cut)
        where = f"{length} of {len(data)} bytes"
        assert isinstance(error, MediaError if not seen else StreamBrokenError), where
        # With B-frames a cut can leave out some pictures before the last whole one.
        assert seen == [digest for digest in pictures if digest in seen], where
        assert len(seen) >= before, where
        before = len(seen)
    assert before >= 19  # without an index behind it, the last picture ends with the file


@pytest.mark.parametrize("name", ["a.avi", "a.gif", "live.mkv", "front.mp4"])
def test_no_whole_picture_is_lost_at_a_cut(
    make_video: MakeVideo, tmp_path: Path, name: str
) -> None:
    kind = {**KINDS[name], "b_frames": 0, "gop": 1}
    whole = make_video(name, **kind)
    data = whole.read_bytes()
    with av.open(str(whole)) as container:
        packets = list(container.demux(container.streams.video[0]))
    ends = [p.pos + p.size for p in packets if p.size and p.pos is not None]
    cut = tmp_path / f"cut-{name}"
    # The end of a packet as FFmpeg counts it can leave out a container's own few bytes.
    for number, end in list(enumerate(ends))[4:17:4]:
        cut.write_bytes(data[: end + 16])
        seen, error = read(cut)
        assert len(seen) == number + 1
        assert isinstance(error, StreamBrokenError)
        cut.write_bytes(data[: end - 16])
        seen, error = read(cut)
        assert len(seen) == number
        assert isinstance(error, StreamBrokenError)


def test_a_packet_that_lost_its_end_is_a_cut_even_where_the_file_promised_nothing(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    data = make_video("a.mp4", muxer_options={"movflags": "faststart"}).read_bytes()
    place = data.index(b"mdat") - 4
    open_end = data[:place] + bytes(4) + data[place + 4 :]  # "to the end of the file"
    path = tmp_path / "open.mp4"
    path.write_bytes(open_end)
    seen, error = read(path)
    assert (len(seen), error) == (20, None)
    path.write_bytes(open_end[: (place + len(data)) // 2])
    seen, error = read(path)
    assert 3 < len(seen) < 17
    assert isinstance(error, StreamBrokenError)


def test_a_transport_stream_that_ends_within_a_packet_was_cut(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    whole = make_video("a.ts", "mpeg2video", frames=40)
    data = whole.read_bytes()
    assert read(whole)[1] is None
    cut = tmp_path / "cut.ts"
    cut.write_bytes(data[: len(data) // 2 // 188 * 188 + 50])
    with open_video(cut) as reader, pytest.raises(StreamBrokenError):
        list(reader)


def test_the_error_says_how_far_it_went(make_video: MakeVideo, tmp_path: Path) -> None:
    data = make_video("a.gif", "gif", pix_fmt="rgb8").read_bytes()
    cut = tmp_path / "cut.gif"
    cut.write_bytes(data[: len(data) // 2])
    with open_video(cut) as reader:
        pictures = iter(reader)
        shown = 0
        with pytest.raises(StreamBrokenError) as caught:
            for shown, _ in enumerate(pictures, start=1):  # noqa: B007  # counted
                pass
    assert 5 < shown < 15
    assert caught.value.found == f"its end after {shown} pictures, at {(shown - 1) / 25:.2f} s"
    assert caught.value.exit_code == 1
    assert str(cut) in str(caught.value)


@pytest.mark.parametrize("share", [0.05, 0.4, 0.75, 0.99])
@pytest.mark.parametrize(
    ("name", "whole"), [("asl_book.mkv", 109), ("head-pose-face-detection-female-and-male.gif", 56)]
)
def test_real_clips_cut_later_are_shown_to_the_cut(
    assets: Path, tmp_path: Path, name: str, whole: int, share: float
) -> None:
    pictures, _ = read(assets / "videos" / name)
    assert len(pictures) == whole
    data = (assets / "videos" / name).read_bytes()
    cut = tmp_path / f"cut{Path(name).suffix}"
    cut.write_bytes(data[: int(len(data) * share)])
    seen, error = read(cut)
    if seen:
        assert isinstance(error, StreamBrokenError)
    else:
        assert isinstance(error, MediaError)
        assert share == 0.05
    assert [digest for digest in pictures if digest in seen] == seen
    assert len(seen) >= int(whole * share * 0.8) - 8


def test_a_real_clip_without_its_index_does_not_open(assets: Path, tmp_path: Path) -> None:
    data = (assets / "videos" / "bottle-detection.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    for length in (300, len(data) // 2, data.index(b"moov") + 500):
        cut.write_bytes(data[:length])
        with pytest.raises(MediaError, match="index"):
            open_video(cut)


def test_no_real_clip_that_is_whole_is_called_cut(
    assets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = [p for p in (assets / "videos").iterdir() if p.suffix in {".mkv", ".mp4", ".gif"}]
    assert len(clips) == 19
    with caplog.at_level(logging.WARNING):
        for clip in clips:
            with av.open(str(clip)) as container:
                count = sum(bool(p.size) for p in container.demux(container.streams.video[0]))
            seen, error = read(clip)
            assert (len(seen), error) == (count, None), clip.name
    assert not caplog.records
