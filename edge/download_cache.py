"""Files kept under their hash, and those of which only a part has arrived."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from edge.closing import Closing
from edge.durable import output_error, sync_folder
from edge.errors import StoreBusyError

_CHUNK = 1 << 20


class DownloadCache:
    """A folder of files named after their SHA-256. What is found there has that hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, sha256: str) -> Path | None:
        """The file with that hash; None where there is none, or only a damaged one, which goes.

        Raises OutputError where it cannot be read.
        """
        path = self.folder / sha256
        try:
            with path.open("rb") as file:
                if hash_of(file) == sha256:
                    return path
            path.unlink()
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise output_error(exc, path) from exc
        return None

    def part(self, sha256: str) -> Part:
        """What has arrived of a file so far; to be used in a with block."""
        return Part(self.folder, sha256)


class Part(Closing):
    """A file that is arriving; it belongs to one process at a time.

    Entering raises StoreBusyError where another process has it, OutputError where the folder
    cannot be written.
    """

    def __init__(self, folder: Path, sha256: str) -> None:
        self._target = folder / sha256
        self._path = folder / f"{sha256}.part"
        self._note = folder / f"{sha256}.part.json"
        self._file: BinaryIO | None = None

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self._opened.seek(0, os.SEEK_END)

    def append(self, data: bytes) -> None:
        """Add what has arrived. Raises StoreFullError where there is no room."""
        try:
            self._opened.seek(0, os.SEEK_END)
            self._opened.write(data)
        except OSError as exc:
            raise output_error(exc, self._path) from exc

    def clear(self) -> None:
        """Begin anew."""
        self._opened.truncate(0)
        self._note.unlink(missing_ok=True)

    def remember(self, url: str, validator: str | None) -> None:
        """Note what the server at a URL calls this content."""
        try:
            self._note.write_text(json.dumps({"url": url, "validator": validator}))
        except OSError as exc:
            raise output_error(exc, self._note) from exc

    def validator(self, url: str) -> str | None:
        """What the server at this URL called the content that has arrived; None if it did not."""
        with suppress(OSError, ValueError):
            noted = json.loads(self._note.read_bytes())
            if isinstance(noted, dict) and noted.get("url") == url:
                validator = noted.get("validator")
                return validator if isinstance(validator, str) and validator.isprintable() else None
        return None

    def sha256(self) -> str:
        """The hash of what has arrived."""
        self._opened.seek(0)
        return hash_of(self._opened)

    def commit(self) -> Path:
        """Give the file its name, once it is on the disk. Raises OutputError where that fails."""
        try:
            os.fsync(self._opened.fileno())
            self._path.rename(self._target)
        except OSError as exc:
            raise output_error(exc, self._target) from exc
        self._note.unlink(missing_ok=True)
        sync_folder(self._target.parent)
        return self._target

    def close(self) -> None:
        """Let go of it; what has arrived stays, unless that is nothing."""
        file, self._file = self._file, None
        if file is not None:
            with file:
                if not os.fstat(file.fileno()).st_size:
                    self._path.unlink(missing_ok=True)

    @property
    def _opened(self) -> BinaryIO:
        assert self._file is not None  # used in a with block
        return self._file

    def _prepare(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            file = open(os.open(self._path, flags, 0o600), "r+b", buffering=0)  # noqa: SIM115
        except OSError as exc:
            raise output_error(exc, self._path) from exc
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            file.close()
            raise self._busy() from exc
        if not _is_at(file, self._path):  # finished elsewhere between opening and locking
            file.close()
            raise self._busy()
        self._file = file

    def _busy(self) -> StoreBusyError:
        return StoreBusyError(
            "this file is being fetched by another process",
            found=str(self._path),
            remedy="Wait until it is done.",
        )


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is still what lies at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def hash_of(file: BinaryIO) -> str:
    """SHA-256 of what follows in a file, in hexadecimal."""
    total = hashlib.sha256()
    while part := file.read(_CHUNK):
        total.update(part)
    return total.hexdigest()
