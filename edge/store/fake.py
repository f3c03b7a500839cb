"""Stores that live in memory and keep the same contracts, for tests and dry runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import islice

from edge.store.base import (
    Consent,
    Enrolled,
    Follow,
    GalleryStore,
    Outbox,
    Person,
    TemplateNote,
    already_enrolled,
    no_such_person,
    numbered,
)
from edge.types import Event, EventDraft, Template


class FakeOutbox(Outbox):
    """Keeps events until the process ends. new_id: gives each event its id."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        super().__init__()
        self._new_id = new_id
        self._events: dict[int, Event] = {}
        self._sequences: Counter[str] = Counter()

    def _open(self) -> None:
        """Nothing to make ready."""

    def _close(self) -> None:
        """Nothing to release."""

    def _append(self, drafts: Sequence[EventDraft], follow: Follow) -> list[Event]:
        events = self._number(drafts)
        return events + self._number(follow(events))

    def _number(self, drafts: Sequence[EventDraft]) -> list[Event]:
        events = []
        for draft in drafts:
            self._sequences[draft.source] += 1
            event = numbered(
                draft,
                id=self._new_id(),
                sequence=self._sequences[draft.source],
                node_sequence=self._sequences.total(),
            )
            self._events[event.node_sequence] = event
            events.append(event)
        return events

    def _pending(self, limit: int, after: int) -> list[Event]:
        return list(islice((e for n, e in self._events.items() if n > after), limit))

    def _delete(self, node_sequences: Collection[int]) -> None:
        for number in node_sequences:
            self._events.pop(number, None)

    def _depth(self) -> int:
        return len(self._events)

    def _oldest(self) -> float | None:
        return next((event.time for event in self._events.values()), None)


class FakeGalleryStore(GalleryStore):
    """Keeps people until the process ends."""

    def __init__(self) -> None:
        super().__init__()
        self._persons: dict[str, Person] = {}
        self._enrolled: list[tuple[str, Enrolled]] = []

    def _open(self) -> None:
        """Nothing to make ready."""

    def _close(self) -> None:
        """Nothing to release."""

    def _add_person(self, person: Person, templates: Sequence[Enrolled]) -> None:
        if person.id in self._persons:
            raise already_enrolled(person.id)
        self._persons[person.id] = person
        self._enrolled += [(person.id, template) for template in templates]

    def _add_templates(self, person: str, consent: Consent, templates: Sequence[Enrolled]) -> None:
        known = self._known(person)
        self._persons[person] = replace(known, consents=(*known.consents, consent))
        self._enrolled += [(person, template) for template in templates]

    def _erase(self, person: str) -> int:
        self._known(person)
        del self._persons[person]
        before = len(self._enrolled)
        self._enrolled = [entry for entry in self._enrolled if entry[0] != person]
        return before - len(self._enrolled)

    def _people(self) -> list[Person]:
        return [self._persons[person] for person in sorted(self._persons)]

    def _notes(self, person: str) -> list[TemplateNote]:
        self._known(person)
        return [
            TemplateNote(
                space=kept.embedding.space,
                dimension=len(kept.embedding.vector),
                quality=kept.quality,
                source=kept.source,
                created=kept.created,
            )
            for owner, kept in self._enrolled
            if owner == person
        ]

    def _templates(self, space: str) -> list[Template]:
        return [
            Template(owner, kept.embedding)
            for owner, kept in self._enrolled
            if kept.embedding.space == space
        ]

    def _spaces(self) -> dict[str, int]:
        return dict(Counter(kept.embedding.space for _, kept in self._enrolled))

    def _check(self) -> list[str]:
        return []

    def _known(self, person: str) -> Person:
        if person not in self._persons:
            raise no_such_person(person)
        return self._persons[person]
