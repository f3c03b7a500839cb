from __future__ import annotations

import errno
import threading
from multiprocessing import connection

import numpy as np
import pytest

from edge.capture.fake_feed import FakeCamera
from edge.capture.feed import Liveness
from edge.errors import ClosedError, StreamBrokenError
from edge.types import ByteImage


def shows(camera: FakeCamera) -> bool:
    return bool(connection.wait([camera.fileno()], 0))


def test_the_newest_frame_comes_once(shades: list[ByteImage]) -> None:
    with FakeCamera("door") as camera:
        assert (camera.newest(), shows(camera)) == (None, False)
        for number in range(3):
            camera.show(shades[number], at=100.0 + number)
        assert shows(camera)
        frame = camera.newest()
        assert frame is not None
        assert (frame.camera, frame.index, frame.time) == ("door", 2, 102.0)
        assert frame.image is shades[2]
        assert (camera.newest(), shows(camera)) == (None, False)
        assert (camera.status.dropped, camera.status.fps) == (2, 10.0)


def test_changes_of_state_ring_and_are_told_once_in_order(shades: list[ByteImage]) -> None:
    with FakeCamera() as camera:
        assert (camera.status.state, camera.status.reason) == (Liveness.STALE, "connecting")
        camera.show(shades[0])
        camera.newest()
        camera.stall()
        assert shows(camera)
        camera.newest()
        camera.lose("connection refused")
        camera.lose("no route")  # the state stays; the reason is the newer one
        assert camera.status.reason == "no route"
        assert camera.status.fps == 0.0
        camera.show(shades[1])
        changes = camera.changes()
        assert [(c.state, c.reason) for c in changes] == [
            (Liveness.LIVE, None),
            (Liveness.STALE, "the stream ended"),
            (Liveness.LOST, "connection refused"),
            (Liveness.LIVE, None),
        ]
        assert [c.since for c in changes] == sorted(c.since for c in changes)
        assert camera.changes() == ()
        camera.end()
        assert [c.ended for c in camera.changes()] == [True]


def test_whoever_waits_is_woken(shades: list[ByteImage]) -> None:
    with FakeCamera("a") as one, FakeCamera("b") as two:
        timer = threading.Timer(0.05, lambda: two.show(shades[0]))
        timer.start()
        assert connection.wait([one.fileno(), two.fileno()], 30) == [two.fileno()]
        timer.join()


def test_it_is_used_between_start_and_stop_only(shades: list[ByteImage]) -> None:
    camera = FakeCamera()
    for _ in range(2):
        with pytest.raises(ClosedError, match="fake is not started"):
            camera.newest()
        camera.start()
        camera.start()
        camera.show(shades[0])
        camera.ask_to_stop()
        camera.stop()
        camera.stop()
    assert (camera.started, camera.stopped) == (2, 2)


def test_one_that_cannot_start_is_as_if_it_had_never_been_asked_to() -> None:
    class Unlucky(FakeCamera):
        def _start(self) -> None:
            if not self.started:
                self.started = -1
                raise OSError(errno.EMFILE, "too many open files")
            super()._start()

        def _ask_to_stop(self) -> None:
            raise AssertionError

    camera = Unlucky()
    with pytest.raises(StreamBrokenError, match="too many open files"):
        camera.start()
    with pytest.raises(ClosedError):
        camera.fileno()
    camera.ask_to_stop()
    camera.stop()
    camera.start()
    assert camera.newest() is None
    camera.stop()


def test_a_fault_is_shown_and_raised_by_stop() -> None:
    camera = FakeCamera(fault_on_stop=ZeroDivisionError())
    camera.start()
    assert isinstance(camera.fault, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        camera.stop()
    camera.stop()
    with pytest.raises(ClosedError):
        camera.fileno()


def test_changes_that_nobody_asks_for_do_not_pile_up(shades: list[ByteImage]) -> None:
    with FakeCamera() as camera:
        for _ in range(500):
            camera.show(np.zeros((2, 2, 3), np.uint8))
            camera.lose()
        assert len(camera.changes()) == 256
