"""The outbox in SQLite: an event is on the disk before anything else happens to it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from edge.errors import StoreCorruptError
from edge.events.uuid7 import Uuid7
from edge.store.base import Follow, Outbox, numbered
from edge.store.sqlite import Database, Schema
from edge.types import Event, EventDraft

SCHEMA = Schema(
    kind="outbox",
    application_id=0x65776F62,  # "ewob"
    migrations=(
        (
            """CREATE TABLE events (
                node_sequence INTEGER PRIMARY KEY,
                id TEXT NOT NULL UNIQUE,
                source TEXT NOT NULL,
                type TEXT NOT NULL,
                subject TEXT,
                time REAL NOT NULL,
                data TEXT NOT NULL
            ) STRICT""",
            # The last number given out for each source, and for the node under the empty one:
            # kept apart from the events, which are deleted.
            """CREATE TABLE sequences (
                source TEXT PRIMARY KEY,
                last INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID""",
        ),
    ),
)

_NODE = ""


class SqliteOutbox(Outbox):
    """An outbox in one file.

    max_bytes: most that the file may grow to; None for no limit. new_id: gives each event its id;
    omitted, UUIDv7 by the system's clock.
    """

    def __init__(
        self, path: Path, *, max_bytes: int | None = None, new_id: Callable[[], str] | None = None
    ) -> None:
        super().__init__()
        self._path = path
        self._max_bytes = max_bytes
        self._new_id = new_id or Uuid7(_clock_ms, os.urandom)

    def _open(self) -> None:
        self._db = Database(self._path, SCHEMA, max_bytes=self._max_bytes)

    def _close(self) -> None:
        self._db.close()

    def _append(self, drafts: Sequence[EventDraft], follow: Follow) -> list[Event]:
        with self._db.writing() as connection:
            last: dict[str, int] = dict(connection.execute("SELECT source, last FROM sequences"))
            events = self._number(drafts, last)
            events += self._number(follow(events), last)
            connection.executemany(
                "INSERT INTO events (node_sequence, id, source, type, subject, time, data)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [_row(event) for event in events],
            )
            used = {_NODE, *(event.source for event in events)}
            connection.executemany(
                "INSERT INTO sequences (source, last) VALUES (?, ?)"
                " ON CONFLICT (source) DO UPDATE SET last = excluded.last",
                [(source, last[source]) for source in sorted(used)],
            )
        return events

    def _number(self, drafts: Sequence[EventDraft], last: dict[str, int]) -> list[Event]:
        """The events that drafts become, counted on from ``last``, which is moved on."""
        events = []
        for draft in drafts:
            for source in (_NODE, draft.source):
                last[source] = last.get(source, 0) + 1
            events.append(
                numbered(
                    draft,
                    id=self._new_id(),
                    sequence=last[draft.source],
                    node_sequence=last[_NODE],
                )
            )
        return events

    def _pending(self, limit: int, after: int) -> list[Event]:
        with self._db.reading() as connection:
            rows = connection.execute(
                "SELECT node_sequence, id, source, type, subject, time, data FROM events"
                " WHERE node_sequence > ? ORDER BY node_sequence LIMIT ?",
                (after, limit),
            ).fetchall()
        return [self._event(*row) for row in rows]

    def _delete(self, node_sequences: Collection[int]) -> None:
        with self._db.writing() as connection:
            connection.executemany(
                "DELETE FROM events WHERE node_sequence = ?", [(n,) for n in node_sequences]
            )

    def committed(self) -> int:
        """How many events were ever committed, those that are long gone included."""
        with self._in_use(), self._db.reading() as connection:
            row = connection.execute(
                "SELECT last FROM sequences WHERE source = ?", (_NODE,)
            ).fetchone()
        return 0 if row is None else int(row[0])

    def _depth(self) -> int:
        with self._db.reading() as connection:
            depth: int = connection.execute("SELECT count(*) FROM events").fetchone()[0]
        return depth

    def _oldest(self) -> float | None:
        with self._db.reading() as connection:
            row = connection.execute(
                "SELECT time FROM events ORDER BY node_sequence LIMIT 1"
            ).fetchone()
        return None if row is None else float(row[0])

    def _event(
        self,
        node_sequence: int,
        id: str,
        source: str,
        type: str,
        subject: str | None,
        time: float,
        data: str,
    ) -> Event:
        try:
            facts = json.loads(data)
        except ValueError as exc:
            raise StoreCorruptError(
                f"{self._path} is damaged", found=f"event {node_sequence} is no JSON"
            ) from exc
        return Event(id, source, type, subject, time, facts)


def _row(event: Event) -> tuple[object, ...]:
    data = json.dumps(event.data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return (
        event.node_sequence,
        event.id,
        event.source,
        event.type,
        event.subject,
        event.time,
        data,
    )


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000
