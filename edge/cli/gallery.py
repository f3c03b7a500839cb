"""``edgewarden gallery``: who is enrolled, and taking them out again."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.command import Command, act_on, subcommand
from edge.cli.console import print_json, table
from edge.ids import require_id

if TYPE_CHECKING:
    from edge.store.base import GalleryStore


def _configure(parser: ArgumentParser) -> None:
    kinds = parser.add_subparsers(metavar="ACTION", required=True)
    for name, run, text in (
        ("list", _list, "everybody who is enrolled"),
        ("show", _show, "one person: consent, and where each template is from"),
        ("erase", _erase, "remove one person and every byte of their templates"),
        ("check", _check, "check the gallery's integrity and whose model its templates are of"),
    ):
        person = " anna" if name in ("show", "erase") else ""
        example = f"edgewarden gallery {name}{person} --config site.toml"
        sub = subcommand(kinds, name, run, text, example=example)
        if person:
            sub.add_argument("person", metavar="PERSON")
        sub.add_argument("--config", type=Path, required=True, metavar="SITE", help="the site file")
        sub.add_argument("--json", action="store_true", help="print one JSON document")


def _list(arguments: Namespace) -> int:
    with _store(arguments) as store:
        people = [(person, len(store.notes(person.id))) for person in store.people()]
    if arguments.json:
        print_json(
            [
                {"id": p.id, "name": p.name, "enrolled": _day(p.created), "templates": count}
                for p, count in people
            ]
        )
    elif people:
        rows = [[p.id, p.name, _day(p.created), count] for p, count in people]
        print(table(["id", "name", "enrolled", "templates"], rows))
    else:
        print("nobody is enrolled")
    return 0


def _show(arguments: Namespace) -> int:
    from edge.store.base import no_such_person

    with _store(arguments) as store:
        person = next((p for p in store.people() if p.id == arguments.person), None)
        if person is None:
            raise no_such_person(arguments.person)
        notes = store.notes(person.id)
    if arguments.json:
        print_json(
            {
                "id": person.id,
                "name": person.name,
                "consents": [{"text": c.text, "time": _day(c.time)} for c in person.consents],
                "templates": [
                    {
                        "source": note.source,
                        "quality": round(note.quality, 4),
                        "space": note.space,
                        "dimension": note.dimension,
                        "enrolled": _day(note.created),
                    }
                    for note in notes
                ],
            }
        )
        return 0
    print(f"{person.id} ({person.name})")
    for consent in person.consents:
        print(f"  consent, {_day(consent.time)}: {consent.text}")
    rows = [[n.source, n.quality, n.dimension, n.space[:12], _day(n.created)] for n in notes]
    print(table(["source", "quality", "dimension", "space", "enrolled"], rows))
    return 0


def _erase(arguments: Namespace) -> int:
    from edge.assembly import gallery_path, open_gallery
    from edge.config import load_site
    from edge.store.base import no_such_person
    from edge.store.disk import os_errors

    person = require_id(arguments.person, "the person's id")
    site = load_site(arguments.config)
    path = gallery_path(site)
    with os_errors(path):
        if not path.exists():  # opening it to write would make one
            raise no_such_person(person)
    with open_gallery(site) as store:
        count = store.erase(person)
    if arguments.json:
        print_json({"person": arguments.person, "templates": count})
    else:
        print(f"{arguments.person}: erased with {count} template{'' if count == 1 else 's'}")
    return 0


def _check(arguments: Namespace) -> int:
    with _store(arguments) as store:
        faults = store.check()
        spaces = store.spaces()
    if arguments.json:
        print_json({"faults": faults, "spaces": spaces})
    else:
        for fault in faults:
            print(fault, file=sys.stderr)
        rows = [[space[:12], count] for space, count in spaces.items()]
        print(table(["embedding space", "templates"], rows) if rows else "no templates")
        print("the gallery is whole" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


def _store(arguments: Namespace) -> GalleryStore:
    from edge.assembly import open_gallery
    from edge.config import load_site

    return open_gallery(load_site(arguments.config), read_only=True)


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, timezone.utc).isoformat(timespec="seconds")


command = Command(
    summary="who is enrolled, and taking them out again",
    example="  edgewarden gallery list --config site.toml\n"
    "  edgewarden gallery erase anna --config site.toml",
    configure=_configure,
    run=act_on,
)
