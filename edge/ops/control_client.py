"""Asking the running daemon over its control socket."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from edge.errors import DaemonAbsentError, EdgewardenError, TransientError, UsageError
from edge.ops.unix_socket import connect_unix, nobody_listens
from edge.strict_json import read_strict_json

_TIMEOUT_S = 5.0
_LONGEST_ANSWER = 4 * 1024**2


def ask(
    path: Path,
    command: str,
    *,
    arguments: Mapping[str, object] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> object:
    """What the daemon behind the socket at ``path`` answers, within ``timeout_s`` altogether.

    Raises DaemonAbsentError where none is running, UsageError where this user may not ask or the
    daemon says that the request is at fault, TransientError for everything else.
    """
    deadline = time.monotonic() + timeout_s
    try:
        with connect_unix(path, timeout_s=timeout_s) as daemon:
            daemon.sendall(json.dumps({**(arguments or {}), "command": command}).encode() + b"\n")
            line = _read_line(daemon, deadline)
    except OSError as exc:
        raise _unreachable(exc, path, timeout_s) from exc
    return _result(line, path)


def _read_line(daemon: socket.socket, deadline: float) -> bytes:
    """The answer without its end of line; all there is where the daemon hangs up before."""
    received = bytearray()
    while b"\n" not in received and len(received) <= _LONGEST_ANSWER:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        daemon.settimeout(left)
        data = daemon.recv(1 << 16)
        if not data:
            break
        received += data
    return bytes(received.partition(b"\n")[0])


def _result(line: bytes, path: Path) -> object:
    try:
        answer = read_strict_json(line, limit=_LONGEST_ANSWER)
    except ValueError as exc:
        raise _no_answer(path, str(exc)) from exc
    if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
        raise _no_answer(path, "another kind of answer")
    if answer["ok"]:
        return answer.get("result")
    kind = UsageError if answer.get("exit_code") == UsageError.exit_code else TransientError
    raise kind(str(answer.get("error")))


def _unreachable(error: OSError, path: Path, timeout_s: float) -> EdgewardenError:
    if nobody_listens(error):
        return DaemonAbsentError(
            "no daemon is running",
            expected=f"one that answers at {path}",
            remedy="Start it: edgewarden run --config SITE",
        )
    if isinstance(error, PermissionError):
        return UsageError(
            f"this user may not speak with the daemon at {path}",
            remedy="Run this as the daemon's user, or as root.",
        )
    if isinstance(error, TimeoutError):
        return _no_answer(path, f"none within {timeout_s:g} s")
    return _no_answer(path, error.strerror or str(error))


def _no_answer(path: Path, found: str) -> TransientError:
    return TransientError(
        f"the daemon at {path} does not answer", expected="one line of JSON", found=found
    )
