"""A server on this machine that serves files, whole, in parts or badly, and a small model."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.small_world import recogniser_model


@dataclass
class Site:
    """What the server serves and how it behaves. seen: the headers of every request.

    cuts: after how many bytes of its answer each request breaks off, in order. statuses: with
    which it answers instead, in order. ranges: whether it knows parts. etag: what it calls the
    content; none where empty.
    """

    port: int = 0
    content: bytes = b""
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str = '"one"'
    headers: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    stated_length: bool = True
    hold: threading.Event | None = None
    seen: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/model.onnx"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.seen.append(dict(self.headers.items()))
        if self.path in site.redirects:
            self._answer(302, {"Location": site.redirects[self.path]}, b"")
            return
        if site.statuses:
            self._answer(site.statuses.pop(0), {}, b"")
            return
        status, start = 200, 0
        asked = self.headers.get("Range", "")
        same = self.headers.get("If-Range") in (None, site.etag)
        if site.ranges and asked and same:
            status, start = 206, int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(site.content):
                self._answer(416, {}, b"")
                return
        headers = dict(site.headers)
        if site.etag:
            headers["ETag"] = site.etag
        if status == 206:
            whole = len(site.content)
            headers.setdefault("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self._answer(status, headers, site.content[start:])

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.site.stated_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.site.cuts.pop(0) if self.site.cuts and body else len(body)
        self.wfile.write(body[:cut])
        self.wfile.flush()
        if self.site.hold is not None and body:
            self.site.hold.wait(30)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests look at ``seen``."""


@pytest.fixture
def site() -> Iterator[Site]:
    """A server that runs as long as the test; its content is a small recogniser."""
    served = Site(content=recogniser_model())
    handler = type("Handler", (_Handler,), {"site": served})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    served.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        if served.hold is not None:
            served.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def catalogue(tmp_path: Path) -> Callable[[Site], Path]:
    """Writes a catalogue with the one model of a site."""

    def write(site: Site) -> Path:
        path = tmp_path / "catalogue.toml"
        path.write_text(
            f'[blocks]\ntitle = "coloured blocks"\ntemplate = "arcface-rgb"\nlicense = "MIT"\n'
            f'url = "{site.url}"\nsha256 = "{site.sha256}"\nbytes = {len(site.content)}\n'
        )
        return path

    return write
