from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import connection
from pathlib import Path

import numpy as np
import pytest

from edge.capture.child import Child
from edge.capture.ring import FrameRing, RingFrame
from edge.types import ByteImage
from tests.capture.processes import SIZES, write_for_ever

PIXELS = 1280 * 720


def picture(shade: int, size: tuple[int, int] = (64, 48)) -> ByteImage:
    return np.full((size[1], size[0], 3), shade, np.uint8)


@pytest.fixture
def ring() -> Iterator[FrameRing]:
    with closing(FrameRing(max_pixels=PIXELS)) as ring:
        yield ring


def take(ring: FrameRing) -> RingFrame:
    frame = ring.take()
    assert frame is not None
    return frame


def test_a_frame_goes_through_as_it_is(ring: FrameRing) -> None:
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    ring.put(image, index=5, time=1_763_719_200.123456)
    frame = take(ring)
    np.testing.assert_array_equal(frame.image, image)
    assert (frame.number, frame.index) == (1, 5)
    assert frame.time == pytest.approx(1_763_719_200.123456, abs=1e-6)
    assert frame.image.flags.owndata or frame.image.base is not None


def test_nothing_comes_out_of_an_empty_ring(ring: FrameRing) -> None:
    assert (ring.take(), ring.written, ring.next_index, ring.waiting) == (None, 0, 0, False)
    assert ring.last_beat == 0.0


def test_each_frame_comes_once_and_the_newest_wins(ring: FrameRing) -> None:
    for index in range(7):
        ring.put(picture(index), index=index, time=0.0)
    assert (ring.written, ring.next_index, ring.waiting) == (7, 7, True)
    assert take(ring).index == 6
    assert (ring.take(), ring.waiting) == (None, False)
    ring.put(picture(9), index=9, time=0.0)
    assert (take(ring).number, ring.next_index) == (8, 10)


def test_what_was_taken_stays_as_it_was(ring: FrameRing) -> None:
    ring.put(picture(1), index=0, time=0.0)
    first = take(ring).image
    for index in range(9):
        ring.put(picture(200), index=index, time=0.0)
    assert first.max() == 1
    ring.close()
    assert first.max() == 1


def test_sizes_may_change_up_to_the_largest(ring: FrameRing) -> None:
    for index, size in enumerate([(64, 48), (1280, 720), (1, 1), (720, 1280)]):
        ring.put(picture(index, size), index=index, time=0.0)
        frame = take(ring)
        assert frame.image.shape == (size[1], size[0], 3)
        assert (frame.image == index).all()
    with pytest.raises(ValueError, match="at most 921600 pixels, found 1281×720"):
        ring.put(picture(0, (1281, 720)), index=4, time=0.0)
    assert ring.take() is None


def test_signs_of_life_are_kept(ring: FrameRing) -> None:
    ring.beat(1234.5)
    assert ring.last_beat == pytest.approx(1234.5)


def test_a_slot_that_is_written_to_is_not_delivered(ring: FrameRing) -> None:
    ring.put(picture(1), index=0, time=0.0)

    class HalfError(Exception):
        pass

    class Breaks:
        """A picture at which the writer ends half-way."""

        shape = (48, 64, 3)

        def __array__(self, *_: object, **__: object) -> ByteImage:
            raise HalfError

    for number in range(1, 4):
        with pytest.raises(HalfError):
            ring.put(Breaks(), index=number, time=0.0)  # type: ignore[arg-type]  # that is the point
        assert ring.written == 1
    assert take(ring).image.max() == 1
    assert ring.take() is None


def test_no_torn_frame_comes_from_a_writer_that_never_waits(ring: FrameRing) -> None:
    child = Child("writer", write_for_ever, ring)
    seen: list[int] = []
    deadline = time.monotonic() + 60
    try:
        while len(seen) < 300:
            assert time.monotonic() < deadline
            frame = ring.take()
            if frame is not None:
                assert frame.image.shape[1::-1] == SIZES[frame.index % len(SIZES)]
                assert (frame.image == frame.index % 251).all()
                assert frame.time == frame.index / 8
                seen.append(frame.number)
    finally:
        assert child.end(grace_s=0.0, kill_s=30)
    assert seen == sorted(set(seen))
    assert seen[-1] > len(seen)  # the writer was ahead, or this test shows nothing


def test_a_writer_may_be_killed_at_any_moment() -> None:
    for round_ in range(8):
        with closing(FrameRing(max_pixels=PIXELS)) as ring:
            child = Child("writer", write_for_ever, ring)
            while ring.written < 3:
                time.sleep(0.001)
            time.sleep(0.0007 * round_)
            os.kill(child.pid, 9)
            connection.wait([child.sentinel])
            frame = ring.take()
            assert frame is None or (frame.image == frame.index % 251).all()
            assert ring.take() is None
            assert child.end(grace_s=1, kill_s=1)


def test_nobody_can_take_the_memory_away(ring: FrameRing) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(ring._descriptor, 0)


def test_closing_leaves_nothing() -> None:
    def held() -> tuple[int, int]:
        maps = Path("/proc/self/maps").read_text()
        return len(os.listdir("/proc/self/fd")), maps.count("edgewarden-frames")

    before = held()
    named = set(os.listdir("/dev/shm"))
    for _ in range(5):
        ring = FrameRing(max_pixels=PIXELS)
        ring.put(picture(1), index=0, time=0.0)
        ring.take()
        assert held()[1] == before[1] + 1
        ring.close()
        ring.close()
    assert held() == before
    assert set(os.listdir("/dev/shm")) == named


def test_memory_is_only_taken_for_what_was_written() -> None:
    with closing(FrameRing(max_pixels=64_000_000)) as ring:
        for index in range(5):
            ring.put(picture(1, (640, 480)), index=index, time=0.0)
        taken = os.fstat(ring._descriptor).st_blocks * 512
        assert 3 * 640 * 480 * 3 <= taken < 4 * 640 * 480 * 3
