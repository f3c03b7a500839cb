from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.errors import OutputError
from edge.events.cloudevents import from_json, to_json
from edge.publish.jsonl import JsonlPublisher

if TYPE_CHECKING:
    from tests.publish.conftest import Maker

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "events.jsonl"


@pytest.fixture(autouse=True)
def folder(path: Path) -> Path:
    path.parent.mkdir()
    return path.parent


def deliver_and_fail(publisher: JsonlPublisher, event: Maker) -> None:
    with publisher:
        publisher.deliver(event(1))
        raise ZeroDivisionError


def test_each_event_is_a_line(path: Path, event: Maker) -> None:
    events = [event(1, reason="zwei\nZeilen: ü"), event(2), event(5)]
    with JsonlPublisher(path) as publisher:
        for given in events:
            publisher.deliver(given)
    raw = path.read_bytes()
    assert raw == b"".join(to_json(given) + b"\n" for given in events)
    assert [from_json(line) for line in raw.splitlines()] == events


def test_without_events_there_is_an_empty_file(path: Path) -> None:
    with JsonlPublisher(path):
        pass
    assert path.read_bytes() == b""


def test_an_event_that_comes_again_is_written_once(path: Path, event: Maker) -> None:
    with JsonlPublisher(path) as publisher:
        for number in (1, 2, 2, 1, 3):
            publisher.deliver(event(number))
    lines = path.read_bytes().splitlines()
    numbers = [json.loads(line)["data"]["node_sequence"] for line in lines]
    assert numbers == [1, 2, 3]


def test_until_it_is_closed_the_old_file_stays(path: Path, folder: Path, event: Maker) -> None:
    path.write_text("old")
    with JsonlPublisher(path) as publisher:
        publisher.deliver(event(1))
        assert path.read_text() == "old"
        assert len(list(folder.iterdir())) == 2
    assert [file.name for file in folder.iterdir()] == ["events.jsonl"]
    assert from_json(path.read_bytes().rstrip()) == event(1)


def test_after_an_error_the_old_file_is_there_and_nothing_else(
    path: Path, folder: Path, event: Maker
) -> None:
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        deliver_and_fail(JsonlPublisher(path), event)
    assert [file.name for file in folder.iterdir()] == ["events.jsonl"]
    assert path.read_text() == "old"


def test_after_an_error_there_is_no_file_where_there_was_none(
    path: Path, folder: Path, event: Maker
) -> None:
    with pytest.raises(ZeroDivisionError):
        deliver_and_fail(JsonlPublisher(path), event)
    assert list(folder.iterdir()) == []


def test_the_file_behind_a_link_is_replaced_and_the_link_stays(
    path: Path, folder: Path, event: Maker
) -> None:
    real = folder / "real.jsonl"
    real.write_text("old")
    path.symlink_to(real)
    with JsonlPublisher(path) as publisher:
        publisher.deliver(event(1))
    assert path.is_symlink()
    assert real.read_bytes() == to_json(event(1)) + b"\n"


@pytest.mark.parametrize(
    "name", ["nowhere/events.jsonl", "file/events.jsonl", "folder", "pipe", "x" * 256]
)
def test_where_no_file_can_be_is_said_at_once(folder: Path, name: str) -> None:
    (folder / "file").touch()
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    before = sorted(folder.rglob("*"))
    with pytest.raises(OutputError) as caught:
        JsonlPublisher(folder / name).open()
    assert caught.value.exit_code == 2
    assert sorted(folder.rglob("*")) == before


WRITE_INTO_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from edge.errors import StoreFullError
from edge.publish.jsonl import JsonlPublisher
from edge.types import Event

resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
publisher = JsonlPublisher(Path(sys.argv[1]))
publisher.open()
data = {"node_sequence": 0, "text": "x" * 1000}
place = "delivering"
try:
    for n in range(1, int(sys.argv[2]) + 1):
        data["node_sequence"] = n
        publisher.deliver(Event("i", "a/b/c/d", "e.f.g.v1", None, 1.0, data))
    place = "closing"
    publisher.close()
except StoreFullError as error:
    print(place, error.exit_code, error)
publisher.close()
"""


@pytest.mark.parametrize(("events", "place"), [(100, "delivering"), (43, "closing")])
def test_a_full_disk_leaves_the_old_file(path: Path, folder: Path, events: int, place: str) -> None:
    path.write_text("old")
    answer = subprocess.run(
        [sys.executable, "-c", WRITE_INTO_LITTLE_ROOM, str(path), str(events)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    ).stdout
    assert answer.startswith(f"{place} 1 no room to write")
    assert [file.name for file in folder.iterdir()] == ["events.jsonl"]
    assert path.read_text() == "old"
