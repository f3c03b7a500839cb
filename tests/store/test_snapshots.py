"""Pictures on a real disk: whole or not there, and within their budget and age."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.errors import ClosedError, OutputError, StoreFullError
from edge.events.uuid7 import Uuid7
from edge.store.snapshots import SnapshotCounts, SnapshotStore

DAY = 86_400.0
NOON = 1_795_262_400.0  # 2026-11-21T12:00:00Z
KB = b"\xff\xd8" + bytes(998)

MakeStore = Callable[..., SnapshotStore]


@pytest.fixture
def new_id() -> Uuid7:
    return Uuid7(lambda: round(NOON * 1000), os.urandom)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    return tmp_path / "state" / "media"


@pytest.fixture
def open_store(media: Path) -> Iterator[MakeStore]:
    stores = []

    def make(*, budget: int = 100_000, keep_days: float = 7) -> SnapshotStore:
        stores.append(SnapshotStore(media, budget=budget, keep_days=keep_days))
        stores[-1].open()
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_picture_lies_under_its_day_and_id_for_nobody_else_to_read(
    open_store: MakeStore, media: Path, new_id: Uuid7
) -> None:
    store, event = open_store(), new_id()
    path = store.put(event, NOON + 0.25, KB)
    assert path == media / "2026-11-21" / f"{event}.jpg"
    assert path.read_bytes() == KB
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mtime == NOON + 0.25
    for folder in (path.parent, media):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert files(media) == [f"2026-11-21/{event}.jpg"]
    assert store.counts() == SnapshotCounts(1, 1000, 0, 0)


def test_the_day_is_the_pictures_own_in_utc(
    open_store: MakeStore, media: Path, new_id: Uuid7
) -> None:
    store = open_store()
    days = [store.put(new_id(), t, KB).parent.name for t in (0.0, NOON + DAY / 2 - 1, NOON + DAY)]
    assert days == ["1970-01-01", "2026-11-21", "2026-11-22"]


def test_the_oldest_make_room_and_the_budget_is_never_passed(
    open_store: MakeStore, media: Path, new_id: Uuid7
) -> None:
    store = open_store(budget=5_000)
    paths = []
    for number in range(12):
        paths.append(store.put(new_id(), NOON + number * DAY / 4, KB))
        assert sum((media / name).stat().st_size for name in files(media)) <= 5_000
    assert [path for path in paths if path.exists()] == paths[-5:]
    assert store.counts() == SnapshotCounts(5, 5_000, 7, 0)
    store.put(new_id(), NOON + 9 * DAY, KB * 3)
    assert store.counts() == SnapshotCounts(3, 5_000, 10, 0)


def test_a_picture_larger_than_the_budget_is_refused_and_costs_no_other(
    open_store: MakeStore, media: Path, new_id: Uuid7
) -> None:
    store = open_store(budget=2_500)
    kept = store.put(new_id(), NOON, KB)
    with pytest.raises(StoreFullError, match=r"larger than all.*found 3,000.*budget_mb"):
        store.put(new_id(), NOON, KB * 3)
    assert files(media) == [str(kept.relative_to(media))]


def test_what_is_too_old_goes_and_its_empty_day_too(
    open_store: MakeStore, media: Path, new_id: Uuid7
) -> None:
    store = open_store(keep_days=2)
    old = [store.put(new_id(), NOON - seconds, KB) for seconds in (3 * DAY, 2 * DAY + 1)]
    young = [store.put(new_id(), NOON - seconds, KB) for seconds in (2 * DAY - 1, 0)]
    assert store.sweep(NOON) == 2
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in young)
    assert sorted(day.name for day in media.iterdir()) == ["2026-11-19", "2026-11-21"]
    assert store.counts() == SnapshotCounts(2, 2_000, 0, 2)
    assert store.sweep(NOON) == 0


def test_a_clock_that_jumps_stalls_nothing(
    open_store: MakeStore, media: Path, new_id: Uuid7
) -> None:
    store = open_store(budget=3_000, keep_days=2)
    for when in (NOON, NOON + 365 * DAY, NOON + 1, NOON - 365 * DAY, NOON + 2):
        last = store.put(new_id(), when, KB)
        assert last.exists()
    # What was written first made room, whatever its date.
    assert [Path(name).parts[0] for name in files(media)] == [
        "2025-11-21",
        "2026-11-21",
        "2026-11-21",
    ]
    assert store.sweep(NOON + 3) == 1


def test_a_new_opening_goes_on_where_the_last_one_was(
    open_store: MakeStore, media: Path, new_id: Uuid7
) -> None:
    first = open_store()
    paths = [first.put(new_id(), NOON + number * DAY, KB) for number in (3, 0, 2, 1)]
    first.close()
    second = open_store(budget=3_000)
    assert second.counts() == SnapshotCounts(3, 3_000, 1, 0)
    assert not paths[1].exists()
    assert not paths[1].parent.exists()
    second.put(new_id(), NOON + 4 * DAY, KB)
    assert not paths[3].exists()
    assert second.sweep(NOON + 9.5 * DAY) == 1
    assert not paths[2].exists()
    assert paths[0].exists()


def test_files_of_others_are_left_alone_and_unfinished_ones_removed(
    open_store: MakeStore, media: Path, new_id: Uuid7, tmp_path: Path
) -> None:
    day = media / "2026-11-20"
    day.mkdir(parents=True)
    outside = tmp_path / "kept.jpg"
    outside.write_bytes(KB)
    (day / f"{new_id()}.part").write_bytes(KB[:10])
    (day / "holiday.jpg").write_bytes(KB)
    (day / f"{new_id()}.mp4").write_bytes(KB)
    (day / f"{new_id()}.jpg").symlink_to(outside)
    (media / "notes").mkdir()
    (media / "notes" / f"{new_id()}.jpg").write_bytes(KB)
    left = [name for name in files(media) if not name.endswith(".part")]
    store = open_store(budget=1)
    assert store.counts() == SnapshotCounts(0, 0, 0, 0)
    assert store.sweep(NOON + 999 * DAY) == 0
    assert files(media) == left
    assert outside.exists()


def test_a_picture_that_somebody_else_deleted_costs_nothing(
    open_store: MakeStore, new_id: Uuid7
) -> None:
    store = open_store(budget=2_000)
    store.put(new_id(), NOON, KB).unlink()
    store.put(new_id(), NOON, KB)
    store.put(new_id(), NOON, KB)
    assert store.counts().kept == 2


def test_an_event_has_one_picture(open_store: MakeStore, new_id: Uuid7) -> None:
    store, event = open_store(), new_id()
    path = store.put(event, NOON, KB)
    with pytest.raises(OutputError, match="is there already"):
        store.put(event, NOON, KB * 2)
    assert path.read_bytes() == KB
    assert store.counts().kept == 1


@pytest.mark.parametrize("name", ["", "../../etc/x", "a.jpg", "0" * 36])
def test_only_the_id_of_an_event_names_a_file(
    open_store: MakeStore, media: Path, name: str
) -> None:
    with pytest.raises(ValueError, match="expected the id of an event"):
        open_store().put(name, NOON, KB)
    assert files(media) == []


def test_it_works_only_while_it_is_open(media: Path, new_id: Uuid7) -> None:
    store = SnapshotStore(media, budget=1000, keep_days=1)
    for call in (lambda: store.put(new_id(), NOON, KB), lambda: store.sweep(NOON), store.counts):
        with pytest.raises(ClosedError):
            call()
    with store:
        store.put(new_id(), NOON, KB)
    with pytest.raises(ClosedError):
        store.counts()


def test_a_folder_that_cannot_be_one(media: Path, new_id: Uuid7) -> None:
    media.parent.mkdir()
    media.write_text("a file")
    with pytest.raises(OutputError, match="media cannot be written"):
        SnapshotStore(media, budget=1000, keep_days=1).open()


def test_a_day_that_cannot_be_a_folder(open_store: MakeStore, media: Path, new_id: Uuid7) -> None:
    store = open_store()
    (media / "2026-11-21").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        store.put(new_id(), NOON, KB)
    (media / "2026-11-21").unlink()
    assert store.put(new_id(), NOON, KB).exists()
    assert store.counts().kept == 1


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """What a full disk does to a writer, without filling one: no file grows beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_half_written_and_is_got_over(
    open_store: MakeStore, media: Path, new_id: Uuid7
) -> None:
    store = open_store()
    kept = store.put(new_id(), NOON, KB)
    with largest_file(500), pytest.raises(StoreFullError, match="no room to write"):
        store.put(new_id(), NOON, KB)
    assert files(media) == [str(kept.relative_to(media))]
    assert store.counts() == SnapshotCounts(1, 1000, 0, 0)
    store.put(new_id(), NOON, KB)
    assert store.counts().kept == 2


def test_a_disk_that_is_really_full(tmp_path: Path, new_id: Uuid7) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        with SnapshotStore(disk / "media", budget=10**6, keep_days=1) as store:
            for _ in range(4):
                store.put(new_id(), NOON, KB * 12)
            with pytest.raises(StoreFullError, match="no room"):
                store.put(new_id(), NOON, KB * 20)
            assert len(files(disk)) == store.counts().kept == 4
            assert store.sweep(NOON + 2 * DAY) == 4
            assert store.put(new_id(), NOON, KB * 8).exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


WRITE = """
import os, sys
from pathlib import Path
from edge.events.uuid7 import Uuid7
from edge.store.snapshots import SnapshotStore
new_id = Uuid7(lambda: 1_795_262_400_000, os.urandom)
with SnapshotStore(Path(sys.argv[1]), budget=2_000_000, keep_days=1) as store:
    print("open", flush=True)
    while True:
        store.put(new_id(), 1_795_262_400.0, b"\\xff\\xd8" + bytes(200_000) + b"\\xff\\xd9")
"""


def test_killed_at_any_moment_it_leaves_whole_pictures_and_opens_again(media: Path) -> None:
    size, wrote = 200_004, 0
    for round_ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(media)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            time.sleep(0.02 + 0.013 * round_)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        names = files(media)
        wrote += len(names)
        assert {(media / n).stat().st_size for n in names if n.endswith(".jpg")} <= {size}
        with SnapshotStore(media, budget=2_000_000, keep_days=1) as store:
            assert not [name for name in files(media) if name.endswith(".part")]
            assert store.counts().bytes == len(files(media)) * size <= 2_000_000
    assert wrote > 0
