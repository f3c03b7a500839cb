"""The gallery on disk: erasure to the last byte, damage, readers, sealing, a full disk."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.errors import (
    GalleryError,
    OutputError,
    StoreBusyError,
    StoreCorruptError,
    StoreVersionError,
)
from edge.store.base import Enrolled
from edge.store.gallery import SqliteGalleryStore
from edge.store.outbox import SqliteOutbox

if TYPE_CHECKING:
    from tests.store.conftest import Enroller, Personifier, Prober, Sharer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "gallery.db"


def traces(kept: Enrolled) -> list[bytes]:
    """Pieces of a template any of which would betray it."""
    stored = kept.embedding.vector.tobytes()
    return [stored[:32], stored[-32:], stored[len(stored) // 2 :][:32], kept.source.encode()]


def test_erasing_leaves_no_byte_of_a_person(
    path: Path, person: Personifier, enrolled: Enroller, found_in: Prober
) -> None:
    ann = [enrolled(n) for n in range(3)]
    bob = enrolled(3)
    words = [
        b"ann-the-first",
        b"Ann Of Old",
        b"ann agreed",
        *(t for k in ann for t in traces(k)),
    ]
    with SqliteGalleryStore(path) as gallery:
        gallery.add_person(person("ann-the-first", name="Ann Of Old", text="ann agreed"), ann)
        gallery.add_person(person("bob"), [bob])
        assert found_in(path.parent, words) == words
        gallery.erase("ann-the-first")
        assert found_in(path.parent, words) == []
        assert found_in(path.parent, traces(bob)) == traces(bob)
    assert found_in(path.parent, words) == []


def test_erasing_leaves_no_copy_that_sqlite_made_while_moving_rows(
    path: Path, person: Personifier, enrolled: Enroller, found_in: Prober
) -> None:
    # As rows go, SQLite joins pages, and the old places of rows that moved keep copies which
    # secure_delete does not see. Of this order it is known that some are left (SQLite 3.40) unless
    # every page is written anew.
    with SqliteGalleryStore(path) as gallery:
        people = [f"person-{n:05d}" for n in range(40)]
        for n, id in enumerate(people):
            gallery.add_person(person(id), [enrolled(n, dimension=64)])
        for id in random.Random(7).sample(people, 26):
            gallery.erase(id)
            kept = enrolled(people.index(id), dimension=64)
            assert found_in(path.parent, [id.encode(), *traces(kept)[:3]]) == []


@pytest.mark.usefixtures("impatient")
def test_an_erasure_that_a_reader_holds_up_can_be_finished(
    path: Path,
    person: Personifier,
    enrolled: Enroller,
    found_in: Prober,
    holding: Sharer,
    let_go: Callable[[object], None],
) -> None:
    kept = enrolled(1)
    with SqliteGalleryStore(path) as gallery:
        gallery.add_person(person("ann"), [kept])
        reader = holding(path, "BEGIN", "SELECT * FROM people")
        with pytest.raises(StoreBusyError, match="being read"):
            gallery.erase("ann")
        assert gallery.people() == []
        assert gallery.check() == ["the erasure of 'ann' is not finished: erase it again"]
        assert found_in(path.parent, traces(kept)) != []
        let_go(reader)
        gallery.erase("ann")
        assert found_in(path.parent, [b"ann", *traces(kept)]) == []
        assert gallery.check() == []
        with pytest.raises(GalleryError, match="nobody"):
            gallery.erase("ann")


@pytest.mark.usefixtures("impatient")
def test_an_erasure_that_was_cut_off_is_finished_at_the_next_opening(
    path: Path,
    person: Personifier,
    enrolled: Enroller,
    found_in: Prober,
    holding: Sharer,
    let_go: Callable[[object], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = enrolled(1)
    gallery = SqliteGalleryStore(path)
    gallery.open()
    gallery.add_person(person("ann"), [kept])
    reader = holding(path, "BEGIN", "SELECT * FROM people")
    with pytest.raises(StoreBusyError):
        gallery.erase("ann")
    gallery.close()
    with gallery:
        assert "not finished" in caplog.text
        assert gallery.check() != []
    let_go(reader)
    with gallery:
        assert gallery.check() == []
        assert found_in(path.parent, [b"ann", *traces(kept)]) == []


def test_what_was_enrolled_survives_a_restart(
    path: Path, person: Personifier, enrolled: Enroller
) -> None:
    with SqliteGalleryStore(path) as gallery:
        gallery.add_person(person("ann"), [enrolled(1)])
    with SqliteGalleryStore(path) as gallery:
        assert gallery.people() == [person("ann")]
        (template,) = gallery.templates("space-1")
        assert np.array_equal(template.embedding.vector, enrolled(1).embedding.vector)


class FlippingSealer:
    """Not secure, but shows what goes through it."""

    def __init__(self) -> None:
        self.contexts: set[bytes] = set()

    def seal(self, plain: bytes, context: bytes) -> bytes:
        self.contexts.add(context)
        return b"sealed" + bytes(byte ^ 0xFF for byte in plain)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        if not sealed.startswith(b"sealed"):
            raise StoreCorruptError("not sealed")
        self.contexts.add(context)
        return bytes(byte ^ 0xFF for byte in sealed[6:])


def test_every_vector_goes_through_the_sealer(
    path: Path, person: Personifier, enrolled: Enroller, found_in: Prober
) -> None:
    sealer = FlippingSealer()
    with SqliteGalleryStore(path, sealer=sealer) as gallery:
        gallery.add_person(person("ann"), [enrolled(1)])
        (template,) = gallery.templates("space-1")
        assert np.array_equal(template.embedding.vector, enrolled(1).embedding.vector)
        assert found_in(path.parent, traces(enrolled(1))[:3]) == []
        assert gallery.check() == []
    assert sealer.contexts == {b"ann\0space-1"}


def test_a_reader_needs_no_gallery(path: Path, enrolled: Enroller, person: Personifier) -> None:
    with SqliteGalleryStore(path, read_only=True) as reader:
        assert (reader.people(), reader.templates("space-1"), reader.check()) == ([], [], [])
        assert not path.parent.exists()
        with SqliteGalleryStore(path) as writer:
            writer.add_person(person("ann"), [enrolled(1)])
            assert len(reader.templates("space-1")) == 1
            writer.erase("ann")
        assert reader.people() == []


def test_a_reader_writes_nothing(path: Path, person: Personifier, enrolled: Enroller) -> None:
    with SqliteGalleryStore(path) as writer:
        writer.add_person(person("ann"), [enrolled(1)])
    with SqliteGalleryStore(path, read_only=True) as reader:
        with pytest.raises(OutputError, match="reading only"):
            reader.add_person(person("bob"), [enrolled(2)])
        with pytest.raises(OutputError, match="reading only"):
            reader.erase("ann")
        assert reader.people() == [person("ann")]


@pytest.mark.usefixtures("impatient")
def test_there_is_one_writer_and_any_number_of_readers(
    path: Path, person: Personifier, enrolled: Enroller
) -> None:
    with SqliteGalleryStore(path) as writer:
        writer.add_person(person("ann"), [enrolled(1)])
        with pytest.raises(StoreBusyError, match="in use"):
            SqliteGalleryStore(path).open()
        for _ in range(3):
            with SqliteGalleryStore(path, read_only=True) as reader:
                assert reader.people() == [person("ann")]


@pytest.mark.usefixtures("impatient")
def test_while_another_process_writes_nobody_is_half_enrolled(
    path: Path,
    person: Personifier,
    enrolled: Enroller,
    holding: Sharer,
    let_go: Callable[[object], None],
) -> None:
    with SqliteGalleryStore(path) as gallery:
        other = holding(path, "BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match="locked"):
            gallery.add_person(person("ann"), [enrolled(1)])
        assert gallery.people() == []
        let_go(other)
        gallery.add_person(person("ann"), [enrolled(1)])
        assert gallery.check() == []


ENROL_INTO_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
import numpy as np
from edge.errors import StoreFullError
from edge.store.base import Consent, Enrolled, Person
from edge.store.gallery import SqliteGalleryStore
from edge.types import Embedding

vector = np.zeros(512, np.float32)
vector[0] = 1
kept = Enrolled(embedding=Embedding(vector, "s"), quality=1.0, source="x", created=1.0)
people = 0
with SqliteGalleryStore(Path(sys.argv[1])) as gallery:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    try:
        while people < 1000:
            id = f"p{people}"
            consents = (Consent("yes", 1.0),)
            gallery.add_person(Person(id=id, name=id, created=1.0, consents=consents), [kept] * 8)
            people += 1
    except StoreFullError as error:
        print(people, len(gallery.people()), len(gallery.templates("s")), gallery.check())
"""


def test_on_a_full_disk_nobody_is_half_enrolled(path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", ENROL_INTO_LITTLE_ROOM, str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    ).stdout
    people, *_ = map(int, answer.split()[:3])
    assert people > 3
    assert answer.split() == [str(people), str(people), str(8 * people), "[]"]
    with SqliteGalleryStore(path) as gallery:
        assert len(gallery.people()) == people


DAMAGE = [
    ("UPDATE templates SET vector = x'00'", "expected 256 numbers, found 1 bytes"),
    ("UPDATE templates SET vector = zeroblob(1024)", "expected unit length"),
    ("UPDATE templates SET dimension = 255", "expected 255 numbers"),
    ("DELETE FROM templates", "'ann' has no templates"),
    ("DELETE FROM consents", "'ann' has no consents"),
    ("DELETE FROM people", "row 1 of templates belongs to nobody"),
]


@pytest.mark.parametrize(("statement", "problem"), DAMAGE)
def test_a_check_finds_what_is_wrong(
    path: Path,
    person: Personifier,
    enrolled: Enroller,
    holding: Sharer,
    let_go: Callable[[object], None],
    statement: str,
    problem: str,
) -> None:
    with SqliteGalleryStore(path) as gallery:
        gallery.add_person(person("ann"), [enrolled(1)])
        let_go(holding(path, statement))
        assert any(problem in line for line in gallery.check())


def test_a_template_that_is_damaged_is_not_matched_against(
    path: Path,
    person: Personifier,
    enrolled: Enroller,
    holding: Sharer,
    let_go: Callable[[object], None],
) -> None:
    with SqliteGalleryStore(path) as gallery:
        gallery.add_person(person("ann"), [enrolled(1)])
        let_go(holding(path, "UPDATE templates SET vector = zeroblob(1024)"))
        with pytest.raises(StoreCorruptError, match="template 1 of 'ann'"):
            gallery.templates("space-1")


def test_a_consent_that_is_gone_is_damage(
    path: Path,
    person: Personifier,
    enrolled: Enroller,
    holding: Sharer,
    let_go: Callable[[object], None],
) -> None:
    with SqliteGalleryStore(path) as gallery:
        gallery.add_person(person("ann"), [enrolled(1)])
        let_go(holding(path, "DELETE FROM consents"))
        with pytest.raises(StoreCorruptError, match="at least one"):
            gallery.people()


def test_a_check_of_a_file_with_a_broken_page_says_so(
    path: Path, person: Personifier, enrolled: Enroller
) -> None:
    with SqliteGalleryStore(path) as gallery:
        for n in range(30):
            gallery.add_person(person(f"p{n}"), [enrolled(n, dimension=512)])
    with path.open("r+b") as file:
        file.seek(9 * 4096)
        file.write(b"\xa5" * 8192)
    with SqliteGalleryStore(path, read_only=True) as gallery:
        assert gallery.check() != []


def test_an_outbox_is_no_gallery(path: Path) -> None:
    with SqliteOutbox(path):
        pass
    with pytest.raises(StoreVersionError, match="no gallery"):
        SqliteGalleryStore(path).open()
    with (
        SqliteGalleryStore(path, read_only=True) as reader,
        pytest.raises(StoreVersionError, match="no gallery"),
    ):
        reader.people()
