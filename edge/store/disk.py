"""What the operating system says of a file, in the words of our errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import OutputError, StoreFullError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Translate OSError: StoreFullError where there is no room, else OutputError."""
    try:
        yield
    except OSError as exc:
        found = exc.strerror or type(exc).__name__
        if exc.errno in _FULL:
            raise StoreFullError(
                f"no room to write {path}", found=found, remedy="Free some space and try again."
            ) from exc
        raise OutputError(
            f"{path} cannot be written",
            expected="a place that this user may write to",
            found=found,
        ) from exc


def sync_folder(folder: Path) -> None:
    """Make names that were added to or changed in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
