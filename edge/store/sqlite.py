"""SQLite as the stores use it: one writer, nothing lost on a power cut, nothing left of the erased.

The only module that opens a database; SQLite's errors are translated here.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.errors import (
    EdgewardenError,
    FatalError,
    OutputError,
    StoreBusyError,
    StoreCorruptError,
    StoreFullError,
    StoreVersionError,
)
from edge.store.disk import os_errors

# How long a call waits for another process before it raises StoreBusyError.
BUSY_TIMEOUT_S = 1.0

_LOCK_POLL_S = 0.02

# SQLite's own words, because result codes reach Python only from 3.11 on.
_BUSY = ("is locked",)
_FULL = ("disk is full",)
_CORRUPT = ("malformed", "not a database")
_DENIED = ("readonly", "read-only", "unable to open", "access permission denied")
_IO = ("disk I/O error",)
_UNREADABLE = {"SQLITE_IOERR_READ", "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_CORRUPTFS"}


@dataclass(frozen=True, slots=True)
class Schema:
    """What a database of one kind holds.

    application_id: SQLite's mark of the file's kind. migrations: the statements of each version,
    oldest first; a file's version is how many of them it has had. Released ones never change.
    """

    kind: str
    application_id: int
    migrations: tuple[tuple[str, ...], ...]


class Database:
    """The one connection that writes and checkpoints a file.

    A lock on ``<file>.lock`` keeps other writers out for as long as it is open: SQLite up to 3.51.2
    may damage a log that two connections reset at once. Readers of other processes are welcome.

    max_bytes: the file grows no further, so that a full disk cannot keep it from deleting; None
    for no limit. Raises what ``Store.open`` does.
    """

    def __init__(self, path: Path, schema: Schema, *, max_bytes: int | None = None) -> None:
        self.path = path
        with ExitStack() as undo:
            self._lock = _claim(path)
            undo.callback(os.close, self._lock)
            self._connection = _open_to_write(path, schema, max_bytes)
            undo.pop_all()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, to read from; SQLite's errors are translated."""
        with _sqlite_errors(self.path):
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection within a transaction, which is committed unless something is raised."""
        with _sqlite_errors(self.path), _transaction(self._connection):
            yield self._connection

    def scrub(self) -> None:
        """Leave no byte of what was deleted, in the file or its log.

        secure_delete alone does not do that: rows which SQLite moved between pages while they
        lived have left copies, and only writing every page anew gets rid of those.
        """
        with _sqlite_errors(self.path):
            self._connection.execute("VACUUM")
        self.empty_log()

    def empty_log(self) -> None:
        """Write the log back to the file and cut it to nothing.

        Raises StoreBusyError while a reader still needs it.
        """
        with _sqlite_errors(self.path):
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreBusyError(
                f"{self.path} is being read by another process", remedy="Try again in a moment."
            )

    def close(self) -> None:
        """Close the file and let others write."""
        try:
            self._connection.close()
        finally:
            os.close(self._lock)


@contextmanager
def snapshot(path: Path, schema: Schema) -> Iterator[sqlite3.Connection]:
    """A connection that only reads, and sees one state of the file however long it takes.

    Works beside a writer. Where there is no file yet, or nothing in it, that state is empty.
    """
    with _sqlite_errors(path):
        connection = _connect_to_read(path, schema)
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()


def _connect_to_read(path: Path, schema: Schema) -> sqlite3.Connection:
    with os_errors(path):
        there = path.exists()
    if there:
        with ExitStack() as undo:
            connection = _connect(path, "ro")
            undo.callback(connection.close)
            version = _version(connection, path, schema)
            if 0 < version < len(schema.migrations):
                raise StoreVersionError(
                    f"{path} was written by an older version of Edgewarden",
                    expected=f"version {len(schema.migrations)}",
                    found=f"version {version}",
                    remedy="Run a command that writes to it once; that brings it up to date.",
                )
            if version:
                undo.pop_all()
                return connection
    empty = sqlite3.connect(":memory:", isolation_level=None)
    _migrate(empty, schema, 0)
    return empty


def _claim(path: Path) -> int:
    """Take the lock that only one writer can have; returns its file descriptor."""
    with os_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError as exc:
            if time.monotonic() >= deadline:
                os.close(lock)
                raise StoreBusyError(
                    f"{path} is in use by another process",
                    remedy="Try again when that one has finished.",
                ) from exc
        time.sleep(_LOCK_POLL_S)


def _open_to_write(path: Path, schema: Schema, max_bytes: int | None) -> sqlite3.Connection:
    with os_errors(path):
        _make_private(path)
    with _sqlite_errors(path), ExitStack() as undo:
        connection = _connect(path, "rw")
        undo.callback(connection.close)
        _set_up(connection, path, schema, max_bytes)
        undo.pop_all()
        return connection


def _make_private(path: Path) -> None:
    # An existing file is never opened here: closing it would drop the locks that SQLite holds on
    # it elsewhere in this process (https://sqlite.org/howtocorrupt.html, 2.2).
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if path.is_file() and path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        # A store serves one call at a time, from whatever thread.
        check_same_thread=False,
    )


def _set_up(
    connection: sqlite3.Connection, path: Path, schema: Schema, max_bytes: int | None
) -> None:
    # Before anything is changed: the file may belong to somebody else.
    _version(connection, path, schema)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise OutputError(
            f"{path} lies where a database cannot have a write-ahead log",
            expected="a local file system",
            found=f"journal mode {mode}",
        )
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",
        # VACUUM must not leave its copy of everything in a temporary file.
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if max_bytes is not None:
        page = connection.execute("PRAGMA page_size").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {max(max_bytes // page, 1)}")
    with _transaction(connection):
        _migrate(connection, schema, _version(connection, path, schema))


def _version(connection: sqlite3.Connection, path: Path, schema: Schema) -> int:
    """How many migrations the file has had; 0 for an empty one."""
    mark = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if mark != schema.application_id and not (empty and mark == version == 0):
        raise StoreVersionError(
            f"{path} is no {schema.kind} of Edgewarden",
            expected=f"application id {schema.application_id:#x}",
            found=f"{mark:#x}",
            remedy="Move it away, or set another state_dir.",
        )
    if version > len(schema.migrations):
        raise StoreVersionError(
            f"{path} was written by a newer version of Edgewarden",
            expected=f"version {len(schema.migrations)} or below",
            found=f"version {version}",
            remedy="Install that version again.",
        )
    return version


def _migrate(connection: sqlite3.Connection, schema: Schema, version: int) -> None:
    if version == len(schema.migrations):
        return
    for statements in schema.migrations[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {schema.application_id}")
    connection.execute(f"PRAGMA user_version = {len(schema.migrations)}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # Some of SQLite's errors have rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise _error_for(exc, path) from exc


def _error_for(exc: sqlite3.Error, path: Path) -> EdgewardenError:
    said = str(exc)

    def says(words: tuple[str, ...]) -> bool:
        return any(word in said for word in words)

    if says(_BUSY):
        return StoreBusyError(
            f"{path} is locked by another process",
            found=said,
            remedy="Try again when that one has finished.",
        )
    unreadable = getattr(exc, "sqlite_errorname", "") in _UNREADABLE
    if says(_CORRUPT) or unreadable:
        return StoreCorruptError(
            f"{path} is damaged", found=said, remedy="Put back a copy, or move it away."
        )
    if says(_FULL) or says(_IO):
        return StoreFullError(
            f"no room to write {path}, or the disk fails",
            found=said,
            remedy="Free some space and try again.",
        )
    if says(_DENIED):
        return OutputError(
            f"{path} cannot be opened",
            expected="a file, in a folder, that this user may read and write",
            found=said,
        )
    return FatalError(f"{path} does not do what it should", found=said)
