"""``edgewarden reference demo-clip``: the clip and the people that ``edgewarden demo`` shows."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from edge.cli.command import SubParsers, subcommand
from edge.cli.console import Progress, print_json, table

_SEED = 7
_EXAMPLE = "edgewarden reference demo-clip --out edge/pack/demo"


def add_demo_clip(kinds: SubParsers) -> None:
    """Add the action to ``edgewarden reference``."""
    summary = "render the clip and the enrolment pictures of the demo"
    _configure(subcommand(kinds, "demo-clip", _run, summary, example=_EXAMPLE))


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder for them")
    parser.add_argument(
        "--seed",
        type=int,
        default=_SEED,
        metavar="N",
        help="of light, sensor and pictures; people and plot stay (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run(arguments: Namespace) -> int:
    from edge.durable import make_folder
    from export.reference.demo.film import CLIP, frame_count, write_film
    from export.reference.demo.portraits import write_portraits

    out: Path = arguments.out
    make_folder(out / "people")
    portraits = write_portraits(out / "people", seed=arguments.seed)
    with Progress("render", frame_count()) as line:
        truth = write_film(out, seed=arguments.seed, step=line.step)
    size = (out / CLIP).stat().st_size
    if arguments.json:
        print_json({"truth": truth.model_dump(mode="json"), "bytes": size, "people": portraits})
        return 0
    rows = [
        [person.id, "enrolled" if person.enrolled else "stranger", person.face_px]
        for person in truth.people
    ]
    print(table(["person", "is", "face_px"], rows))
    print(f"\n{out / CLIP}: {truth.frames} frames at {truth.fps:g} a second, {size:,} bytes")
    return 0
