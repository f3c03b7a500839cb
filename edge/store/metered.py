"""The daemon's outbox: it counts what goes in, times it, and says when something was committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge.errors import StoreBusyError, StoreFullError
from edge.events.names import type_of
from edge.ops.metrics import Metrics
from edge.store.base import Follow
from edge.store.outbox import SqliteOutbox
from edge.types import Event, EventDraft

# Whoever writes these tries again until they are committed.
_TRIED_AGAIN = (type_of("system", "outbox_dropped"), type_of("system", "degraded"))


class MeteredOutbox(SqliteOutbox):
    """An outbox that fills in the daemon's metrics.

    on_commit: called after every commit, on the thread that made it; it must be quick. lost: events
    that had no room and of which nobody was told yet; what is tried again until it has room is none
    of them.
    """

    def __init__(
        self, path: Path, *, max_bytes: int, metrics: Metrics, on_commit: Callable[[], None]
    ) -> None:
        super().__init__(path, max_bytes=max_bytes)
        self._metrics = metrics
        self._on_commit = on_commit
        self.lost = 0

    def _append(self, drafts: Sequence[EventDraft], follow: Follow) -> list[Event]:
        try:
            with self._metrics.stage_seconds.time(stage="commit"):
                events = super()._append(drafts, follow)
        except (StoreFullError, StoreBusyError):
            lost = sum(draft.type not in _TRIED_AGAIN for draft in drafts)
            self.lost += lost
            self._metrics.events_lost.inc(lost)
            raise
        for event in events:
            self._metrics.events.inc(type=event.type)
        self._on_commit()
        return events
