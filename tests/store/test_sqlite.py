"""How databases are opened, locked, brought up to date and refused."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.errors import (
    FatalError,
    OutputError,
    StoreBusyError,
    StoreCorruptError,
    StoreVersionError,
)
from edge.store.sqlite import Database, Schema, snapshot

if TYPE_CHECKING:
    from tests.store.conftest import Sharer

ONE = Schema("thing", 0x1234, (("CREATE TABLE t (a INTEGER) STRICT",),))
TWO = Schema("thing", 0x1234, (*ONE.migrations, ("ALTER TABLE t ADD COLUMN b TEXT",)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "thing.db"


def fill(path: Path, rows: int = 1, schema: Schema = ONE) -> None:
    database = Database(path, schema)
    with database.writing() as connection:
        connection.executemany("INSERT INTO t (a) VALUES (?)", [(n,) for n in range(rows)])
    database.close()


def raw(path: Path, *statements: str) -> list[object]:
    """Run statements behind the back of the code; the first columns of the last answer."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        answers = [connection.execute(statement).fetchall() for statement in statements]
        return [row[0] for row in answers[-1]]
    finally:
        connection.close()


def test_nothing_is_lost_and_nothing_is_left_over(path: Path) -> None:
    database = Database(path, ONE)
    with database.reading() as connection:
        settings = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                *("journal_mode", "synchronous", "foreign_keys", "secure_delete"),
                *("temp_store", "busy_timeout", "application_id", "user_version"),
            )
        }
    database.close()
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "temp_store": 2,
        "busy_timeout": 1000,
        "application_id": 0x1234,
        "user_version": 1,
    }


def test_only_the_owner_may_look(path: Path) -> None:
    old = os.umask(0)
    try:
        database = Database(path, ONE)
        with database.writing() as connection:
            connection.execute("INSERT INTO t VALUES (1)")
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
        database.close()
    finally:
        os.umask(old)
    assert modes == {
        name: 0o600 for name in ("thing.db", "thing.db-wal", "thing.db-shm", "thing.db.lock")
    }
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_may_read_is_made_private(path: Path) -> None:
    fill(path)
    path.chmod(0o644)
    Database(path, ONE).close()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("impatient")
def test_there_is_one_writer_at_a_time(path: Path) -> None:
    first = Database(path, ONE)
    with pytest.raises(StoreBusyError, match="in use"):
        Database(path, ONE)
    first.close()
    Database(path, ONE).close()


def test_a_writer_that_fails_to_open_leaves_the_place_to_others(path: Path) -> None:
    fill(path)
    for _ in range(2):
        with pytest.raises(StoreVersionError):
            Database(path, Schema("other", 0x999, ONE.migrations))
    Database(path, ONE).close()


def insert_one(connection: sqlite3.Connection) -> list[object]:
    return connection.execute("INSERT INTO t VALUES (1)").fetchall()


def test_what_is_raised_within_a_transaction_undoes_it(path: Path) -> None:
    database = Database(path, ONE)
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        connection.execute("INSERT INTO t VALUES (?)", (1 // len(insert_one(connection)),))
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    database.close()


def test_an_older_file_is_brought_up_to_date(path: Path) -> None:
    fill(path)
    with pytest.raises(StoreVersionError, match="older"), snapshot(path, TWO):
        pass
    database = Database(path, TWO)
    with database.reading() as connection:
        assert connection.execute("SELECT a, b FROM t").fetchall() == [(0, None)]
    database.close()
    assert raw(path, "PRAGMA user_version") == [2]


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    fill(path)
    with pytest.raises(FatalError, match="no such table"):
        Database(
            path,
            Schema("thing", 0x1234, (*ONE.migrations, ("CREATE TABLE u (c)", "DROP TABLE nope"))),
        )
    assert raw(path, "PRAGMA user_version") == [1]
    assert raw(path, "SELECT name FROM sqlite_master") == ["t"]


def test_a_newer_file_is_refused_untouched(path: Path) -> None:
    fill(path, schema=TWO)
    before = path.read_bytes()
    with pytest.raises(StoreVersionError, match="newer") as caught:
        Database(path, ONE)
    assert caught.value.exit_code == 2
    with pytest.raises(StoreVersionError, match="newer"), snapshot(path, ONE):
        pass
    assert path.read_bytes() == before


def test_somebody_elses_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "browser.db"
    raw(path, "CREATE TABLE history (url)")
    before = path.read_bytes()
    with pytest.raises(StoreVersionError, match="no thing of Edgewarden"):
        Database(path, ONE)
    with pytest.raises(StoreVersionError, match="no thing of Edgewarden"), snapshot(path, ONE):
        pass
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "thing.db"
    letter = b"This is a letter, not a database. " * 200
    path.write_bytes(letter)
    with pytest.raises(StoreCorruptError, match="damaged"):
        Database(path, ONE)
    with pytest.raises(StoreCorruptError, match="damaged"), snapshot(path, ONE):
        pass
    assert path.read_bytes() == letter


def test_a_file_cut_short_is_damage(path: Path) -> None:
    fill(path, rows=5000)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with (
        pytest.raises(StoreCorruptError, match="damaged") as caught,
        snapshot(path, ONE) as connection,
    ):
        connection.execute("SELECT sum(a) FROM t").fetchone()
    assert caught.value.exit_code == 1


def test_a_page_overwritten_is_damage(path: Path) -> None:
    fill(path, rows=5000)
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xa5" * 4096)
    with (
        pytest.raises(StoreCorruptError, match="damaged"),
        snapshot(path, ONE) as connection,
    ):
        connection.execute("SELECT sum(a) FROM t").fetchone()


def test_a_place_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        Database(tmp_path / "file" / "thing.db", ONE)
    (tmp_path / "thing.db").mkdir()
    with pytest.raises(OutputError, match="cannot be opened"):
        Database(tmp_path / "thing.db", ONE)


OPEN_AS_NOBODY = """
import os, sys
from pathlib import Path
from edge.errors import OutputError
from edge.store.sqlite import Database, Schema
os.setuid(65534)
try:
    Database(Path(sys.argv[1]), Schema("thing", 0x1234, ()))
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_folder_that_is_not_ours_is_refused(path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    fill(path)
    answer = subprocess.run(
        [sys.executable, "-c", OPEN_AS_NOBODY, str(path)],
        capture_output=True,
        text=True,
        cwd=root,
        check=True,
    ).stdout
    assert "cannot be written" in answer


def test_where_there_is_nothing_yet_a_reader_sees_nothing_and_makes_nothing(path: Path) -> None:
    with snapshot(path, ONE) as connection:
        assert connection.execute("SELECT * FROM t").fetchall() == []
    assert not path.parent.exists()


def test_an_empty_file_is_a_database_to_be(tmp_path: Path) -> None:
    path = tmp_path / "thing.db"
    path.touch()
    with snapshot(path, ONE) as connection:
        assert connection.execute("SELECT * FROM t").fetchall() == []
    fill(path)
    assert raw(path, "SELECT count(*) FROM t") == [1]


def test_a_reader_works_beside_a_writer_and_sees_one_state(path: Path) -> None:
    fill(path)
    database = Database(path, ONE)
    with snapshot(path, ONE) as before:
        assert before.execute("SELECT count(*) FROM t").fetchone() == (1,)
        with database.writing() as connection:
            connection.execute("INSERT INTO t VALUES (7)")
        assert before.execute("SELECT count(*) FROM t").fetchone() == (1,)
    with snapshot(path, ONE) as after:
        assert after.execute("SELECT count(*) FROM t").fetchone() == (2,)
    database.close()


def test_a_reader_cannot_write(path: Path) -> None:
    fill(path)
    with pytest.raises(OutputError), snapshot(path, ONE) as connection:
        connection.execute("INSERT INTO t VALUES (7)")


@pytest.mark.usefixtures("impatient")
def test_a_file_that_another_program_keeps_to_itself_is_busy(path: Path, holding: Sharer) -> None:
    fill(path)
    holding(path, "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "INSERT INTO t VALUES (1)")
    with pytest.raises(StoreBusyError, match="locked") as caught:
        Database(path, ONE)
    assert caught.value.exit_code == 1
    with pytest.raises(StoreBusyError, match="locked"), snapshot(path, ONE):
        pass


def test_a_path_may_hold_signs_that_addresses_give_a_meaning(tmp_path: Path) -> None:
    path = tmp_path / "50% #1?mode=memory&x" / "thing.db"
    fill(path)
    with snapshot(path, ONE) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert path.is_file()
