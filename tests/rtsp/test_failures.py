"""Every way in which an RTSP camera fails, with a real server, and that it comes back."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.capture.feed import Liveness
from edge.capture.stream import StreamSource
from edge.config import SourceAddress
from tests.rtsp import process
from tests.rtsp.process import Relay, RtspServer, WrongServer

if TYPE_CHECKING:
    from tests.rtsp.conftest import Watcher
Rtsp = Callable[..., RtspServer]
Watch = Callable[..., "Watcher"]

Break = Callable[[RtspServer], AbstractContextManager[None]]


@contextmanager
def closed(server: RtspServer) -> Iterator[None]:
    server.close()
    yield


@contextmanager
def stalled(server: RtspServer) -> Iterator[None]:
    server.freeze()
    yield
    server.close()


def replaced(make: Callable[[int], RtspServer | WrongServer]) -> Break:
    """Another server at the port of the first."""

    @contextmanager
    def fail(server: RtspServer) -> Iterator[None]:
        server.close()
        with closing(make(server.port)):
            yield

    return fail


silent = replaced(lambda port: WrongServer(process.silent, port=port))
garbage = replaced(lambda port: WrongServer(process.garbage, port=port))
locked = replaced(lambda port: RtspServer(port=port, user="somebody", password="else"))
recoded = replaced(lambda port: RtspServer(port=port, codec="vp8"))


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (closed, "connection refused"),
        (stalled, "no usable answer for"),
        (silent, "no usable answer for"),
        (garbage, "no usable answer for"),
        (locked, "401"),
        (recoded, "expected one of h264, hevc, mjpeg; found vp8"),
    ],
    ids=["closed", "stalled", "silent", "garbage", "locked", "recoded"],
)
def test_a_camera_that_fails_is_lost_and_comes_back(
    rtsp: Rtsp, watch: Watch, fail: Break, reason: str
) -> None:
    server = rtsp()
    other = watch(rtsp().url, id="other")
    door = watch(server.url)
    door.see(3)
    assert door.until_state(Liveness.LIVE).reason is None  # said a moment after the first frame
    first_pid = door.camera.pid
    with fail(server):
        lost = door.until_state(Liveness.LOST)
        door.until(lambda: reason in (door.camera.status.reason or ""))
        assert lost.fps == 0.0
        assert lost.reconnects >= 1
    last = door.frames[-1]
    rtsp(port=server.port)
    door.until_state(Liveness.LIVE)
    again = door.see(3)
    assert door.camera.pid != first_pid
    assert again[0].index > last.index
    assert again[0].time > last.time
    states = [change.state for change in door.camera.changes()]
    assert states[0] is states[-1] is Liveness.LIVE
    assert Liveness.LOST in states
    other.see(3)
    assert [change.state for change in other.camera.changes()] == [Liveness.LIVE]
    assert other.camera.status.reconnects == 0


@pytest.mark.parametrize(
    "fail",
    [closed, stalled, silent, garbage],
    ids=["closed", "stalled", "silent", "garbage"],
)
def test_a_camera_with_tls_and_a_certificate_of_its_own_does_the_same(
    rtsp: Rtsp, watch: Watch, certificate: Path, fail: Break
) -> None:
    server = rtsp(certificate=certificate)
    assert server.url.startswith("rtsps://")
    door = watch(server.url)
    door.see(3)
    with fail(server):
        door.until_state(Liveness.LOST)
    rtsp(port=server.port, certificate=certificate)
    door.until_state(Liveness.LIVE)
    door.see(3)


def test_a_plain_camera_is_not_taken_for_one_with_tls(rtsp: Rtsp, watch: Watch) -> None:
    server = rtsp()
    door = watch(server.url.replace("rtsp://", "rtsps://"))
    door.until_state(Liveness.LOST)
    assert door.frames == []


def test_a_stream_that_turns_to_noise_is_lost_and_comes_back(rtsp: Rtsp, watch: Watch) -> None:
    with closing(Relay(rtsp().port)) as relay:
        door = watch(relay.url)
        door.see(3)
        relay.noise = True
        reason = door.until_state(Liveness.LOST).reason
        assert reason
        relay.noise = False
        door.until_state(Liveness.LIVE)
        door.see(3)


def test_a_change_of_size_is_no_failure(rtsp: Rtsp, watch: Watch) -> None:
    server = rtsp(size=(320, 240))
    door = watch(server.url)
    assert {frame.size for frame in door.see(3)} == {(320, 240)}
    pid = door.camera.pid
    for size in ((640, 480), (160, 120)):
        server.resize(*size)
        while door.see(1)[0].size != size:
            assert len(door.frames) < 300
    assert door.camera.pid == pid
    assert [change.state for change in door.camera.changes()] == [Liveness.LIVE]
    indices = [frame.index for frame in door.frames]
    assert indices == sorted(set(indices))


@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
def test_these_codecs_are_decoded(rtsp: Rtsp, watch: Watch, codec: str) -> None:
    frames = watch(rtsp(codec=codec).url).see(5)
    # A white ball on black.
    assert all(frame.image.max() > 200 and frame.image.mean() < 60 for frame in frames)


def test_no_picture_of_a_sound_stream_is_left_out(rtsp: Rtsp) -> None:
    with StreamSource(SourceAddress.parse(rtsp().url), camera="a") as source:
        frames = iter(source)
        next(frames)
        before = source.corrupt  # of those that came before the first key frame
        indices = [next(frames).index for _ in range(25)]
        assert source.corrupt == before
        assert indices == [*range(1, 26)]


def test_credentials_open_the_stream_and_are_shown_nowhere(
    rtsp: Rtsp, watch: Watch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    server = rtsp(user="viewer", password="s3cret pässword@1")
    address = server.url.removeprefix("rtsp://")
    right = watch(f"rtsp://viewer:s3cret%20p%C3%A4ssword%401@{address}", id="right")
    wrong = watch(f"rtsp://viewer:s3cret@{address}", id="wrong")
    right.see(3)
    lost = wrong.until_state(Liveness.LOST)
    assert "the user or password was refused (401)" in str(lost.reason)
    server.close()
    right.until_state(Liveness.LOST)
    shown = [caplog.text, *capfd.readouterr(), repr(right.camera.status), repr(lost)]
    shown += [repr(right.camera.changes()), command_lines()]
    assert "***@127.0.0.1" in caplog.text
    assert "right" in caplog.text
    assert "s3cret" not in " ".join(shown)


def command_lines() -> str:
    texts = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # The server itself is told its password on its command line.
            text = (place / "cmdline").read_text() + (place / "comm").read_text()
            texts.append("" if "rtsp/server.py" in text else text)
    return " ".join(texts)


def test_a_camera_that_is_away_at_first_comes_when_it_does(rtsp: Rtsp, watch: Watch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    door = watch(f"rtsp://127.0.0.1:{port}/stream")
    assert door.until_state(Liveness.LOST).reason is not None
    rtsp(port=port)
    door.until_state(Liveness.LIVE)
    assert door.see(1)


def test_no_more_frames_than_asked_for(rtsp: Rtsp, watch: Watch) -> None:
    door = watch(rtsp(fps=30).url, fps=5.0)
    frames = door.see(12)
    steps = np.diff([frame.index for frame in frames[2:]])
    assert np.median(steps) == 6  # of 30 frames a second, each sixth
