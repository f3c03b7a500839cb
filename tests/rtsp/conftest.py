"""Real RTSP servers and cameras that look at them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from multiprocessing import connection
from pathlib import Path
from typing import Any

import pytest

from edge.capture.backoff import backoff_delay
from edge.capture.feed import CameraState, Liveness
from edge.capture.live import LiveCamera
from edge.config import Camera, SourceAddress
from edge.media.stream import StreamLimits
from edge.types import Frame
from tests.brokers import make_pki
from tests.rtsp.process import RtspServer, why_no_server, why_no_tls

PATIENCE_S = 30.0
QUICK = StreamLimits(open_timeout_s=1.0, read_timeout_s=1.0)


class Watcher:
    """Looks at a camera until what is expected has come."""

    def __init__(self, camera: LiveCamera) -> None:
        self.camera = camera
        self.frames: list[Frame] = []

    def look(self, seconds: float) -> Frame | None:
        """The next new frame, where one comes within that time."""
        connection.wait([self.camera.fileno()], seconds)
        frame = self.camera.newest()
        if frame is not None:
            self.frames.append(frame)
        return frame

    def until(self, happened: Callable[[], bool]) -> None:
        """Look until it has happened; fails where it never does."""
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < deadline, self.camera.status
            self.look(0.1)

    def until_state(self, state: Liveness) -> CameraState:
        self.until(lambda: self.camera.status.state is state)
        return self.camera.status

    def see(self, count: int) -> list[Frame]:
        """That many further frames."""
        before = len(self.frames)
        self.until(lambda: len(self.frames) >= before + count)
        return self.frames[before:]


@pytest.fixture
def rtsp() -> Iterator[Callable[..., RtspServer]]:
    """Makes real RTSP servers, killed at the end; skips where they are not installed."""
    missing = why_no_server()
    if missing is not None:
        pytest.skip(missing)
    with ExitStack() as stack:
        yield lambda **wishes: stack.enter_context(closing(RtspServer(**wishes)))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that nobody knows, with its key; skips where the server can do no TLS."""
    missing = why_no_server() or why_no_tls()
    if missing is not None:
        pytest.skip(missing)
    pki = make_pki(tmp_path_factory.mktemp("pki"))
    both = pki.server.with_name("both.pem")
    both.write_bytes(pki.server.read_bytes() + pki.server_key.read_bytes())
    return both


@pytest.fixture
def watch() -> Iterator[Callable[..., Watcher]]:
    """Starts a camera on a source with short timeouts; stopped at the end."""
    with ExitStack() as stack:

        def start(source: str, **settings: Any) -> Watcher:
            named = {"id": "door", **settings}
            camera = LiveCamera(
                Camera(source=SourceAddress.parse(source), **named),
                stale_after=2.5,
                limits=QUICK,
                retry_in=lambda failures: backoff_delay(failures) / 5,
            )
            return Watcher(stack.enter_context(camera))

        yield start
