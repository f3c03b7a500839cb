"""What every gallery store keeps, the one on disk and the one in memory alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.errors import ClosedError, GalleryError, UsageError
from edge.store.base import Consent, GalleryStore, Person, TemplateNote
from edge.store.fake import FakeGalleryStore
from edge.store.gallery import SqliteGalleryStore

if TYPE_CHECKING:
    from tests.store.conftest import Enroller, Personifier


@pytest.fixture(params=["sqlite", "fake"])
def gallery(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GalleryStore]:
    made: GalleryStore = (
        SqliteGalleryStore(tmp_path / "gallery.db")
        if request.param == "sqlite"
        else FakeGalleryStore()
    )
    with made:
        yield made


def test_a_new_gallery_is_empty_and_whole(gallery: GalleryStore) -> None:
    assert (gallery.people(), gallery.templates("space-1"), gallery.spaces()) == ([], [], {})
    assert gallery.check() == []


def test_people_are_kept_with_what_they_agreed_to(
    gallery: GalleryStore, person: Personifier, enrolled: Enroller
) -> None:
    zoe, ann = person("zoe", name="Zoë 🔒", text="signed\non paper"), person("ann")
    gallery.add_person(zoe, [enrolled(1)])
    gallery.add_person(ann, [enrolled(2)])
    assert gallery.people() == [ann, zoe]
    assert gallery.check() == []


def test_templates_come_back_bit_for_bit_by_space(
    gallery: GalleryStore, person: Personifier, enrolled: Enroller
) -> None:
    given = [enrolled(1), enrolled(2, space="space-2", dimension=512), enrolled(3)]
    gallery.add_person(person("ann"), given[:2])
    gallery.add_person(person("bob"), given[2:])
    first, third = gallery.templates("space-1")
    assert (first.person, third.person) == ("ann", "bob")
    for found, kept in ((first, given[0]), (third, given[2])):
        assert found.embedding.space == "space-1"
        assert found.embedding.vector.dtype == np.float32
        assert np.array_equal(found.embedding.vector, kept.embedding.vector)
    assert len(gallery.templates("space-2")) == 1
    assert gallery.templates("space-3") == []
    assert gallery.spaces() == {"space-1": 2, "space-2": 1}


def test_notes_say_all_but_the_vector(
    gallery: GalleryStore, person: Personifier, enrolled: Enroller
) -> None:
    gallery.add_person(person("ann"), [enrolled(2), enrolled(1, dimension=512)])
    assert gallery.notes("ann") == [
        TemplateNote(
            space="space-1", dimension=256, quality=0.75, source="clip-2.mkv", created=102.0
        ),
        TemplateNote(
            space="space-1", dimension=512, quality=0.75, source="clip-1.mkv", created=101.0
        ),
    ]


def test_more_templates_come_with_a_consent_of_their_own(
    gallery: GalleryStore, person: Personifier, enrolled: Enroller
) -> None:
    gallery.add_person(person("ann"), [enrolled(1)])
    gallery.add_templates("ann", Consent("agreed again", 60.0), [enrolled(2)])
    (ann,) = gallery.people()
    assert ann.consents == (Consent("agreed on paper", 40.0), Consent("agreed again", 60.0))
    assert len(gallery.templates("space-1")) == len(gallery.notes("ann")) == 2


def test_an_id_is_enrolled_once(
    gallery: GalleryStore, person: Personifier, enrolled: Enroller
) -> None:
    gallery.add_person(person("ann"), [enrolled(1)])
    with pytest.raises(GalleryError, match="enrolled already"):
        gallery.add_person(person("ann", name="Another"), [enrolled(2)])
    assert gallery.people() == [person("ann")]
    assert len(gallery.templates("space-1")) == 1


def test_who_is_not_enrolled_is_nobody(gallery: GalleryStore, enrolled: Enroller) -> None:
    with pytest.raises(GalleryError, match="nobody is enrolled as 'ann'"):
        gallery.add_templates("ann", Consent("yes", 1.0), [enrolled(1)])
    with pytest.raises(GalleryError, match="nobody"):
        gallery.erase("ann")
    with pytest.raises(GalleryError, match="nobody"):
        gallery.notes("ann")
    assert gallery.templates("space-1") == []


def test_erasing_takes_a_person_and_nobody_else(
    gallery: GalleryStore, person: Personifier, enrolled: Enroller
) -> None:
    gallery.add_person(person("ann"), [enrolled(1), enrolled(2)])
    gallery.add_person(person("bob"), [enrolled(3)])
    gallery.add_templates("ann", Consent("again", 60.0), [enrolled(4)])
    assert gallery.erase("ann") == 3
    assert gallery.people() == [person("bob")]
    assert [template.person for template in gallery.templates("space-1")] == ["bob"]
    assert gallery.check() == []
    with pytest.raises(GalleryError, match="nobody"):
        gallery.erase("ann")


def test_who_was_erased_can_be_enrolled_again(
    gallery: GalleryStore, person: Personifier, enrolled: Enroller
) -> None:
    gallery.add_person(person("ann"), [enrolled(1), enrolled(2)])
    gallery.erase("ann")
    gallery.add_person(person("ann"), [enrolled(3)])
    assert len(gallery.notes("ann")) == 1


def test_nobody_is_enrolled_without_a_template(gallery: GalleryStore, person: Personifier) -> None:
    with pytest.raises(ValueError, match="at least one"):
        gallery.add_person(person("ann"), [])
    assert gallery.people() == []


@pytest.mark.parametrize("text", ["", " \n"])
def test_nobody_is_enrolled_without_consent(text: str) -> None:
    with pytest.raises(ValueError, match="expected words"):
        Consent(text, 1.0)
    with pytest.raises(ValueError, match="at least one"):
        Person(id="ann", name="Ann", created=1.0, consents=())


def test_a_person_has_an_id_that_keeps_the_rule(person: Personifier) -> None:
    with pytest.raises(UsageError, match="id rule"):
        person("Ann Smith")


def test_no_vector_shows_in_what_is_printed(
    gallery: GalleryStore, person: Personifier, enrolled: Enroller
) -> None:
    given = enrolled(1)
    gallery.add_person(person("ann"), [given])
    number = str(given.embedding.vector[0])[:5]
    for value in (given, gallery.templates("space-1"), gallery.notes("ann"), gallery):
        assert number not in repr(value)
        assert "array" not in repr(value)


USES: list[Callable[[GalleryStore], object]] = [
    lambda gallery: gallery.people(),
    lambda gallery: gallery.notes("a"),
    lambda gallery: gallery.templates("s"),
    lambda gallery: gallery.spaces(),
    lambda gallery: gallery.check(),
    lambda gallery: gallery.erase("a"),
]


@pytest.mark.parametrize("use", USES)
def test_it_is_of_no_use_once_closed(
    gallery: GalleryStore, use: Callable[[GalleryStore], object]
) -> None:
    gallery.close()
    gallery.close()
    with pytest.raises(ClosedError, match="not open"):
        use(gallery)


def test_it_takes_nobody_once_closed(
    gallery: GalleryStore, person: Personifier, enrolled: Enroller
) -> None:
    gallery.close()
    with pytest.raises(ClosedError):
        gallery.add_person(person("ann"), [enrolled(1)])
    with pytest.raises(ClosedError):
        gallery.add_templates("ann", Consent("yes", 1.0), [enrolled(1)])
