"""Motion JPEG over HTTP, as plain network cameras serve it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from edge.capture.stream import StreamSource
from edge.errors import MediaError, MediaTooLargeError, StreamBrokenError, UsageError
from edge.media import write_image
from edge.media.stream import StreamLimits
from edge.site.source import SourceAddress
from edge.types import ByteImage, Frame
from tests.brokers import Pki, make_pki

PICTURES = 20


class Camera(BaseHTTPRequestHandler):
    """Sends some pictures and hangs up; a playlist that names a file of this machine elsewhere."""

    jpeg = b""

    def do_GET(self) -> None:
        if self.path == "/playlist":
            self.answer("application/vnd.apple.mpegurl")
            self.wfile.write(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
            return
        self.answer("multipart/x-mixed-replace; boundary=part")
        head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(self.jpeg)}\r\n\r\n"
        with suppress(ConnectionError):  # who looks on may leave before the end
            for _ in range(PICTURES):
                self.wfile.write(head.encode() + self.jpeg + b"\r\n")

    def answer(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(tmp_path: Path, picture: ByteImage, *, pki: Pki | None = None) -> Iterator[str]:
    """Where such a camera is; with a pki, over TLS."""
    write_image(tmp_path / "a.jpg", picture)
    handler = type("Loaded", (Camera,), {"jpeg": (tmp_path / "a.jpg").read_bytes()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if pki is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(pki.server, pki.server_key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, name="http-camera")
        thread.start()
        yield f"{'http' if pki is None else 'https'}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def url(tmp_path: Path, shades: list[ByteImage]) -> Iterator[str]:
    with served(tmp_path, shades[10]) as url:
        yield url


def source(url: str, **limits: int) -> StreamSource:
    return StreamSource(
        SourceAddress.parse(url), camera="a", first_index=100, limits=StreamLimits(**limits)
    )


def test_its_pictures_come_as_they_are_sent(url: str, shades: list[ByteImage]) -> None:
    frames: list[Frame] = []

    def take(stream: StreamSource) -> None:
        for frame in stream:
            frames.append(frame)

    with source(url) as stream, pytest.raises(StreamBrokenError, match="the stream broke off"):
        take(stream)
    assert [frame.index for frame in frames] == [*range(100, 100 + PICTURES)]
    np.testing.assert_allclose(frames[0].image, shades[10], atol=3)


def test_one_with_a_certificate_of_its_own_is_believed(
    tmp_path: Path, shades: list[ByteImage]
) -> None:
    with (
        served(tmp_path, shades[10], pki=make_pki(tmp_path)) as url,
        source(url) as stream,
    ):
        np.testing.assert_allclose(next(iter(stream)).image, shades[10], atol=3)


def test_a_playlist_is_not_followed(url: str) -> None:
    with pytest.raises(MediaError, match="the stream cannot be opened"):
        source(f"{url}/playlist").open()


def test_pictures_above_the_limit_are_refused(url: str) -> None:
    with source(url, max_pixels=64 * 48) as stream:
        assert next(iter(stream)).size == (64, 48)
    with (
        pytest.raises(MediaTooLargeError, match="the stream is too large"),
        source(url, max_pixels=64 * 48 - 1) as stream,
    ):
        next(iter(stream))


def test_what_is_no_stream_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no stream"):
        source(str(tmp_path)).open()
