"""Live cameras over files, and what their processes and descriptors do."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from multiprocessing import connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.capture.feed import Liveness
from edge.capture.live import LiveCamera
from edge.config import Camera, SourceAddress
from edge.errors import ClosedError, MediaError
from edge.types import ByteImage, Frame
from tests.capture.processes import lives, parent_of

IndexOf = Callable[[ByteImage], int]
PATIENCE_S = 30.0
OWN = ("clock", "stale_after", "limits", "retry_in", "beat")


class Shifted:
    """The monotonic clock, which a test can put forward."""

    def __init__(self) -> None:
        self.by = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.by


Make = Callable[..., LiveCamera]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes cameras, stopped at the end."""
    with ExitStack() as stack:

        def camera(source: str | Path, **settings: Any) -> LiveCamera:
            own = {name: settings.pop(name) for name in OWN if name in settings}
            named = {"id": "door", "source": SourceAddress.parse(str(source)), **settings}
            live = LiveCamera(Camera(**named), **own)
            stack.callback(live.stop)
            return live

        yield camera


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def frames_of(camera: LiveCamera, count: int) -> list[Frame]:
    frames: list[Frame] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(frames) < count:
        assert time.monotonic() < deadline, camera.status
        connection.wait([camera.fileno()], 1.0)
        frame = camera.newest()
        frames += [frame] if frame is not None else []
    return frames


def test_a_file_is_shown_in_order_and_round_and_round(
    make: Make, clip: Path, index_of: IndexOf
) -> None:
    camera = make(clip, loop=True)
    camera.start()
    frames = frames_of(camera, 25)
    assert {frame.camera for frame in frames} == {"door"}
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))
    assert indices[-1] >= 24  # the second round has begun
    assert [index_of(frame.image) for frame in frames] == [index % 20 for index in indices]
    times = [frame.time for frame in frames]
    assert times == sorted(times)
    assert abs(times[-1] - time.time()) < 60
    status = camera.status
    assert (status.state, status.reason, status.reconnects) == (Liveness.LIVE, None, 0)
    assert status.fps == pytest.approx(10, abs=3)


def test_a_file_that_does_not_loop_ends(make: Make, clip: Path, index_of: IndexOf) -> None:
    camera = make(clip)
    camera.start()
    until(lambda: camera.status.ended)
    frame = camera.newest()
    assert frame is not None
    assert (frame.index, index_of(frame.image)) == (19, 19)
    assert camera.newest() is None
    status = camera.status
    assert (status.state, status.reconnects, status.dropped) == (Liveness.LOST, 0, 19)
    assert status.reason == "the file is at its end"
    assert [change.ended for change in camera.changes()] == [False, True]
    assert camera.pid is None


def test_a_cut_file_ends_where_it_was_cut_or_loops(make: Make, cut_clip: Path) -> None:
    once, again = make(cut_clip), make(cut_clip, id="loop", loop=True)
    once.start()
    again.start()
    until(lambda: once.status.ended)
    assert "was cut off" in str(once.status.reason)
    last = once.newest()
    assert last is not None
    assert frames_of(again, 20)[-1].index > last.index
    assert again.status.reconnects == 0


def test_a_folder_and_a_limit(make: Make, folder: Path) -> None:
    camera = make(folder, loop=True, fps=5.0)
    camera.start()
    indices = [frame.index for frame in frames_of(camera, 6)]
    assert np.diff(indices).min() >= 4  # of 25 a second, each fifth


def test_a_file_that_comes_later_is_found(make: Make, tmp_path: Path, clip: Path) -> None:
    camera = make(tmp_path / "later.mkv", loop=True)
    camera.start()
    until(lambda: camera.status.state is Liveness.LOST)
    assert "later.mkv cannot be read" in str(camera.status.reason)
    assert camera.newest() is None
    clip.rename(tmp_path / "later.mkv")
    assert frames_of(camera, 2)
    states = [change.state for change in camera.changes()]
    assert states == [Liveness.LOST, Liveness.LIVE]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("v4l2:/dev/no-such-camera", "no such file or directory"),
        ("v4l2:/dev/null", "inappropriate ioctl"),
        ("http://127.0.0.1:1/video", "connection refused"),
    ],
)
def test_what_cannot_be_opened_is_lost_with_a_reason(make: Make, source: str, reason: str) -> None:
    camera = make(source)
    camera.start()
    until(lambda: camera.status.state is Liveness.LOST)
    assert reason in str(camera.status.reason)


def test_a_failure_that_goes_on_is_no_news(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "edge.capture.live")
    folder = tmp_path / "later"
    camera = make(folder / "film.mkv", retry_in=lambda failures: 0.05)
    camera.start()
    until(lambda: len(caplog.records) >= 3)
    folder.write_bytes(b"a file where a folder was expected")
    until(lambda: "not a directory" in caplog.text.lower())
    camera.stop()
    levels = [record.levelno for record in caplog.records]
    news = next(i for i, r in enumerate(caplog.records) if "a directory" in r.getMessage().lower())
    assert levels[: news + 1] == [logging.WARNING, *[logging.DEBUG] * (news - 1), logging.INFO]


def test_a_csi_camera_is_refused(make: Make) -> None:
    with pytest.raises(MediaError, match="need GStreamer"):
        make("csi:0")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_process_that_ends_is_replaced(make: Make, clip: Path, how: signal.Signals) -> None:
    camera, other = make(clip, loop=True), make(clip, loop=True, id="other")
    camera.start()
    other.start()
    last = frames_of(camera, 3)[-1]
    pid = camera.pid
    assert pid is not None
    os.kill(pid, how)
    until(lambda: camera.status.reconnects == 1)
    again = frames_of(camera, 3)
    assert camera.pid not in (pid, None)
    assert again[0].index > last.index
    changes = camera.changes()
    assert [c.state for c in changes] == [Liveness.LIVE, Liveness.STALE, Liveness.LIVE]
    ended = "told to end" if how is signal.SIGTERM else f"by {how.name}"
    assert ended in str(changes[1].reason)
    assert len(frames_of(other, 2)) == 2
    assert other.status.reconnects == 0


def test_ctrl_c_does_not_reach_it(make: Make, clip: Path) -> None:
    camera = make(clip, loop=True)
    camera.start()
    frames_of(camera, 1)
    pid = camera.pid
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    assert frames_of(camera, 5)
    assert camera.pid == pid


def test_a_process_that_stands_still_is_killed_and_replaced(make: Make, clip: Path) -> None:
    clock = Shifted()
    camera = make(clip, loop=True, clock=clock, stale_after=600.0)
    camera.start()
    frames_of(camera, 2)
    pid = camera.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)

    def lost() -> bool:
        is_lost = camera.status.state is Liveness.LOST
        clock.by += 0.0 if is_lost else 601.0
        return is_lost

    until(lost)
    assert "no frame for 600 s" in str(camera.changes()[-1].reason)
    assert camera.status.fps == 0.0
    frames_of(camera, 2)
    assert camera.pid != pid
    assert not lives(pid)
    assert [c.state for c in camera.changes()] == [Liveness.LIVE]


def test_the_forking_process_may_die_too(make: Make, clip: Path) -> None:
    camera = make(clip, loop=True)
    camera.start()
    frames_of(camera, 1)
    pid = camera.pid
    assert pid is not None
    server = parent_of(pid)
    assert server != os.getpid()
    os.kill(server, signal.SIGKILL)
    until(lambda: camera.status.reconnects >= 1)
    assert frames_of(camera, 3)
    assert not lives(pid)


def test_frames_that_nobody_took_are_counted(make: Make, clip: Path) -> None:
    camera = make(clip)
    with camera:
        frames_of(camera, 1)
        until(lambda: camera.status.ended)
        frames_of(camera, 1)
        assert camera.status.dropped == 18


def test_it_can_be_started_and_stopped_again(make: Make, clip: Path) -> None:
    camera = make(clip, loop=True)
    assert camera.status.state is Liveness.STALE
    for _ in range(2):
        for use in (camera.fileno, camera.newest):
            with pytest.raises(ClosedError, match="door is not started"):
                use()
        camera.start()
        descriptor = camera.fileno()
        camera.start()
        assert camera.fileno() == descriptor
        assert frames_of(camera, 1)[0].index < 5
        camera.ask_to_stop()
        camera.stop()
        camera.stop()
        assert camera.pid is None
        assert camera.fault is None


def test_a_fault_nobody_foresaw_is_kept_and_raised(make: Make, clip: Path) -> None:
    calls = iter([0.0] * 6)

    def clock() -> float:
        return next(calls, None) or 1 / 0 if threading.current_thread() is not main else 0.0

    main = threading.current_thread()
    camera = make(clip, clock=clock)
    camera.start()
    until(lambda: camera.fault is not None)
    assert camera.status.state is Liveness.LOST
    assert camera.pid is None
    with pytest.raises(ZeroDivisionError):
        camera.stop()
    camera.stop()


def test_the_watching_thread_beats_whatever_the_camera_does(
    make: Make, clip: Path, tmp_path: Path
) -> None:
    beats: dict[str, int] = {}

    def beat_of(name: str) -> Callable[[], None]:
        def beat() -> None:
            beats[name] = beats.get(name, 0) + 1

        return beat

    live, ended, lost = (
        make(source, id=name, loop=name == "live", retry_in=lambda _: 0.1, beat=beat_of(name))
        for name, source in (("live", clip), ("ended", clip), ("lost", tmp_path / "missing"))
    )
    for camera in (live, ended, lost):
        camera.start()
    until(lambda: ended.status.ended)
    seen = dict(beats)
    until(lambda: all(beats.get(name, 0) >= seen.get(name, 0) + 2 for name in seen))
    assert set(seen) == {"live", "ended", "lost"}


def test_a_silent_camera_of_few_frames_is_not_lost(make: Make, clip: Path) -> None:
    assert make(clip, fps=0.01)._stale_after == pytest.approx(300)


class Held:
    """What this process holds."""

    def __init__(self) -> None:
        own = Path("/proc/self")
        self.descriptors = len(os.listdir(own / "fd"))
        self.threads = sorted(thread.name for thread in threading.enumerate())
        self.rings = (own / "maps").read_text().count("edgewarden-frames")
        self.shared = sorted(os.listdir("/dev/shm"))
        self.captures = sum(
            is_ours(int(place.parent.name)) and _text(place).startswith("cap-")
            for place in Path("/proc").glob("[0-9]*/comm")
        )


def is_ours(pid: int) -> bool:
    """Whether this process is forked from our forking process: others may run cameras, too."""
    try:
        return parent_of(parent_of(pid)) == os.getpid()
    except OSError:
        return False


def all_above(cameras: list[LiveCamera], reconnects: int) -> bool:
    return all(camera.status.reconnects > reconnects for camera in cameras)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_nothing_grows_over_reconnects_and_nothing_stays(make: Make, clip: Path) -> None:
    warm = make(clip, loop=True)
    with warm:
        frames_of(warm, 1)  # multiprocessing keeps its forking process and two descriptors
    before = Held()
    assert before.rings == 0
    cameras = [
        make(clip, loop=True, id=f"cam-{number}", retry_in=lambda _: 0.05) for number in range(3)
    ]
    for camera in cameras:
        camera.start()
    for camera in cameras:
        frames_of(camera, 1)
    running = Held()
    assert (running.rings, running.captures) == (3, 3)
    assert [n for n in running.threads if n.startswith("capture-")] == [
        f"capture-cam-{number}_0" for number in range(3)
    ]
    for tried in range(7):
        for camera in cameras:
            assert camera.status.reconnects == tried
            pid = camera.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        until(partial(all_above, cameras, tried))
        for camera in cameras:
            frames_of(camera, 1)
    assert sum(camera.status.reconnects for camera in cameras) >= 20
    after = Held()
    assert vars(after) == vars(running)
    for camera in cameras:
        camera.ask_to_stop()
    for camera in cameras:
        camera.stop()
    assert vars(Held()) == vars(before)
