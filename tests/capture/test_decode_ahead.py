from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest

from edge.capture.base import Source, SourceInfo
from edge.capture.decode_ahead import decode_ahead
from edge.capture.fake import FakeSource
from edge.capture.file import FileSource
from edge.errors import ClosedError, MediaError, StreamBrokenError
from edge.types import ByteImage, Frame

IndexOf = Callable[[ByteImage], int]


def decoders() -> list[str]:
    """The names of the decoding threads that live."""
    return [t.name for t in threading.enumerate() if t.name.startswith("decode-")]


class Endless(Source):
    """Never ends, and tells how far it got."""

    def __init__(self) -> None:
        super().__init__("endless")
        self.reached = 0
        self.closed_by: str | None = None
        self.moved = threading.Condition()

    def _open(self) -> SourceInfo:
        return SourceInfo()

    def _frames(self) -> Generator[Frame, None, None]:
        image = np.zeros((2, 2, 3), np.uint8)
        while True:
            with self.moved:
                self.reached += 1
                self.moved.notify_all()
            yield Frame(self._camera, self.reached - 1, 0.0, image)

    def _close(self) -> None:
        assert decoders() == []
        self.closed_by = threading.current_thread().name


@pytest.mark.parametrize("depth", [1, 2, 7, 100])
def test_frames_come_in_order_and_without_loss(shades: list[ByteImage], depth: int) -> None:
    plain = FakeSource(shades, camera="door", start=3.0)
    with FakeSource(shades, camera="door", start=3.0) as source:
        expected = list(source)
    with decode_ahead(plain, depth) as ahead:
        assert (ahead.camera, ahead.fps, ahead.frames_total) == ("door", 25, 20)
        frames = list(ahead)
        assert decoders() == []
    assert [(f.camera, f.index, f.time) for f in frames] == [
        (f.camera, f.index, f.time) for f in expected
    ]
    assert all(f.image is image for f, image in zip(frames, shades, strict=True))
    assert plain.closed


def test_a_real_clip_comes_through_unchanged(clip: Path) -> None:
    with FileSource(clip, camera="a", start=0.0) as plain:
        expected = list(plain)
    with decode_ahead(FileSource(clip, camera="a", start=0.0), 4) as ahead:
        frames = list(ahead)
    assert [(f.index, f.time) for f in frames] == [(f.index, f.time) for f in expected]
    for frame, other in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.image, other.image)


def test_another_thread_decodes_and_bears_the_cameras_name() -> None:
    source = Endless()
    with decode_ahead(source, 2) as ahead:
        assert decoders() == []
        next(iter(ahead))
        assert [name.rpartition("_")[0] for name in decoders()] == ["decode-endless"]


def test_no_more_is_decoded_than_there_is_room_for() -> None:
    source = Endless()
    with decode_ahead(source, 3) as ahead:
        next(iter(ahead))
        # One taken, three that wait, and one in hand for which there is no room.
        with source.moved:
            assert source.moved.wait_for(lambda: source.reached == 5, timeout=30)
            assert not source.moved.wait_for(lambda: source.reached > 5, timeout=0.2)
        next(iter(ahead))
        with source.moved:
            assert source.moved.wait_for(lambda: source.reached == 6, timeout=30)


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_leaving_early_leaves_no_thread(taken: int) -> None:
    source = Endless()
    with decode_ahead(source, 2) as ahead:
        frames = iter(ahead)
        for _ in range(taken):
            next(frames)
    assert decoders() == []
    assert source.closed_by == threading.current_thread().name
    assert list(frames) == []
    assert source.reached <= taken + 3


def test_leaving_by_an_error_leaves_no_thread() -> None:
    def fail(source: Source) -> None:
        next(iter(source))
        raise ZeroDivisionError

    source = Endless()
    with pytest.raises(ZeroDivisionError), decode_ahead(source, 2) as ahead:
        fail(ahead)
    assert decoders() == []
    assert source.closed_by is not None


def test_an_error_comes_after_every_frame_before_it(shades: list[ByteImage]) -> None:
    broken = StreamBrokenError("gone")
    seen = []
    with decode_ahead(FakeSource(shades, error=broken), 4) as ahead:
        frames = iter(ahead)
        for _ in range(20):
            seen.append(next(frames).index)
        with pytest.raises(StreamBrokenError) as caught:
            next(frames)
        assert caught.value is broken
        assert list(ahead) == []
    assert seen == list(range(20))
    assert decoders() == []


def test_an_error_that_nobody_named_comes_too() -> None:
    class Faulty(FakeSource):
        def _frames(self) -> Generator[Frame, None, None]:
            yield Frame("fake", 0, 0.0, np.zeros((2, 2, 3), np.uint8))
            raise ZeroDivisionError

    with decode_ahead(Faulty([]), 4) as ahead:
        frames = iter(ahead)
        next(frames)
        with pytest.raises(ZeroDivisionError):
            next(frames)
    assert decoders() == []


def test_a_cut_video_is_shown_to_the_cut(cut_clip: Path, index_of: IndexOf) -> None:
    seen: list[int] = []

    def take(source: Source) -> None:
        for frame in source:
            seen.append(index_of(frame.image))

    with (
        decode_ahead(FileSource(cut_clip, camera="a", start=0.0), 4) as ahead,
        pytest.raises(StreamBrokenError),
    ):
        take(ahead)
    assert 5 < len(seen) < 20
    assert seen == list(range(len(seen)))


def test_what_cannot_be_opened_is_told_on_opening(tmp_path: Path) -> None:
    ahead = decode_ahead(FileSource(tmp_path / "missing.mp4", camera="a", start=0.0), 4)
    with pytest.raises(MediaError):
        ahead.open()
    with pytest.raises(ClosedError):
        iter(ahead)
    assert decoders() == []


def test_the_source_may_be_open_already(clip: Path) -> None:
    source = FileSource(clip, camera="a", start=0.0)
    with source, decode_ahead(source, 4) as ahead:
        assert source.fps == ahead.fps
        assert [f.index for f in ahead] == list(range(20))
        assert ahead.corrupt == 0


def test_it_can_be_opened_again(clip: Path) -> None:
    ahead = decode_ahead(FileSource(clip, camera="a", start=0.0), 4)
    for _ in range(3):
        with ahead:
            assert next(iter(ahead)).index == 0
    assert decoders() == []


def test_there_has_to_be_room_for_one(shades: list[ByteImage]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        decode_ahead(FakeSource(shades), 0)
