"""Unix sockets at paths of any length, which no second daemon takes and no dead one blocks."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.errors import UsageError

_BACKLOG = 16
_PROBE_S = 1.0
_NOBODY = (errno.ECONNREFUSED, errno.ENOENT)


@dataclass(frozen=True, slots=True)
class UnixListener:
    """A stream socket that listens at a path. identity: device and inode of its file."""

    socket: socket.socket
    path: Path
    identity: tuple[int, int]

    def close(self) -> None:
        """Stop listening and take the file away, if it is still this one's."""
        # While it still listens nobody else makes a file here, so none can be taken by mistake.
        with suppress(OSError):
            if _identity(self.path) == self.identity:
                self.path.unlink()
        self.socket.close()


def listen_unix(path: Path, *, mode: int) -> UnixListener:
    """Listen at ``path``, whose file gets the permissions ``mode``.

    The file that a dead process left is replaced. Raises UsageError where a live one answers, where
    something else is there, or where nothing can be made.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        _clear(path)
        # Before bind, so that there is no moment at which others may connect.
        os.fchmod(listener.fileno(), mode)
        with _reachable(path) as address:
            listener.bind(address)
        path.chmod(mode)  # what the umask took
        listener.listen(_BACKLOG)
        return UnixListener(listener, path, _identity(path))
    except OSError as exc:
        listener.close()
        raise UsageError(
            f"there can be no socket at {path}",
            expected="a folder that exists and may be written to",
            found=exc.strerror or str(exc),
        ) from exc
    except UsageError:
        listener.close()
        raise


def connect_unix(path: Path, *, timeout_s: float) -> socket.socket:
    """A stream socket connected to whoever listens at ``path``. Raises OSError."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        client.settimeout(timeout_s)
        with _reachable(path) as address:
            client.connect(address)
    except OSError:
        client.close()
        raise
    return client


def nobody_listens(error: OSError) -> bool:
    """Whether a failure to connect means that there is no listener."""
    return error.errno in _NOBODY


def _clear(path: Path) -> None:
    """Take away what a dead process left at ``path``."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise UsageError(
                f"there can be no socket at {path}",
                expected="a path that is free",
                found="something that is no socket",
                remedy="Name another path, or remove what is there.",
            )
    try:
        connect_unix(path, timeout_s=_PROBE_S).close()
    except OSError as exc:
        if nobody_listens(exc):
            path.unlink(missing_ok=True)
            return
        if exc.errno != errno.EAGAIN:  # that is a live one with a full backlog
            raise
    raise UsageError(
        f"somebody listens at {path} already",
        expected="one daemon at a socket",
        remedy="Stop the other one first.",
    )


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A short name of the path: the kernel takes 107 bytes, state folders may have longer ones."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
