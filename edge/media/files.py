"""Files to read and files to write, with the errors that a user can act on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.durable import output_error
from edge.errors import MediaError, OutputError


def existing_file(path: str | os.PathLike[str], wanted: str) -> Path:
    """The path of a readable file that is not empty, MediaError for anything else."""
    file = Path(path)
    found = ""
    try:
        if file.is_dir():
            found = "a folder"
        elif file.exists() and not file.is_file():
            found = "neither a file nor a folder"
        else:
            with file.open("rb") as opened:
                found = "" if opened.read(1) else "an empty file"
    except OSError as exc:
        raise MediaError(
            f"{file} cannot be read",
            expected=wanted,
            found=(exc.strerror or str(exc)).lower(),
            remedy="Check the path and its permissions.",
        ) from exc
    if found:
        raise MediaError(f"{file} cannot be read", expected=wanted, found=found)
    return file


class NewFile:
    """A file that appears under its name only when it is whole.

    It is written as ``part``, beside the target, so that the last step is one atomic rename.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")

    def check(self) -> None:
        """Raise OutputError where the target can be no file."""
        found = ""
        if self.path.exists() and not self.path.is_file():
            found = "a folder" if self.path.is_dir() else "a device or pipe"
        elif not self.path.parent.is_dir():
            found = f"no folder {self.path.parent}"
        if found:
            raise OutputError(
                f"{self.path} cannot be written",
                expected="a file name in an existing folder",
                found=found,
                remedy="Name another file, or make the folder first.",
            )

    def commit(self) -> None:
        """Give the finished file its name, once its content is on the disk."""
        descriptor = os.open(self.part, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.part.replace(self.path)

    def discard(self) -> None:
        """Remove what is left of an unfinished file; nothing, after commit."""
        self.part.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate OSError: StoreFullError where the disk is full, OutputError for anything else."""
    try:
        yield
    except OSError as exc:
        raise output_error(exc, path) from exc
