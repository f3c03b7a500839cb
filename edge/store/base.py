"""The seams to what is kept on disk: the outbox of events and the gallery of people.

The public methods check state once; an adapter fills the hooks. A store may be used from several
threads: it serves one call at a time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock

from edge.closing import Closing
from edge.errors import ClosedError, GalleryError
from edge.ids import require_id
from edge.types import Embedding, Event, EventDraft, Template


class Store(Closing):
    """Something that is open between ``open`` and ``close``; use it as a context manager."""

    def __init__(self) -> None:
        self._opened = False
        self._lock = RLock()

    def open(self) -> None:
        """Make it ready. A second call does nothing.

        Raises StoreBusyError, StoreFullError, StoreCorruptError, StoreVersionError (written by a
        newer version) or OutputError (cannot be opened there).
        """
        with self._lock:
            if not self._opened:
                self._open()
                self._opened = True

    def close(self) -> None:
        """Release it. Safe to call twice."""
        with self._lock:
            if self._opened:
                self._opened = False
                self._close()

    def _prepare(self) -> None:
        self.open()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._lock:
            if not self._opened:
                raise ClosedError(f"{type(self).__name__} is not open", remedy="Call open() first.")
            yield

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...


Follow = Callable[[Sequence[Event]], Sequence[EventDraft]]


def _nothing(events: Sequence[Event]) -> Sequence[EventDraft]:
    return ()


class Outbox(Store):
    """Events that are committed and not yet known to have arrived.

    Every method raises ClosedError before open and after close, and may raise StoreBusyError,
    StoreFullError or StoreCorruptError; whatever it raises, nothing of the call has happened.
    """

    def append(self, drafts: Sequence[EventDraft], *, follow: Follow | None = None) -> list[Event]:
        """Commit events, all or none, and return them with ids and sequence numbers.

        follow: is given the events of ``drafts`` and returns the drafts that follow from them; they
        are committed in the same transaction, after those. What it raises is raised here.

        ``sequence`` counts from 1 per source, ``node_sequence`` from 1 over all; both go on after
        deletions and restarts, without a gap. When this returns, the events survive a power cut.
        """
        with self._in_use():
            return self._append(drafts, follow or _nothing) if drafts else []

    def pending(self, *, limit: int, after: int = 0) -> list[Event]:
        """Up to ``limit`` events whose node_sequence is above ``after``, in that order."""
        with self._in_use():
            return self._pending(limit, after)

    def delete(self, node_sequences: Collection[int]) -> None:
        """Forget events; only once their arrival was acknowledged. Unknown numbers are ignored."""
        with self._in_use():
            if node_sequences:
                self._delete(node_sequences)

    def depth(self) -> int:
        """How many events are pending."""
        with self._in_use():
            return self._depth()

    def oldest(self) -> float | None:
        """Time of the first pending event, seconds since the epoch; None when there is none."""
        with self._in_use():
            return self._oldest()

    @abstractmethod
    def _append(self, drafts: Sequence[EventDraft], follow: Follow) -> list[Event]: ...

    @abstractmethod
    def _pending(self, limit: int, after: int) -> list[Event]: ...

    @abstractmethod
    def _delete(self, node_sequences: Collection[int]) -> None: ...

    @abstractmethod
    def _depth(self) -> int: ...

    @abstractmethod
    def _oldest(self) -> float | None: ...


def numbered(draft: EventDraft, *, id: str, sequence: int, node_sequence: int) -> Event:
    """The event that a draft becomes."""
    numbers: dict[str, object] = {"sequence": sequence, "node_sequence": node_sequence}
    return Event(id, draft.source, draft.type, draft.subject, draft.time, {**numbers, **draft.data})


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person agreed to, in the words it was recorded in. time: seconds since the epoch."""

    text: str
    time: float

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("Consent.text: expected words, found none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is enrolled. consents: one for each enrolment, oldest first, at least one.

    name is for display. created: seconds since the epoch.
    """

    id: str
    name: str
    created: float
    consents: tuple[Consent, ...]

    def __post_init__(self) -> None:
        require_id(self.id, "the person's id")
        if not self.consents:
            raise ValueError("Person.consents: expected at least one, found none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """One template to be kept, with where it is from.

    quality: 0..1. source: a note for people, such as a file's name. created: seconds since the
    epoch.
    """

    embedding: Embedding
    quality: float
    source: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateNote:
    """All that may be shown of a template. dimension: length of its vector."""

    space: str
    dimension: int
    quality: float
    source: str
    created: float


class GalleryStore(Store):
    """The people who are enrolled and their templates.

    Every method raises ClosedError before open and after close, and may raise StoreBusyError,
    StoreFullError or StoreCorruptError; but for ``erase`` nothing of the call has happened then.
    """

    def add_person(self, person: Person, templates: Sequence[Enrolled]) -> None:
        """Enrol somebody new with at least one template, all or nothing.

        Raises GalleryError where the id is taken.
        """
        _require_templates(templates)
        with self._in_use():
            self._add_person(person, templates)

    def add_templates(self, person: str, consent: Consent, templates: Sequence[Enrolled]) -> None:
        """Enrol somebody who is known once more, all or nothing.

        Raises GalleryError where there is no such person.
        """
        _require_templates(templates)
        with self._in_use():
            self._add_templates(person, consent, templates)

    def erase(self, person: str) -> int:
        """Remove a person with all that is kept of them; returns how many templates that was.

        When this returns, no byte of them is left in the files. StoreBusyError or StoreFullError
        may mean that they are gone from the gallery but not yet from the bytes of the file; the
        same call then finishes it, and so does the next opening. Raises GalleryError where there
        is no such person.
        """
        with self._in_use():
            return self._erase(person)

    def people(self) -> list[Person]:
        """Everybody, by id."""
        with self._in_use():
            return self._people()

    def notes(self, person: str) -> list[TemplateNote]:
        """What may be shown of a person's templates, oldest first.

        Raises GalleryError where there is no such person.
        """
        with self._in_use():
            return self._notes(person)

    def templates(self, space: str) -> list[Template]:
        """Every template of one embedding space, in the order of enrolment."""
        with self._in_use():
            return self._templates(space)

    def spaces(self) -> dict[str, int]:
        """How many templates there are in each embedding space."""
        with self._in_use():
            return self._spaces()

    def check(self) -> list[str]:
        """Everything that is wrong with the gallery, in sentences; none when it is whole."""
        with self._in_use():
            return self._check()

    @abstractmethod
    def _add_person(self, person: Person, templates: Sequence[Enrolled]) -> None: ...

    @abstractmethod
    def _add_templates(
        self, person: str, consent: Consent, templates: Sequence[Enrolled]
    ) -> None: ...

    @abstractmethod
    def _erase(self, person: str) -> int: ...

    @abstractmethod
    def _people(self) -> list[Person]: ...

    @abstractmethod
    def _notes(self, person: str) -> list[TemplateNote]: ...

    @abstractmethod
    def _templates(self, space: str) -> list[Template]: ...

    @abstractmethod
    def _spaces(self) -> dict[str, int]: ...

    @abstractmethod
    def _check(self) -> list[str]: ...


def no_such_person(person: str) -> GalleryError:
    """The error for an id that nobody in the gallery has."""
    return GalleryError(
        f"nobody is enrolled as {person!r}",
        remedy="See who is: edgewarden gallery list --config SITE",
    )


def already_enrolled(person: str) -> GalleryError:
    """The error for an id that somebody in the gallery has."""
    return GalleryError(
        f"{person!r} is enrolled already",
        expected="a new id",
        remedy=f"Choose another, or first: edgewarden gallery erase {person} --config SITE",
    )


def _require_templates(templates: Sequence[Enrolled]) -> None:
    if not templates:
        raise ValueError("an enrolment needs at least one template")
