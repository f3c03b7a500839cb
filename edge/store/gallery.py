"""The gallery in SQLite: who is enrolled, what they agreed to, and their templates."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from edge.errors import OutputError, StoreBusyError, StoreCorruptError, StoreFullError
from edge.store.base import (
    Consent,
    Enrolled,
    GalleryStore,
    Person,
    TemplateNote,
    already_enrolled,
    no_such_person,
)
from edge.store.sealer import PlainSealer, Sealer
from edge.store.sqlite import Database, Schema, snapshot
from edge.types import Embedding, Template

_log = logging.getLogger(__name__)

SCHEMA = Schema(
    kind="gallery",
    application_id=0x65776761,  # "ewga"
    migrations=(
        (
            """CREATE TABLE people (
                id TEXT PRIMARY KEY,
                name TEXT NOT NULL,
                created REAL NOT NULL
            ) STRICT, WITHOUT ROWID""",
            """CREATE TABLE consents (
                id INTEGER PRIMARY KEY,
                person TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
                text TEXT NOT NULL,
                time REAL NOT NULL
            ) STRICT""",
            """CREATE TABLE templates (
                id INTEGER PRIMARY KEY,
                person TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
                space TEXT NOT NULL,
                dimension INTEGER NOT NULL,
                vector BLOB NOT NULL,
                quality REAL NOT NULL,
                source TEXT NOT NULL,
                created REAL NOT NULL
            ) STRICT""",
            "CREATE INDEX consents_of_person ON consents (person)",
            "CREATE INDEX templates_of_person ON templates (person)",
            # Erased from the tables, perhaps not yet from the bytes of the file.
            "CREATE TABLE erasures (person TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
        ),
    ),
)

# float32, little-endian, whatever the machine.
_VECTOR = np.dtype("<f4")


class SqliteGalleryStore(GalleryStore):
    """A gallery in one file.

    sealer: what vectors go through on their way to the file and back. read_only: look at the file
    anew in every call and hold nothing in between; works beside a writer, and before there is any
    gallery, which then is empty. What would write raises OutputError.
    """

    def __init__(
        self, path: Path, *, sealer: Sealer | None = None, read_only: bool = False
    ) -> None:
        super().__init__()
        self._path = path
        self._sealer = sealer or PlainSealer()
        self._read_only = read_only
        self._database: Database | None = None

    def _open(self) -> None:
        if self._read_only:
            return
        with ExitStack() as undo:
            self._database = Database(self._path, SCHEMA)
            undo.callback(self._close)
            try:
                self._finish_erasures()
            except (StoreBusyError, StoreFullError) as exc:
                _log.warning("an erasure is not finished yet: %s", exc)
            undo.pop_all()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        source = self._database.reading() if self._database else snapshot(self._path, SCHEMA)
        with source as connection:
            yield connection

    def _writer(self) -> Database:
        if self._database is None:
            raise OutputError(f"{self._path} is open for reading only")
        return self._database

    def _add_person(self, person: Person, templates: Sequence[Enrolled]) -> None:
        with self._writer().writing() as connection:
            if _is_enrolled(connection, person.id):
                raise already_enrolled(person.id)
            connection.execute(
                "INSERT INTO people (id, name, created) VALUES (?, ?, ?)",
                (person.id, person.name, person.created),
            )
            self._insert(connection, person.id, person.consents, templates)

    def _add_templates(self, person: str, consent: Consent, templates: Sequence[Enrolled]) -> None:
        with self._writer().writing() as connection:
            if not _is_enrolled(connection, person):
                raise no_such_person(person)
            self._insert(connection, person, (consent,), templates)

    def _insert(
        self,
        connection: sqlite3.Connection,
        person: str,
        consents: Sequence[Consent],
        templates: Sequence[Enrolled],
    ) -> None:
        connection.executemany(
            "INSERT INTO consents (person, text, time) VALUES (?, ?, ?)",
            [(person, consent.text, consent.time) for consent in consents],
        )
        connection.executemany(
            "INSERT INTO templates (person, space, dimension, vector, quality, source, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    person,
                    kept.embedding.space,
                    len(kept.embedding.vector),
                    self._sealed(person, kept.embedding),
                    kept.quality,
                    kept.source,
                    kept.created,
                )
                for kept in templates
            ],
        )

    def _erase(self, person: str) -> int:
        with self._writer().writing() as connection:
            removed = connection.execute(
                "DELETE FROM templates WHERE person = ?", (person,)
            ).rowcount
            known = connection.execute("DELETE FROM people WHERE id = ?", (person,)).rowcount
            if not known and not _is_being_erased(connection, person):
                raise no_such_person(person)
            connection.execute("INSERT OR IGNORE INTO erasures (person) VALUES (?)", (person,))
        self._finish_erasures()
        return removed

    def _finish_erasures(self) -> None:
        database = self._writer()
        with database.reading() as connection:
            if connection.execute("SELECT 1 FROM erasures").fetchone() is None:
                return
        database.scrub()
        with database.writing() as connection:
            connection.execute("DELETE FROM erasures")
        database.empty_log()

    def _people(self) -> list[Person]:
        with self._reading() as connection:
            people = connection.execute(
                "SELECT id, name, created FROM people ORDER BY id"
            ).fetchall()
            consents: dict[str, list[Consent]] = {}
            for person, text, time in connection.execute(
                "SELECT person, text, time FROM consents ORDER BY id"
            ):
                consents.setdefault(person, []).append(Consent(text, time))
        try:
            return [
                Person(id=id, name=name, created=created, consents=tuple(consents.get(id, ())))
                for id, name, created in people
            ]
        except ValueError as exc:
            raise StoreCorruptError(f"{self._path} is damaged", found=str(exc)) from exc

    def _notes(self, person: str) -> list[TemplateNote]:
        with self._reading() as connection:
            if not _is_enrolled(connection, person):
                raise no_such_person(person)
            rows = connection.execute(
                "SELECT space, dimension, quality, source, created FROM templates"
                " WHERE person = ? ORDER BY id",
                (person,),
            ).fetchall()
        return [
            TemplateNote(
                space=space, dimension=dimension, quality=quality, source=source, created=created
            )
            for space, dimension, quality, source, created in rows
        ]

    def _templates(self, space: str) -> list[Template]:
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT id, person, dimension, vector FROM templates WHERE space = ? ORDER BY id",
                (space,),
            ).fetchall()
        return [Template(row[1], self._embedding(space, *row)) for row in rows]

    def _spaces(self) -> dict[str, int]:
        with self._reading() as connection:
            return dict(
                connection.execute(
                    "SELECT space, count(*) FROM templates GROUP BY space ORDER BY min(id)"
                )
            )

    def _check(self) -> list[str]:
        try:
            with self._reading() as connection:
                return [*_broken_tables(connection), *self._broken_rows(connection)]
        except StoreCorruptError as exc:
            return [str(exc)]

    def _broken_rows(self, connection: sqlite3.Connection) -> Iterator[str]:
        for table in ("consents", "templates"):
            for (person,) in connection.execute(
                f"SELECT id FROM people WHERE id NOT IN (SELECT person FROM {table})"
            ):
                yield f"{person!r} has no {table}"
        for (person,) in connection.execute("SELECT person FROM erasures"):
            yield f"the erasure of {person!r} is not finished: erase it again"
        for row in connection.execute(
            "SELECT space, id, person, dimension, vector FROM templates ORDER BY id"
        ):
            try:
                self._embedding(*row)
            except StoreCorruptError as exc:
                yield exc.found

    def _sealed(self, person: str, embedding: Embedding) -> bytes:
        plain = np.ascontiguousarray(embedding.vector, _VECTOR).tobytes()
        return self._sealer.seal(plain, _context(person, embedding.space))

    def _embedding(
        self, space: str, id: int, person: str, dimension: int, sealed: bytes
    ) -> Embedding:
        plain = self._sealer.unseal(sealed, _context(person, space))
        try:
            if len(plain) != dimension * _VECTOR.itemsize:
                raise ValueError(f"expected {dimension} numbers, found {len(plain)} bytes")
            return Embedding(np.frombuffer(plain, _VECTOR).astype(np.float32), space)
        except ValueError as exc:
            raise StoreCorruptError(
                f"{self._path} is damaged",
                found=f"template {id} of {person!r}: {exc}",
                remedy="Erase and enrol that person again.",
            ) from exc


def _context(person: str, space: str) -> bytes:
    return f"{person}\0{space}".encode()


def _is_enrolled(connection: sqlite3.Connection, person: str) -> bool:
    query = "SELECT 1 FROM people WHERE id = ?"
    return connection.execute(query, (person,)).fetchone() is not None


def _is_being_erased(connection: sqlite3.Connection, person: str) -> bool:
    query = "SELECT 1 FROM erasures WHERE person = ?"
    return connection.execute(query, (person,)).fetchone() is not None


def _broken_tables(connection: sqlite3.Connection) -> list[str]:
    said = [row[0] for row in connection.execute("PRAGMA quick_check")]
    orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
    return [
        *(line for line in said if line != "ok"),
        *(f"row {row} of {table} belongs to nobody" for table, row, *_ in orphans),
    ]
