"""A file of events that grows: whole lines, whatever happened to whoever wrote the last ones."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge.errors import OutputError, StoreFullError
from edge.events.cloudevents import to_json
from edge.publish.event_file import EventFile
from edge.types import Event

Maker = Callable[..., Event]
BATCH = 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def lines_of(*events: Event) -> bytes:
    return b"".join(to_json(event) + b"\n" for event in events)


def append(path: Path, *events: Event) -> None:
    with EventFile(path, batch=BATCH) as file:
        file.append(events)


def test_every_event_is_a_line_after_those_that_are_there(path: Path, event: Maker) -> None:
    append(path, event(1), event(2))
    append(path)
    append(path, event(3))
    assert path.read_bytes() == lines_of(event(1), event(2), event(3))
    assert path.stat().st_mode & 0o007 == 0


def test_an_event_that_could_not_be_deleted_is_not_written_again(path: Path, event: Maker) -> None:
    append(path, *(event(number) for number in range(1, 8)))
    with EventFile(path, batch=BATCH) as file:
        file.append([event(5), event(6), event(7)])
        file.append([event(7), event(8)])
        file.append([event(7), event(8), event(9)])
    assert path.read_bytes() == lines_of(*(event(number) for number in range(1, 10)))


def test_numbers_that_start_anew_are_other_events(path: Path, event: Maker) -> None:
    append(path, event(5))
    anew = event(1, reason="another disk")
    append(path, anew)
    assert path.read_bytes() == lines_of(event(5), anew)


@pytest.mark.parametrize("kept", [0, 2])
@pytest.mark.parametrize("size", [1, 12, 40, -1])
def test_a_line_that_a_crash_cut_off_is_removed(
    path: Path, event: Maker, kept: int, size: int
) -> None:
    whole = lines_of(*(event(number) for number in range(kept)))
    path.write_bytes(whole + to_json(event(9))[: size if size > 0 else -1])
    append(path, event(9))
    assert path.read_bytes() == whole + lines_of(event(9))


@pytest.mark.parametrize("rest", [b"\0" * 5000, b'{"spec\0\0\0\n' + b"\0" * 300, b"\0\n\0\0\n"])
def test_blocks_that_a_power_cut_left_empty_are_removed(
    path: Path, event: Maker, rest: bytes
) -> None:
    path.write_bytes(lines_of(event(1), event(2)) + rest)
    append(path, event(3))
    assert path.read_bytes() == lines_of(event(1), event(2), event(3))


def test_a_whole_event_without_its_line_end_is_kept(path: Path, event: Maker) -> None:
    path.write_bytes(lines_of(event(1)) + to_json(event(2)))
    append(path, event(2), event(3))
    assert path.read_bytes() == lines_of(event(1), event(2), event(3))


@pytest.mark.parametrize("text", [b"[site]\nid = 'hq'\n", b"hello", b'{"specversion":"0.3"}\n'])
def test_what_holds_something_else_is_left_alone(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    with pytest.raises(OutputError, match="expected lines of events"):
        EventFile(path, batch=BATCH).open()
    assert path.read_bytes() == text


def test_where_no_file_can_be_is_said_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo, tmp_path / "nowhere" / "events", Path("/dev/null")):
        with pytest.raises(OutputError):
            EventFile(path, batch=BATCH).open()


def test_two_processes_do_not_write_to_one_file(path: Path, event: Maker) -> None:
    with EventFile(path, batch=BATCH) as first:
        with pytest.raises(OutputError, match="another process"):
            EventFile(path, batch=BATCH).open()
        first.append([event(1)])
    append(path, event(2))
    assert path.read_bytes() == lines_of(event(1), event(2))


def test_a_file_that_is_moved_away_is_followed_by_a_new_one(path: Path, event: Maker) -> None:
    with EventFile(path, batch=BATCH) as file:
        file.append([event(1), event(2)])
        moved = path.rename(path.with_suffix(".1"))
        file.append([event(2), event(3)])
        path.unlink()
        file.append([event(4)])
    assert moved.read_bytes() == lines_of(event(1), event(2))
    assert path.read_bytes() == lines_of(event(4))


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """The kernel writes up to the limit and refuses the rest."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)


def test_without_room_nothing_of_it_is_there_and_it_can_be_tried_again(
    path: Path, event: Maker
) -> None:
    many = [event(number) for number in range(1, 60)]
    with closing(EventFile(path, batch=100)) as file:
        file.append(many[:2])
        with files_up_to(path.stat().st_size + 100):
            for _ in range(2):
                with pytest.raises(StoreFullError):
                    file.append(many[2:])
        file.append(many[2:])
    assert path.read_bytes() == lines_of(*many)


def test_a_failed_write_leaves_nothing_even_if_it_is_the_last(path: Path, event: Maker) -> None:
    file = EventFile(path, batch=BATCH)
    file.open()
    with files_up_to(100), pytest.raises(StoreFullError):
        file.append([event(1)])
    file.close()
    assert path.read_bytes() == b""


WRITE = """
import sys
from pathlib import Path
from edge.publish.drain import FileDrain
from edge.store.outbox import SqliteOutbox
with SqliteOutbox(Path(sys.argv[1])) as outbox, FileDrain(Path(sys.argv[2]), outbox=outbox):
    print("going", flush=True)
    sys.stdin.read()
"""


def test_a_writer_that_is_killed_again_and_again_loses_and_repeats_nothing(
    tmp_path: Path, path: Path
) -> None:
    from edge.events.build import system_event
    from edge.store.outbox import SqliteOutbox

    source = "edgewarden/hq/gate-01/_node"
    committed: list[Event] = []
    for turn in range(12):
        with SqliteOutbox(tmp_path / "outbox.db") as outbox:
            for _ in range(40):
                committed += outbox.append([system_event("degraded", source=source, time=1.5)] * 10)
        command = [sys.executable, "-c", WRITE, str(tmp_path / "outbox.db"), str(path)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        ) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == b"going\n"
            if turn < 11:
                process.stdout.close()
                # The more turns, the later.
                signal.sigtimedwait([], turn * 0.002)
                process.kill()
            else:
                while path.read_bytes().count(b"\n") < len(committed):
                    signal.sigtimedwait([], 0.01)
                process.stdin.close()
    assert path.read_bytes() == lines_of(*committed)
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        assert outbox.depth() == 0
