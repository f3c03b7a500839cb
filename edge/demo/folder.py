"""Where a demo leaves what it made: a folder of its own, and nobody else's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edge.errors import OutputError
from edge.ops.lock import StateLock
from edge.store.disk import os_errors

# Lies in every folder that a demo made, so that the next one may replace that and no other.
_MARKER = ".edgewarden-demo"
STATE = "state"


def require_ours(out: Path) -> None:
    """Raise OutputError where a folder is there that no demo made: it would be replaced."""
    with os_errors(out):
        foreign = not _vacant(out) and (out.is_symlink() or not (out / _MARKER).is_file())
    if foreign:
        raise OutputError(
            f"{out} is there already, and no demo made it",
            expected="a folder that is not there yet, an empty one, or one of an earlier demo",
            remedy="Choose another --out.",
        )


def begin_anew(out: Path) -> None:
    """An empty folder with the marker, in place of an earlier demo's.

    Raises OutputError where another's is there, or where none can be made, UsageError where a demo
    is at work in it.
    """
    require_ours(out)
    state = out / STATE
    with os_errors(out):
        used = state.is_dir()
    if used:
        with StateLock(state):
            pass
    with os_errors(out):
        if not _vacant(out):
            shutil.rmtree(out)
    make_ours(out)


def make_ours(out: Path) -> None:
    """A folder with the marker where nothing is, or nothing in it; else all stays as it is.

    Raises OutputError where none can be made.
    """
    with os_errors(out):
        if _vacant(out):
            out.mkdir(parents=True, exist_ok=True)
            (out / _MARKER).touch()


def _vacant(out: Path) -> bool:
    """Whether nothing is there, or a folder with nothing in it."""
    if not os.path.lexists(out):
        return True
    return out.is_dir() and not out.is_symlink() and not any(out.iterdir())
