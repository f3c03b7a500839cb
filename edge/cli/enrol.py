"""``edgewarden enrol``: put somebody into the gallery."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from edge.cli.command import Command
from edge.cli.console import Progress, print_json, table
from edge.ids import require_id


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("person", metavar="PERSON", help="id of the person, such as a or anna-k")
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="IMAGE|VIDEO", help="pictures that show this person"
    )
    parser.add_argument("--config", type=Path, required=True, metavar="SITE", help="the site file")
    parser.add_argument(
        "--consent", required=True, metavar="TEXT", help="what the person agreed to; it is kept"
    )
    parser.add_argument("--name", metavar="TEXT", help="name for display (default: PERSON)")
    parser.add_argument(
        "--at",
        type=_point,
        metavar="X,Y",
        help="a point on the face that is meant, where a picture shows several: fractions of the "
        "frame, or pixels where either is above 1",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run(arguments: Namespace) -> int:
    from edge.assembly import load_models, open_gallery
    from edge.config import load_site
    from edge.enrol import Enroller, new_person, require_name

    require_id(arguments.person, "the person's id")
    person = new_person(
        arguments.person, arguments.name or arguments.person, arguments.consent, time.time()
    )
    site = load_site(arguments.config)
    with load_models(site) as loaded, Progress("enrol", None) as line:
        enroller = Enroller(loaded)
        faces = [
            (path.name, enroller.face_in(path, at=arguments.at, watch=lambda _: line.step()))
            for path in arguments.files
        ]
        with open_gallery(site) as store:
            if arguments.name:
                require_name(person, store)
            enrolled = enroller.enrol(person, faces, store)
    rows = [
        [face.source, len(c.frames), face.quality]
        for face, (_, c) in zip(enrolled.faces, faces, strict=True)
    ]
    if arguments.json:
        keys = ("source", "frames", "quality")
        sources = [dict(zip(keys, row, strict=True)) for row in rows]
        print_json({"person": enrolled.person, "added": enrolled.added, "sources": sources})
        return 0
    print(table(["source", "frames", "quality"], rows))
    verb = "enrolled" if enrolled.added else "enrolled once more"
    print(f"\n{enrolled.person}: {verb} with {len(rows)} template{'s' if len(rows) > 1 else ''}")
    return 0


def _point(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"expected X,Y such as 0.4,0.3, found {text!r}") from None
    if not (x >= 0 and y >= 0):
        raise ArgumentTypeError(f"expected a point inside the frame, found {text!r}")
    return x, y


command = Command(
    summary="put somebody into the gallery, from pictures and with their consent",
    example='  edgewarden enrol anna visit.mkv --config site.toml --consent "form 17, 2026-11-02"',
    configure=_configure,
    run=_run,
)
