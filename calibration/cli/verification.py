"""``edgewarden evaluate verification`` and ``open-set``: how well faces are told apart."""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.cli.checks import rate_below, require_packages, require_recogniser
from edge.cli.command import SubParsers, subcommand
from edge.cli.console import Progress, print_json, table
from edge.errors import UsageError

if TYPE_CHECKING:
    from calibration.bootstrap import Interval
    from calibration.labelled import LabelledFaces
    from calibration.metrics import Verification
    from calibration.open_set import OpenSet

_VERIFICATION = "edgewarden evaluate verification --config site.toml --labelled faces"
_OPEN_SET = "edgewarden evaluate open-set --config site.toml --labelled faces"

_ONE_TO_ONE = """\
FMR: how often two different people are held for one; FNMR: how often one person is not. Each person
and each pair of people weighs the same. In brackets 95 % intervals, from drawing people anew."""
_ONE_TO_MANY = """\
FAR: how often a stranger is taken for somebody; DIR: how often an enrolled person is found, and by
the right name. Each was enrolled with one picture and weighs the same. In brackets 95 % intervals,
from drawing people anew."""
_UNRESOLVED = "not resolvable: needs {needed} {unit}"


def add_verification(kinds: SubParsers) -> None:
    """Add both actions to those of ``edgewarden evaluate``."""
    sub = subcommand(
        kinds,
        "verification",
        _verification,
        "faces compared one to one: ROC, AUC, FNMR at FMR, DET",
        example=_VERIFICATION,
    )
    _configure(sub, "--fmr", [1e-1, 1e-2, 1e-3], "a false match rate to state the FNMR at")
    sub = subcommand(
        kinds,
        "open-set",
        _open_set,
        "enrolled people among strangers: DIR at FAR",
        example=_OPEN_SET,
    )
    _configure(sub, "--far", [1e-1, 1e-2], "a false alarm rate to state the DIR at")
    sub.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the draw of who is enrolled"
    )


def _configure(sub: ArgumentParser, option: str, rates: list[float], meaning: str) -> None:
    sub.add_argument("--config", type=Path, required=True, metavar="SITE", help="the site file")
    sub.add_argument(
        "--labelled",
        type=Path,
        required=True,
        metavar="DIR",
        help="a folder with one folder of images or videos for each person",
    )
    shown = " ".join(f"{rate:g}" for rate in rates)
    sub.add_argument(
        option,
        type=rate_below(1),
        nargs="+",
        default=rates,
        metavar="RATE",
        help=f"{meaning} (default: {shown})",
    )
    sub.add_argument("--report", type=Path, metavar="HTML", help="write a page with plots, too")
    sub.add_argument("--json", action="store_true", help="print one JSON document")


def _verification(arguments: Namespace) -> int:
    from calibration.metrics import verification
    from edge.durable import write_new_file

    faces, facts = _faces(arguments)
    try:
        found = verification(faces.vectors, faces.person, rates=arguments.fmr)
    except ValueError as exc:
        raise _too_few(faces, exc) from exc
    if arguments.report is not None:
        from calibration.cli.face_pages import verification_page

        write_new_file(arguments.report, verification_page(facts, found))
    if arguments.json:
        print_json(_plain(asdict(found) | {"skipped": len(faces.skipped)}))
    else:
        print(_render_verification(found))
    return 0


def _open_set(arguments: Namespace) -> int:
    from calibration.open_set import open_set
    from edge.durable import write_new_file

    faces, facts = _faces(arguments)
    try:
        found = open_set(faces.vectors, faces.person, rates=arguments.far, seed=arguments.seed)
    except ValueError as exc:
        raise _too_few(faces, exc) from exc
    if arguments.report is not None:
        from calibration.cli.face_pages import open_set_page

        write_new_file(arguments.report, open_set_page(facts, found))
    if arguments.json:
        print_json(_plain(asdict(found) | {"skipped": len(faces.skipped)}))
    else:
        print(_render_open_set(found))
    return 0


def _faces(arguments: Namespace) -> tuple[LabelledFaces, dict[str, object]]:
    """The faces to compare, and what a report says of where they are from."""
    from calibration.labelled import embed_labelled, list_labelled, warn_of_skipped
    from calibration.report import require_page
    from edge.assembly import load_models
    from edge.config import load_site

    require_packages("scipy", "sklearn")
    require_page(arguments.report)
    site = load_site(arguments.config)
    require_recogniser(site)
    files = list_labelled(arguments.labelled)
    with (
        load_models(site, needs_point=False) as loaded,
        Progress("embed", len(files)) as line,
    ):
        faces = embed_labelled(loaded.models, files, watch=line.step)
    warn_of_skipped(faces)
    reference = loaded.references["recogniser"]
    return faces, {
        "recogniser": f"{reference.bundle}, {reference.variant}",
        "bundle": reference.sha256,
        "people": len(faces.names),
        "pictures and videos": len(faces.files),
        "skipped": len(faces.skipped),
    }


def _too_few(faces: LabelledFaces, error: ValueError) -> UsageError:
    return UsageError(
        "these pictures do not allow to compare anybody with themselves and with others",
        expected=str(error).removeprefix("expected "),
        found=f"{len(faces.files)} usable pictures of {len(faces.names)} people",
        remedy="Add a second picture to the folder of each person.",
    )


def _render_verification(found: Verification) -> str:
    rows = [
        [
            f"{one.fmr:g}",
            one.threshold,
            _interval(one.fnmr)
            if one.fnmr
            else _UNRESOLVED.format(needed=one.needed, unit="pairs of people"),
        ]
        for one in found.at
    ]
    figures: list[list[object]] = [
        ["people with two pictures or more", found.people],
        ["pairs of people", found.pairs],
        ["genuine comparisons", found.genuine],
        ["impostor comparisons", found.impostor],
        ["AUC", _interval(found.auc)],
        ["equal error rate", f"{found.eer:.4f}"],
    ]
    return "\n\n".join(
        [table(["figure", ""], figures), table(["FMR", "threshold", "FNMR"], rows), _ONE_TO_ONE]
    )


def _render_open_set(found: OpenSet) -> str:
    rows = [
        [
            f"{one.far:g}",
            one.threshold,
            _interval(one.dir)
            if one.dir
            else _UNRESOLVED.format(needed=one.needed, unit="strangers"),
        ]
        for one in found.at
    ]
    figures: list[list[object]] = [
        ["enrolled people", found.enrolled],
        ["strangers", found.strangers],
        ["pictures searched for", found.probes],
        ["right person nearest", _interval(found.rank1)],
    ]
    return "\n\n".join(
        [table(["figure", ""], figures), table(["FAR", "threshold", "DIR"], rows), _ONE_TO_MANY]
    )


def _plain(value: object) -> object:
    """As JSON has it: lists for arrays and tuples, null for what is no finite number."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _interval(one: Interval) -> str:
    if math.isnan(one.low):
        return f"{one.value:.4f} (too few people for an interval)"
    return f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})"
