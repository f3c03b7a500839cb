"""``edgewarden evaluate``: how right the results are, against what is known to be true."""

from __future__ import annotations

import logging
import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from calibration.cli.evaluate_image import add_image
from calibration.cli.evaluate_models import add_classification, add_detection
from calibration.cli.verification import add_verification
from calibration.identification import (
    Coverage,
    Report,
    Verdict,
    camera_of,
    coverage,
    require_enrolled,
    score,
    units,
)
from calibration.truth import read_truth
from edge.cli.command import Command, act_on, positive, subcommand
from edge.cli.console import print_json, table
from edge.errors import EventError, UsageError
from edge.events.cloudevents import from_json
from edge.ids import require_id
from edge.types import Event

_log = logging.getLogger(__name__)

_EXAMPLE = "edgewarden evaluate identification events.jsonl --truth clips.csv --enrolled a,b"

_MEANING = (
    "units: of each clip its largest, longest track, or that there was none, and the bystanders; "
    "bystanders: the other tracks of a clip that shows somebody; lowest margin: of right names, "
    "the least lead over the next person; highest impostor: the best similarity of a stranger or "
    "of somebody not rightly named, or that of a right name to the second-best person, which is "
    "why it may be above every stranger's own row"
)


def _configure(parser: ArgumentParser) -> None:
    kinds = parser.add_subparsers(metavar="WHAT", required=True)
    add_verification(kinds)
    sub = subcommand(
        kinds,
        "identification",
        _identification,
        "final identities of a replay against a list of who is in which clip",
        example=_EXAMPLE,
    )
    sub.description = (
        "Precision, recall and F1 of the final identity of every track that was seen long and\n"
        "large enough, and the gap between genuine and impostor similarities."
    )
    sub.add_argument("events", type=Path, metavar="EVENTS", help="what replay --events wrote")
    sub.add_argument(
        "--truth",
        type=Path,
        required=True,
        metavar="CSV",
        help="columns file,person; a clip without a person shows no face at all",
    )
    sub.add_argument(
        "--enrolled", required=True, metavar="ID,ID", help="the people who are in the gallery"
    )
    sub.add_argument(
        "--min-frames",
        type=positive,
        default=15,
        metavar="N",
        help="judge tracks that were seen in so many frames (default: %(default)s)",
    )
    sub.add_argument(
        "--min-face",
        type=_pixels,
        default=40.0,
        metavar="PX",
        help="and whose largest face has so many pixels (default: %(default)g)",
    )
    sub.add_argument("--json", action="store_true", help="print one JSON document")
    add_detection(kinds)
    add_classification(kinds)
    add_image(kinds)


def _identification(arguments: Namespace) -> int:
    events = read_events(arguments.events)
    truth = read_truth(arguments.truth)
    enrolled = frozenset(
        require_id(person.strip(), "an enrolled person") for person in arguments.enrolled.split(",")
    )
    require_enrolled(events, enrolled)
    covered = coverage(events, truth)
    _warn(covered)
    faces = Counter(camera_of(event) for event in events if event.type.split(".")[1] == "face")
    found = units(events, min_frames=arguments.min_frames, min_face_px=arguments.min_face)
    report = score(found, truth, enrolled=enrolled, faces=faces)
    if arguments.json:
        verdicts = [asdict(verdict) for verdict in report.verdicts]
        print_json(summary(report, events) | asdict(covered) | {"verdicts": verdicts})
    else:
        print(render(report, events))
    return 0


def _warn(covered: Coverage) -> None:
    if covered.silent:
        silent = ", ".join(covered.silent)
        _log.warning("no event at all from: %s (was it replayed under this name?)", silent)
    if covered.unjudged:
        unjudged = ", ".join(covered.unjudged)
        _log.warning("not judged, since the list of clips does not name it: %s", unjudged)


def _pixels(text: str) -> float:
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not 0 < size < math.inf:
        raise ArgumentTypeError(f"expected pixels, more than 0, found {text!r}")
    return size


def read_events(path: Path) -> list[Event]:
    """Every event of a JSON Lines file.

    Raises UsageError where it cannot be read, EventError, with the line, for what is no event of
    ours.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as exc:
        found = exc.strerror or type(exc).__name__
        raise UsageError(
            f"cannot read {path}", expected="what replay --events wrote", found=found
        ) from exc
    return [_event(path, i, line) for i, line in enumerate(lines, 1) if line.strip()]


def _event(path: Path, number: int, line: bytes) -> Event:
    try:
        return from_json(line)
    except EventError as exc:
        raise EventError(
            f"{path}, line {number}: {exc.message}",
            expected=exc.expected,
            found=exc.found,
            remedy=exc.remedy,
        ) from exc


def summary(report: Report, events: Sequence[Event]) -> dict[str, object]:
    """The figures of a report, with the operating point that the events state."""
    thresholds = {e.data["threshold"] for e in events if e.data.get("threshold") is not None}
    margins = [
        verdict.unit.margin
        for verdict in report.verdicts
        if verdict.right
        and verdict.unit
        and verdict.unit.person
        and verdict.unit.margin is not None
    ]
    return {
        "units": len(report.verdicts),
        "right": sum(verdict.right for verdict in report.verdicts),
        "true_positives": report.true_positives,
        "false_positives": report.false_positives,
        "false_negatives": report.false_negatives,
        "precision": report.precision,
        "recall": report.recall,
        "f1": report.f1,
        "bystanders": report.bystanders,
        "threshold": thresholds.pop() if len(thresholds) == 1 else None,
        "lowest_margin": min(margins, default=None),
        "lowest_genuine": min(report.genuine, default=None),
        "highest_impostor": max(report.impostor, default=None),
        "gap": report.gap,
    }


def render(report: Report, events: Sequence[Event]) -> str:
    """A report for people: one row a unit, then the figures, then what they mean."""
    rows = [_row(verdict) for verdict in report.verdicts]
    headings = ["clip", "expected", "found", "similarity", "frames", "face px", "verdict"]
    figures = [[name.replace("_", " "), value] for name, value in summary(report, events).items()]
    return "\n\n".join([table(headings, rows), table(["figure", "value"], figures), _MEANING])


def _row(verdict: Verdict) -> list[object]:
    unit = verdict.unit
    mark = "ok" if verdict.right else "WRONG"
    if unit is None:
        return [verdict.camera, verdict.expected, "-", None, None, None, mark]
    return [
        verdict.camera,
        verdict.expected,
        unit.person or unit.outcome,
        unit.similarity,
        unit.frames,
        round(unit.face_px),
        mark,
    ]


command = Command(
    summary="measure results against what is known to be true",
    example=f"  {_EXAMPLE}",
    configure=_configure,
    run=act_on,
)
