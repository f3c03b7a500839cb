from __future__ import annotations

import numpy as np
import pytest

from edge.capture.fake import FakeSource
from edge.errors import ClosedError, StreamBrokenError
from edge.types import ByteImage


def test_a_source_shows_its_frames_with_camera_index_and_time(shades: list[ByteImage]) -> None:
    with FakeSource(shades[:3], camera="door", start=100.0, fps=4) as source:
        frames = list(source)
        assert (source.camera, source.fps, source.frames_total) == ("door", 4, 3)
        assert source.corrupt == 0
    assert [(f.camera, f.index, f.time) for f in frames] == [
        ("door", 0, 100.0),
        ("door", 1, 100.25),
        ("door", 2, 100.5),
    ]
    assert all(f.image is image for f, image in zip(frames, shades, strict=False))


def test_a_source_that_is_not_open_shows_nothing(shades: list[ByteImage]) -> None:
    source = FakeSource(shades)
    for _ in range(2):
        for use in (iter, lambda s: s.fps, lambda s: s.frames_total):
            with pytest.raises(ClosedError, match="FakeSource"):
                use(source)
        with source:
            assert next(iter(source)).index == 0
        assert source.closed


def test_opening_and_closing_twice_does_nothing(shades: list[ByteImage]) -> None:
    source = FakeSource(shades)
    source.open()
    frames = iter(source)
    next(frames)
    source.open()
    assert next(iter(source)).index == 1
    source.close()
    source.closed = False
    source.close()
    assert not source.closed
    assert list(frames) == []


def test_a_second_loop_goes_on_where_the_first_stopped(shades: list[ByteImage]) -> None:
    with FakeSource(shades) as source:
        for frame in source:
            if frame.index == 6:
                break
        assert [f.index for f in source] == list(range(7, 20))
        assert list(source) == []


def test_a_source_that_breaks_off_says_so_after_its_last_frame() -> None:
    broken = StreamBrokenError("gone")
    with FakeSource([np.zeros((4, 4, 3), np.uint8)], error=broken) as source:
        frames = iter(source)
        assert next(frames).index == 0
        with pytest.raises(StreamBrokenError) as caught:
            next(frames)
    assert caught.value is broken


def test_an_error_in_the_loop_closes_the_source(shades: list[ByteImage]) -> None:
    source = FakeSource(shades)
    with pytest.raises(ZeroDivisionError), source:
        raise ZeroDivisionError
    assert source.closed
