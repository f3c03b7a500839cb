"""A few pages over HTTP, which no slow, broken or greedy client can keep from the others."""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from threading import Lock
from typing import Any

_log = logging.getLogger(__name__)

_MOST_CLIENTS = 8


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    body: bytes
    content_type: str
    status: HTTPStatus = HTTPStatus.OK


Pages = Mapping[str, Callable[[], Page]]


class PageServer(socketserver.TCPServer):
    """Answers GET for each path of ``pages`` on a socket that listens already.

    A client has ``client_s`` seconds from connecting to the last byte; at most eight are there at
    once, further ones are sent away. ``serve_forever`` is the caller's thread; ``server_close``
    ends every client and every thread, and closes the socket.
    """

    def __init__(self, listener: socket.socket, *, pages: Pages, client_s: float) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.pages = pages
        self.client_s = client_s
        self.fault: BaseException | None = None
        self._threads = ThreadPoolExecutor(_MOST_CLIENTS, thread_name_prefix="exporter-client")
        self._lock = Lock()
        self._deadlines: dict[socket.socket, float] = {}

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a client to a thread, if there is room for one more."""
        with self._lock:
            if len(self._deadlines) >= _MOST_CLIENTS:
                self.shutdown_request(request)
                return
            self._deadlines[request] = time.monotonic() + self.client_s
        self._threads.submit(self._serve, request, client_address).add_done_callback(self._done)

    def service_actions(self) -> None:
        """Send away who has been here too long. The serving loop calls it again and again."""
        now = time.monotonic()
        with self._lock:
            for client, deadline in self._deadlines.items():
                if now > deadline:
                    _hang_up(client)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep an error that nobody expected."""
        self.fault = sys.exc_info()[1]

    def server_close(self) -> None:
        """End every client, then every thread, and close the socket."""
        with self._lock:
            for client in self._deadlines:
                _hang_up(client)
        self._threads.shutdown()
        super().server_close()

    def _serve(self, client: socket.socket, address: Any) -> None:
        try:
            _Handler(client, address, self)
        except OSError as exc:
            _log.debug("a client went away: %s", exc)
        finally:
            with self._lock:
                del self._deadlines[client]
            self.shutdown_request(client)

    def _done(self, served: Future[None]) -> None:
        self.fault = served.exception() or self.fault


class _Handler(BaseHTTPRequestHandler):
    """One request. The connection ends with its answer (HTTP/1.0)."""

    server: PageServer
    server_version = "edgewarden"
    sys_version = ""

    def setup(self) -> None:
        """Wait for no byte longer than the client may stay at all."""
        self.request.settimeout(self.server.client_s)
        super().setup()

    def do_GET(self) -> None:
        """Answer with the page of this path."""
        make = self.server.pages.get(self.path.partition("?")[0])
        if make is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        page = make()
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are no news."""
        _log.debug(format, *args)


def _hang_up(client: socket.socket) -> None:
    with suppress(OSError):  # it has gone by itself
        client.shutdown(socket.SHUT_RDWR)
