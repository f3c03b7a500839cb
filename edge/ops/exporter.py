"""Metrics and health over HTTP, for whoever looks after the device from the device itself."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from http import HTTPStatus

from edge.closing import Running
from edge.config import ListenAddress, TcpAddress, UnixAddress
from edge.errors import UsageError
from edge.ops.health import Health, HealthReport
from edge.ops.http_server import Page, PageServer
from edge.ops.registry import CONTENT_TYPE
from edge.ops.unix_socket import UnixListener, listen_unix
from edge.ops.worker import Worker

_CLIENT_S = 5.0
_LOOK_S = 0.2
_BACKLOG = 16
_UNIX_MODE = 0o660

# A daemon in one of these does its work.
_WELL = (Health.OK, Health.DEGRADED)


class Exporter(Running):
    """Serves ``GET /metrics`` and ``GET /health`` between ``start`` and ``stop``.

    /metrics is what ``metrics`` returns. /health is the report as JSON, with status 200 where the
    daemon does its work (``ok``, ``degraded``) and 503 where not. A Unix socket gets mode 0660.
    """

    def __init__(
        self,
        listen: ListenAddress,
        *,
        metrics: Callable[[], str],
        health: Callable[[], HealthReport],
        client_s: float = _CLIENT_S,
    ) -> None:
        self._listen = listen
        self._pages = {
            "/metrics": lambda: _metrics(metrics()),
            "/health": lambda: _health(health()),
        }
        self._client_s = client_s
        self._unix: UnixListener | None = None
        self._server: PageServer | None = None
        self._worker: Worker | None = None

    @property
    def address(self) -> ListenAddress:
        """Where it serves; while it does, with the port that the system chose for 0."""
        if self._server is None or isinstance(self._listen, UnixAddress):
            return self._listen
        return TcpAddress(self._listen.host, self._server.socket.getsockname()[1])

    @property
    def fault(self) -> BaseException | None:
        """The error that nobody expected, of whichever of its threads."""
        if self._server is None or self._worker is None:
            return None
        return self._worker.fault or self._server.fault

    def start(self) -> None:
        """Begin to serve. A second call does nothing.

        Raises UsageError where the address is taken or cannot be used.
        """
        if self._server is not None:
            return
        self._server = PageServer(self._open(), pages=self._pages, client_s=self._client_s)
        serve = self._server.serve_forever
        self._worker = Worker("exporter", lambda: serve(poll_interval=_LOOK_S))
        self._worker.start()

    def stop(self) -> None:
        """End every connection and thread; raises ``fault`` if there is one. Safe to call twice."""
        server, worker, unix = self._server, self._worker, self._unix
        self._server = self._worker = self._unix = None
        if server is None or worker is None:
            return
        try:
            server.shutdown()
            worker.join()
        finally:
            if unix is not None:
                unix.close()
            server.server_close()
        if server.fault is not None:
            raise server.fault

    def _open(self) -> socket.socket:
        if isinstance(self._listen, UnixAddress):
            self._unix = listen_unix(self._listen.path, mode=_UNIX_MODE)
            return self._unix.socket
        family = socket.AF_INET6 if self._listen.is_ipv6 else socket.AF_INET
        place = (self._listen.host, self._listen.port)
        try:
            return socket.create_server(place, family=family, backlog=_BACKLOG)
        except OSError as exc:
            raise UsageError(
                f"metrics cannot be served at {self._listen}",
                expected="a port that is free",
                found=exc.strerror or str(exc),
                remedy="Choose another under [metrics] in the site file.",
            ) from exc


def _metrics(text: str) -> Page:
    return Page(text.encode(), CONTENT_TYPE)


def _health(report: HealthReport) -> Page:
    status = HTTPStatus.OK if report.health in _WELL else HTTPStatus.SERVICE_UNAVAILABLE
    return Page(json.dumps(report.as_json()).encode() + b"\n", "application/json", status)
