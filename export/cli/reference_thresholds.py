"""``edgewarden reference thresholds``: do thresholds from unlabelled videos keep their word?"""

from __future__ import annotations

import json
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edge.cli.command import SubParsers, positive, subcommand
from edge.cli.console import print_json, table

if TYPE_CHECKING:
    from calibration.rates import Rate
    from export.reference.proofs.thresholds import Promise, ThresholdProof

_EXAMPLE = "edgewarden reference thresholds --out proof/"
_HEADINGS = (
    *("promised FMR", "threshold", "stated FMR", "FMR of other people"),
    *("of neighbours", "FNMR", "outcome"),
)
_MEANING = """\
Stated is what the calibration said of the unlabelled videos; of other people, whom it never saw,
every two were compared. Neighbours stood in one scene. Intervals: each end holds with 95 %. held:
the upper end is at most what was promised; not held: the lower end is above it. Behind each
interval: how many pairs of people it counts, of the FNMR how many people."""


def add_thresholds(kinds: SubParsers) -> None:
    """Add the action to those of ``edgewarden reference``."""
    sub = subcommand(
        kinds,
        "thresholds",
        _thresholds,
        "calibrate thresholds on unlabelled videos of the world, and judge them by other people",
        example=_EXAMPLE,
    )
    sub.add_argument(
        "--detector", type=Path, metavar="BUNDLE", help="of faces (default: the pack's)"
    )
    sub.add_argument("--recogniser", type=Path, metavar="BUNDLE", help="(default: the pack's)")
    sub.add_argument(
        "--scenes",
        type=positive,
        default=60,
        metavar="N",
        help="unlabelled videos, ten new people in each (default: %(default)s)",
    )
    sub.add_argument(
        "--people",
        type=positive,
        default=300,
        metavar="N",
        help="other people to judge by, each in two videos (default: %(default)s)",
    )
    sub.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="a folder for the videos, a site file, thresholds.json and thresholds.svg; "
        "without it nothing is kept",
    )
    sub.add_argument("--json", action="store_true", help="print one JSON document")


def _thresholds(arguments: Namespace) -> int:
    from calibration.cli.checks import require_packages
    from edge.durable import make_folder, require_new_file, write_new_file
    from edge.pack import bundle
    from export.reference.proofs.site import models_of
    from export.reference.proofs.thresholds import ProofSettings, picture, prove_thresholds

    require_packages("matplotlib", "scipy", "sklearn")
    settings = ProofSettings(scenes=arguments.scenes, people=arguments.people)
    with ExitStack() as stack:
        folder = arguments.out
        if folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory()))
        make_folder(folder)
        results = [folder / f"thresholds.{kind}" for kind in ("json", "svg")]
        for path in results:
            require_new_file(path)
        loaded = stack.enter_context(
            models_of(
                folder,
                detector=arguments.detector or bundle("world-face"),
                recogniser=arguments.recogniser or bundle("world-recogniser"),
            )
        )
        proof = prove_thresholds(loaded.models, folder, settings)
        report = {
            "report": "edgewarden.thresholds/1",
            "bundles": {role: one.model_dump() for role, one in loaded.references.items()},
            **proof.to_json(),
        }
        text = json.dumps(report, indent=2, allow_nan=False)
        for path, data in zip(results, (f"{text}\n", picture(proof)), strict=True):
            write_new_file(path, data.encode())
    if arguments.json:
        print_json(report)
    else:
        print(_render(proof))
    return 0


def _render(proof: ThresholdProof) -> str:
    lines = [
        f"unlabelled: {proof.videos} videos of {proof.people_shown} people; {proof.tracks} tracks "
        f"were recognisable, held to be {proof.people_at_least} people or more",
        f"others: {proof.others} of {proof.others_shown} people were recognisable, in "
        f"{proof.other_tracks} tracks; {proof.strays} tracks followed nobody's face",
    ]
    rows = [_row(one) for one in proof.promises]
    refused = [f"{one.wanted:g}: {one.refused}" for one in proof.promises if one.refused]
    return "\n\n".join(["\n".join(lines), table(_HEADINGS, rows), *refused, _MEANING])


def _row(one: Promise) -> list[object]:
    value = None if one.chosen is None else f"{one.chosen.value:.4f}"
    stated = None if one.chosen is None else one.chosen.fmr
    rates = (stated, one.measured, one.neighbours, one.missed)
    return [f"{one.wanted:g}", value, *map(_interval, rates), one.outcome]


def _interval(rate: Rate | None) -> str | None:
    if rate is None:
        return None
    return f"{rate.value:.2g} ({rate.low:.2g} to {rate.high:.2g}), {rate.units:,}"
