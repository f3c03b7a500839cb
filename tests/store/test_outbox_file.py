"""The outbox on disk: restarts, crashes, a full disk, and other processes."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import StoreBusyError, StoreCorruptError, StoreFullError
from edge.store.outbox import SqliteOutbox
from edge.types import EventDraft

if TYPE_CHECKING:
    from tests.store.conftest import Drafter, Sharer

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("edgewarden/s/n/a", "edgewarden/s/n/b", "edgewarden/s/n/_node")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


def made(source: str) -> EventDraft:
    return EventDraft(source, "edgewarden.system.started.v1", None, 1.0, {"phase": "once"})


def test_events_and_numbers_survive_a_restart(path: Path, draft: Drafter) -> None:
    with SqliteOutbox(path) as outbox:
        events = outbox.append([draft(time=1795255200.123, box=[0.1, 1e-7]), draft()])
    with SqliteOutbox(path) as outbox:
        assert outbox.pending(limit=10) == events
        outbox.delete([1, 2])
    with SqliteOutbox(path) as outbox:
        (event,) = outbox.append([draft()])
        assert (event.sequence, event.node_sequence) == (3, 3)


def test_what_is_long_gone_counts_as_committed(path: Path, draft: Drafter) -> None:
    with SqliteOutbox(path) as outbox:
        assert outbox.committed() == 0
        outbox.append([draft(), draft()])
        outbox.delete([1, 2])
        assert outbox.committed() == 2
    with SqliteOutbox(path) as outbox:
        outbox.append([draft()])
        assert outbox.committed() == 3


def test_ids_are_uuids_that_ascend(path: Path, draft: Drafter) -> None:
    with SqliteOutbox(path) as outbox:
        ids = [event.id for event in outbox.append([draft() for _ in range(50)])]
    assert ids == sorted(set(ids))
    assert all(id[14] == "7" for id in ids)


def test_a_draft_that_is_no_json_leaves_nothing(path: Path, draft: Drafter) -> None:
    with SqliteOutbox(path) as outbox:
        with pytest.raises(ValueError, match="JSON compliant"):
            outbox.append([draft(), draft(quality=math.nan)])
        assert outbox.depth() == 0
        assert outbox.append([draft()])[0].node_sequence == 1


Step = tuple[str, list[int]]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(st.integers(0, 2), max_size=5)),
        st.tuples(st.just("delete"), st.lists(st.integers(1, 30), max_size=5)),
        st.tuples(st.just("restart"), st.just([])),
    ),
    max_size=20,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_no_number_is_left_out_or_given_twice(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    path = tmp_path_factory.mktemp("outbox") / "outbox.db"
    given_out: list[tuple[str, int]] = []
    pending: set[int] = set()
    outbox = SqliteOutbox(path)
    outbox.open()
    for name, numbers in steps:
        if name == "append":
            events = outbox.append([made(SOURCES[n]) for n in numbers])
            given_out += [(event.source, event.sequence) for event in events]
            assert [e.node_sequence for e in events] == list(
                range(len(given_out) - len(events) + 1, len(given_out) + 1)
            )
            pending |= {event.node_sequence for event in events}
        elif name == "delete":
            outbox.delete(numbers)
            pending -= set(numbers)
        else:
            outbox.close()
            outbox.open()
        assert [e.node_sequence for e in outbox.pending(limit=1000)] == sorted(pending)
    outbox.close()
    for source in SOURCES:
        of_source = [sequence for owner, sequence in given_out if owner == source]
        assert of_source == list(range(1, len(of_source) + 1))


APPEND_FOR_EVER = """
import random, sys
from pathlib import Path
from edge.store.outbox import SqliteOutbox
from edge.types import EventDraft

sources = sys.argv[2:]
with SqliteOutbox(Path(sys.argv[1])) as outbox:
    while True:
        drafts = [
            EventDraft(random.choice(sources), "edgewarden.system.started.v1", None, 1.0, {})
            for _ in range(random.randint(1, 4))
        ]
        events = outbox.append(drafts)
        print("+", *(event.node_sequence for event in events), flush=True)
        if random.random() < 0.3:
            gone = events[0].node_sequence
            print("?", gone, flush=True)
            outbox.delete([gone])
            print("-", gone, flush=True)
"""


def test_a_kill_at_any_moment_loses_and_repeats_nothing(path: Path) -> None:
    moments = random.Random(7)
    kept: set[int] = set()
    for _ in range(20):
        with subprocess.Popen(
            [sys.executable, "-c", APPEND_FOR_EVER, str(path), *SOURCES],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            time.sleep(moments.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.readlines()
        assert process.returncode == -signal.SIGKILL
        told, maybe_gone, gone = kept, set[int](), set[int]()
        # The kill may also have cut the last line short.
        for line in (line for line in lines if line.endswith("\n")):
            sign, *numbers = line.split()
            known = set(map(int, numbers))
            if sign == "+":
                told |= known
            elif sign == "?":
                maybe_gone |= known
            else:
                told -= known
                maybe_gone -= known
                gone |= known
        kept = verify(path, told, maybe_gone, gone)
    assert len(kept) > 20


def verify(path: Path, told: set[int], maybe_gone: set[int], gone: set[int]) -> set[int]:
    """Check what a restart finds against what the killed process had been told is committed."""
    with SqliteOutbox(path) as outbox:
        found = outbox.pending(limit=1_000_000)
        numbers = [event.node_sequence for event in found]
        assert numbers == sorted(set(numbers))
        assert told - maybe_gone <= set(numbers)
        assert gone.isdisjoint(numbers)
        # At most one call was under way: what it had committed unheard is the end of the numbers.
        assert all(n > max(told | gone) for n in set(numbers) - told)
        # Every number up to the next one was given out exactly once, in each source as in all.
        events = outbox.append([made(source) for source in SOURCES])
        last = numbers[-1] if numbers else 0
        assert events[0].node_sequence >= last + 1
        assert sum(event.sequence for event in events) == events[-1].node_sequence
        assert len({event.id for event in [*found, *events]}) == len(found) + len(events)
        return {event.node_sequence for event in [*found, *events]}


FILL_UP = """
import json, resource, sys
from pathlib import Path
from edge.errors import StoreFullError
from edge.store.outbox import SqliteOutbox
from edge.types import EventDraft

def draft():
    data = {"x": "y" * 500}
    return EventDraft("edgewarden/s/n/a", "edgewarden.system.started.v1", None, 1.0, data)

kept, result = [], {}
with SqliteOutbox(Path(sys.argv[1])) as outbox:
    if sys.argv[2] == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    try:
        while len(kept) < 100_000:
            kept += [event.node_sequence for event in outbox.append([draft(), draft()])]
    except StoreFullError as error:
        result["error"] = str(error)
    result["kept"] = kept
    result["pending"] = [event.node_sequence for event in outbox.pending(limit=1_000_000)]
    if sys.argv[2] == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    else:
        Path(sys.argv[2]).unlink()
    result["next"] = [event.node_sequence for event in outbox.append([draft()])]
print(json.dumps(result))
"""


def fill_up(path: Path, how: object) -> None:
    """Append until there is no room, make room, append again; nothing committed is lost."""
    answer = subprocess.run(
        [sys.executable, "-c", FILL_UP, str(path), str(how)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    ).stdout
    result = json.loads(answer)
    assert "no room" in result["error"]
    assert result["pending"] == result["kept"] == list(range(1, len(result["kept"]) + 1))
    assert result["kept"]
    assert result["next"] == [len(result["kept"]) + 1]
    with SqliteOutbox(path) as outbox:
        assert outbox.depth() == len(result["kept"]) + 1


def test_a_file_that_may_not_grow_is_a_full_disk(path: Path) -> None:
    fill_up(path, "limit")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_on_a_disk_that_is_really_full_nothing_is_lost(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200_000))
    fill_up(small_disk / "outbox.db", ballast)


def test_a_disk_without_room_for_an_outbox_says_so(small_disk: Path) -> None:
    room = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize))
    with pytest.raises(StoreFullError):
        SqliteOutbox(small_disk / "outbox.db").open()


def append_until_full(outbox: SqliteOutbox, draft: EventDraft) -> int:
    for count in range(10_000):
        try:
            outbox.append([draft])
        except StoreFullError:
            return count
    pytest.fail("it never filled up")


def test_at_its_cap_it_takes_no_more_but_still_deletes(path: Path, draft: Drafter) -> None:
    with SqliteOutbox(path, max_bytes=100_000) as outbox:
        count = append_until_full(outbox, draft(text="x" * 1000))
        assert 50 < count < 100
        assert outbox.depth() == count
        outbox.delete(range(1, 21))
        assert outbox.append([draft()])[0].node_sequence == count + 1
    assert path.stat().st_size <= 100_000


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_while_another_process_writes_nothing_happens(
    path: Path,
    draft: Drafter,
    holding: Sharer,
    let_go: Callable[[object], None],
    lock: str,
) -> None:
    with SqliteOutbox(path) as outbox:
        outbox.append([draft()])
        other = holding(path, lock)
        with pytest.raises(StoreBusyError, match="locked"):
            outbox.append([draft()])
        with pytest.raises(StoreBusyError, match="locked"):
            outbox.delete([1])
        assert outbox.depth() == 1
        let_go(other)
        assert outbox.append([draft()])[0].node_sequence == 2


def test_an_event_that_is_no_json_any_more_is_damage(
    path: Path, draft: Drafter, holding: Sharer, let_go: Callable[[object], None]
) -> None:
    with SqliteOutbox(path) as outbox:
        outbox.append([draft()])
        let_go(holding(path, "UPDATE events SET data = '{'"))
        with pytest.raises(StoreCorruptError, match="event 1"):
            outbox.pending(limit=1)
