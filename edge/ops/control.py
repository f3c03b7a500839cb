"""The control socket: how commands speak with the running daemon.

A Unix socket with mode 0600. A request is one line, ``{"command": "status", …}``; so is its
answer: ``{"ok": true, "result": …}`` or ``{"ok": false, "error": "…", "exit_code": 2}``.

What takes long is answered when it is done, and keeps nobody else waiting meanwhile.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from edge.closing import Running
from edge.errors import EdgewardenError, TransientError, UsageError
from edge.ops.unix_socket import UnixListener, listen_unix
from edge.ops.worker import Worker
from edge.site.values import did_you_mean
from edge.strict_json import read_strict_json

_log = logging.getLogger(__name__)

_MODE = 0o600
_LONGEST_REQUEST = 64 * 1024
_MOST_CLIENTS = 16
_CLIENT_S = 10.0
_ANSWER_S = 300.0
_SEND_S = 2.0
_LOOK_S = 0.2
_PEER = struct.Struct("3i")  # pid, uid and gid, unix(7)

Request: TypeAlias = Mapping[str, object]
Handler: TypeAlias = Callable[[Request], object]


class ControlServer(Running):
    """Answers requests between ``start`` and ``stop``, one after another on one thread.

    handlers: by command; each gets the whole request and returns what JSON can hold, or a Future
    of it, whose client is answered once it is done. An EdgewardenError that either raises is told
    to the client; any other error ends the thread and becomes its ``fault``. Only this user and
    root are answered. A client that asks for nothing for ``client_s`` seconds is sent away; one
    that waits for a Future is told after ``answer_s`` that it takes longer.
    """

    def __init__(
        self,
        path: Path,
        *,
        handlers: Mapping[str, Handler],
        client_s: float = _CLIENT_S,
        answer_s: float = _ANSWER_S,
    ) -> None:
        self._path = path
        self._handlers = dict(handlers)
        self._patience = _Patience(client_s, answer_s)
        self._listener: UnixListener | None = None
        self._wake: socket.socket | None = None
        self._worker: Worker | None = None

    @property
    def fault(self) -> BaseException | None:
        """The error that nobody expected."""
        return None if self._worker is None else self._worker.fault

    def start(self) -> None:
        """Begin to answer. A second call does nothing.

        Raises UsageError where a live daemon has the socket, or none can be made there.
        """
        if self._worker is not None:
            return
        self._listener = listen_unix(self._path, mode=_MODE)
        self._wake, woken = socket.socketpair()
        loop = _Loop(self._listener.socket, woken, self._handlers, self._patience)
        self._worker = Worker("control", loop.run)
        self._worker.start()

    def stop(self) -> None:
        """End every connection and the thread; raises ``fault``. Safe to call twice."""
        listener, wake, worker = self._listener, self._wake, self._worker
        self._listener = self._wake = self._worker = None
        if listener is None or wake is None or worker is None:
            return
        wake.close()
        try:
            worker.join()
        finally:
            listener.close()


@dataclass(frozen=True, slots=True)
class _Patience:
    """Seconds: with a client that asks nothing, and with an answer that does not come."""

    client_s: float
    answer_s: float


@dataclass(slots=True, eq=False)
class _Client:
    """One connection. until: when it is sent away unless it asks for something, or is told that
    the ``answer`` for which it waits takes longer."""

    socket: socket.socket
    until: float
    received: bytearray = field(default_factory=bytearray)
    answer: Future[object] | None = None


class _Loop:
    """The thread's work: waits for whatever comes first, so that nobody waits for a slow one.

    It ends when the other end of ``woken`` is closed.
    """

    def __init__(
        self,
        listener: socket.socket,
        woken: socket.socket,
        handlers: Mapping[str, Handler],
        patience: _Patience,
    ) -> None:
        self._listener = listener
        self._woken = woken
        self._handlers = handlers
        self._patience = patience
        self._selector = selectors.DefaultSelector()
        self._clients: set[_Client] = set()

    def run(self) -> None:
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        try:
            while self._turn():
                pass
        finally:
            for client in list(self._clients):
                if client.answer is not None and client.answer.done():
                    self._send(client, _outcome(client.answer))
                self._drop(client)
            self._selector.close()
            self._woken.close()

    def _turn(self) -> bool:
        """One wait and what comes of it; False at the end."""
        for key, _ in self._selector.select(_LOOK_S if self._clients else None):
            if key.fileobj is self._woken:
                return False
            if key.fileobj is self._listener:
                self._accept()
            else:
                self._receive(key.data)
        for client in list(self._clients):
            self._look_at(client, time.monotonic())
        return True

    def _look_at(self, client: _Client, now: float) -> None:
        """Answer what is done by now, and wait no longer than is meant."""
        if client.answer is not None and client.answer.done():
            done, client.answer = client.answer, None
            self._send(client, _outcome(done))
            self._answer_lines(client)
        elif now > client.until and client.answer is not None:
            client.answer = None
            self._send(client, _refused(TransientError("it takes longer, and goes on")))
            self._answer_lines(client)
        elif now > client.until:
            self._drop(client)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as exc:
            _log.warning("a client could not be let in: %s", exc.strerror or exc)
            return
        _, uid, _ = _PEER.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        )
        if uid not in (0, os.geteuid()):
            _log.warning("user %d may not speak with the daemon", uid)
            connection.close()
        elif len(self._clients) >= _MOST_CLIENTS:
            connection.close()
        else:
            connection.setblocking(False)
            client = _Client(connection, time.monotonic() + self._patience.client_s)
            self._clients.add(client)
            self._selector.register(connection, selectors.EVENT_READ, client)

    def _receive(self, client: _Client) -> None:
        try:
            data = client.socket.recv(_LONGEST_REQUEST)
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        client.received += data
        self._answer_lines(client)
        if len(client.received) > _LONGEST_REQUEST:
            self._send(client, _refused(_unreadable(f"more than {_LONGEST_REQUEST} bytes")))
            self._drop(client)

    def _answer_lines(self, client: _Client) -> None:
        """Answer what was asked, one after another, up to what is not done yet."""
        while client in self._clients and client.answer is None and b"\n" in client.received:
            line, _, rest = client.received.partition(b"\n")
            client.received = rest
            answer = self._answer(bytes(line))
            if isinstance(answer, Future):
                client.answer = answer
                client.until = time.monotonic() + self._patience.answer_s
            else:
                self._send(client, answer)

    def _answer(self, line: bytes) -> dict[str, object] | Future[object]:
        try:
            request = _parse(line)
            command = str(request["command"])
            handler = self._handlers.get(command)
            if handler is None:
                remedy = did_you_mean(command, tuple(self._handlers))
                raise UsageError("the daemon knows no such command", found=command, remedy=remedy)
            _log.info("asked for %s", command)
            result = handler(request)
        except EdgewardenError as error:
            return _refused(error)
        return result if isinstance(result, Future) else _done(result)

    def _send(self, client: _Client, answer: dict[str, object]) -> None:
        try:
            client.socket.settimeout(_SEND_S)
            client.socket.sendall(json.dumps(answer).encode() + b"\n")
            client.socket.setblocking(False)
        except OSError:
            self._drop(client)
        client.until = time.monotonic() + self._patience.client_s

    def _drop(self, client: _Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            with suppress(KeyError):
                self._selector.unregister(client.socket)
            client.socket.close()


def _parse(line: bytes) -> Request:
    try:
        request = read_strict_json(line, limit=_LONGEST_REQUEST)
    except ValueError as exc:
        raise _unreadable(str(exc)) from exc
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        raise _unreadable("no object with a command")
    return request


def _unreadable(found: str) -> UsageError:
    return UsageError(
        "the request cannot be read", expected='one line {"command": "status"}', found=found
    )


def _outcome(answer: Future[object]) -> dict[str, object]:
    try:
        return _done(answer.result())
    except EdgewardenError as error:
        return _refused(error)


def _done(result: object) -> dict[str, object]:
    return {"ok": True, "result": result}


def _refused(error: EdgewardenError) -> dict[str, object]:
    return {"ok": False, "error": str(error), "exit_code": error.exit_code}
