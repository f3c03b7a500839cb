"""Files written so that they are there whole, power cut or not, or are not there at all."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import ExitStack
from pathlib import Path

from edge.errors import EdgewardenError, OutputError, StoreFullError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_new_file(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write a file that is not there yet, down to the disk. ``mode`` is cut by the umask.

    On a failure nothing is left behind. Raises OutputError where the path is taken or cannot be
    written, StoreFullError where there is no room.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError as exc:
        raise output_error(exc, path) from exc
    with ExitStack() as undo:  # whatever stops it, Ctrl-C included
        undo.callback(path.unlink, missing_ok=True)
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(handle)
        except OSError as exc:
            raise output_error(exc, path) from exc
        undo.pop_all()


def replace_file(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Put a file in place of what is there, whole or not at all; its folder is made if need be.

    Raises OutputError or StoreFullError where it cannot be written.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_new_file(temporary, data, mode=mode)
    try:
        temporary.replace(path)
    except OSError as exc:
        raise output_error(exc, path) from exc
    finally:  # Ctrl-C included
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def require_new_file(path: Path) -> None:
    """Raise OutputError where ``write_new_file`` would: better said before the work than after."""
    if os.path.lexists(path) or not path.parent.is_dir():
        raise OutputError(
            f"cannot write {path}",
            expected="a path that is not taken, in a folder that exists",
            found="a file" if os.path.lexists(path) else "no such folder",
            remedy="Choose another path, or remove it first.",
        )


def make_folder(path: Path, *, mode: int = 0o777) -> None:
    """A folder that may be there already. Raises OutputError or StoreFullError where it cannot."""
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as exc:
        raise output_error(exc, path) from exc


def sync_folder(path: Path) -> None:
    """Bring the names in a folder down to the disk. Raises OutputError where that fails."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as exc:
        raise output_error(exc, path) from exc


def output_error(error: OSError, path: Path) -> EdgewardenError:
    """What a failure to write at ``path`` is in our terms; raise it ``from error``."""
    reason = error.strerror or str(error)
    if error.errno in _NO_ROOM:
        return StoreFullError(
            f"no room to write {path}", found=reason, remedy="Free some space and try again."
        )
    if error.errno == errno.EEXIST:
        return OutputError(
            f"{path} is there already",
            expected="a path that is not taken",
            remedy="Choose another path, or remove it first.",
        )
    return OutputError(
        f"cannot write {path}",
        expected="a folder that exists and may be written to",
        found=reason,
    )
