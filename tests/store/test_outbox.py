"""What every outbox keeps, the one on disk and the one in memory alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from edge.errors import ClosedError
from edge.store.base import Outbox
from edge.store.fake import FakeOutbox
from edge.store.outbox import SqliteOutbox

if TYPE_CHECKING:
    from tests.store.conftest import Drafter

OTHER = "edgewarden/hq/gate-01/yard"


@pytest.fixture(params=["sqlite", "fake"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    ids = (f"id-{n}" for n in count(1))
    made: Outbox = (
        SqliteOutbox(tmp_path / "outbox.db", new_id=lambda: next(ids))
        if request.param == "sqlite"
        else FakeOutbox(lambda: next(ids))
    )
    with made:
        yield made


def test_a_new_outbox_is_empty(outbox: Outbox) -> None:
    assert outbox.depth() == 0
    assert outbox.oldest() is None
    assert outbox.pending(limit=10) == []


def test_a_draft_becomes_an_event_with_id_and_numbers(outbox: Outbox, draft: Drafter) -> None:
    (event,) = outbox.append([draft(phase="once", box=[1.0, 2.5])])
    given = draft()
    assert (event.id, event.source, event.type) == ("id-1", given.source, given.type)
    assert (event.subject, event.time) == (given.subject, given.time)
    assert list(event.data.items()) == [
        *(("sequence", 1), ("node_sequence", 1)),
        *(("phase", "once"), ("box", [1.0, 2.5])),
    ]


def test_sequences_count_per_source_and_over_all(outbox: Outbox, draft: Drafter) -> None:
    events = outbox.append([draft(), draft(OTHER), draft()]) + outbox.append([draft(OTHER)])
    assert [event.sequence for event in events] == [1, 1, 2, 2]
    assert [event.node_sequence for event in events] == [1, 2, 3, 4]
    assert len({event.id for event in events}) == 4


def test_what_was_appended_is_pending_in_order(outbox: Outbox, draft: Drafter) -> None:
    events = outbox.append([draft(n=n, text="ü\n🔒", none=None) for n in range(5)])
    assert outbox.pending(limit=10) == events
    assert outbox.pending(limit=2) == events[:2]
    assert outbox.pending(limit=2, after=2) == events[2:4]
    assert outbox.pending(limit=10, after=5) == []
    assert outbox.depth() == 5


def test_appending_nothing_uses_no_number(outbox: Outbox, draft: Drafter) -> None:
    assert outbox.append([]) == []
    assert outbox.append([draft()])[0].node_sequence == 1


def test_only_what_is_deleted_is_gone(outbox: Outbox, draft: Drafter) -> None:
    events = outbox.append([draft(time=10.0 - n) for n in range(4)])
    outbox.delete([1, 3, 99])
    assert outbox.pending(limit=10) == [events[1], events[3]]
    assert outbox.depth() == 2
    assert outbox.oldest() == 9.0
    outbox.delete([])
    outbox.delete([1])
    assert outbox.depth() == 2


def test_numbers_go_on_after_everything_is_deleted(outbox: Outbox, draft: Drafter) -> None:
    outbox.append([draft(), draft(), draft(OTHER)])
    outbox.delete([1, 2, 3])
    assert outbox.oldest() is None
    (event,) = outbox.append([draft()])
    assert (event.sequence, event.node_sequence) == (3, 4)


def test_several_threads_may_use_it(outbox: Outbox, draft: Drafter) -> None:
    def work(source: str) -> None:
        for _ in range(20):
            (event,) = outbox.append([draft(source)])
            if event.sequence % 3 == 0:
                outbox.delete([event.node_sequence])

    sources = [f"edgewarden/hq/gate-01/c{n}" for n in range(4)]
    threads = [Thread(target=work, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = outbox.pending(limit=100)
    assert len(left) == 4 * (20 - 6)
    assert Counter(event.source for event in left) == dict.fromkeys(sources, 14)
    assert outbox.append([draft()])[0].node_sequence == 81


USES: list[Callable[[Outbox], object]] = [
    lambda outbox: outbox.append([]),
    lambda outbox: outbox.pending(limit=1),
    lambda outbox: outbox.delete([1]),
    lambda outbox: outbox.depth(),
    lambda outbox: outbox.oldest(),
]


@pytest.mark.parametrize("use", USES)
def test_it_is_of_no_use_once_closed(outbox: Outbox, use: Callable[[Outbox], object]) -> None:
    outbox.close()
    outbox.close()
    with pytest.raises(ClosedError, match="not open"):
        use(outbox)


@pytest.mark.parametrize("use", USES)
def test_it_is_of_no_use_before_it_is_open(tmp_path: Path, use: Callable[[Outbox], object]) -> None:
    for outbox in (SqliteOutbox(tmp_path / "outbox.db"), FakeOutbox(str)):
        with pytest.raises(ClosedError, match="not open"):
            use(outbox)
    assert list(tmp_path.iterdir()) == []
