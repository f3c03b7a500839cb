"""``edgewarden reference selftest-clip``: what ``edgewarden selftest`` shows."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from edge.cli.command import SubParsers, subcommand
from edge.cli.console import Progress, print_json, table

_SEED = 11
_EXAMPLE = "edgewarden reference selftest-clip --out edge/pack/selftest"


def add_selftest_clip(kinds: SubParsers) -> None:
    """Add the action to ``edgewarden reference``."""
    summary = "render the clip and the people of the self-test"
    _configure(subcommand(kinds, "selftest-clip", _run, summary, example=_EXAMPLE))


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
    from export.reference.selftest.film import FPS, SECONDS, write_material

    out: Path = arguments.out
    with Progress("render", round(SECONDS * FPS)) as line:
        material = write_material(out, seed=arguments.seed, step=line.step)
    size = sum(path.stat().st_size for path in out.iterdir())
    if arguments.json:
        print_json({"visits": [one.model_dump() for one in material.visits], "bytes": size})
        return 0
    rows = [
        [one.person or "stranger", one.first, one.last, "yes" if one.in_zone else "no"]
        for one in material.visits
    ]
    print(table(["person", "from frame", "to frame", "in the zone"], rows))
    print(f"\n{out}: {size:,} bytes")
    return 0
