"""One daemon to a state directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from edge.durable import make_folder, output_error
from edge.errors import UsageError

_NAME = "daemon.lock"


class StateLock:
    """Held from ``acquire`` to ``release``; the kernel lets go of it when the process dies.

    The file stays and holds the holder's process id. Folders that are missing are made.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _NAME
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take it. A second call does nothing.

        Raises UsageError where another process holds it, OutputError or StoreFullError where the
        file cannot be written.
        """
        if self._handle is not None:
            return
        make_folder(self._path.parent, mode=0o700)
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise output_error(exc, self._path) from exc
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as exc:
            holder = os.pread(handle, 32, 0).decode("ascii", errors="replace").strip()
            os.close(handle)
            raise UsageError(
                f"a daemon uses {self._path.parent} already",
                expected="one daemon to a state_dir",
                found=f"process {holder}" if holder else "another process",
                remedy="Stop it first, or give this one a state_dir of its own.",
            ) from exc
        except OSError as exc:
            os.close(handle)
            raise output_error(exc, self._path) from exc
        self._handle = handle

    def release(self) -> None:
        """Let go of it. Safe to call twice."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __enter__(self) -> StateLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
