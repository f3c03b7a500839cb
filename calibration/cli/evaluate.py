"""``edgewarden evaluate``: how right the results are, against what is known to be true."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from calibration.identification import Report, Verdict, read_truth, score, units
from edge.cli.command import Command
from edge.cli.console import print_json, table
from edge.errors import UsageError
from edge.events.cloudevents import from_json
from edge.ids import require_id
from edge.types import Event


def _configure(parser: ArgumentParser) -> None:
    kinds = parser.add_subparsers(metavar="WHAT", required=True)
    sub = kinds.add_parser(
        "identification",
        help="final identities of a replay against a list of who is in which clip",
        description="Precision, recall and F1 of the final identity of every track that was seen "
        "long and large enough, and the gap between genuine and impostor similarities.",
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
    sub.add_argument("--min-frames", type=int, default=15, help="(default: %(default)s)")
    sub.add_argument("--min-face", type=float, default=40.0, help="pixels (default: %(default)s)")
    sub.add_argument("--json", action="store_true", help="print one JSON document")


def _run(arguments: Namespace) -> int:
    events = read_events(arguments.events)
    enrolled = frozenset(
        require_id(person.strip(), "an enrolled person") for person in arguments.enrolled.split(",")
    )
    faces = Counter(
        event.source.rsplit("/", 1)[1] for event in events if event.type.split(".")[1] == "face"
    )
    found = units(events, min_frames=arguments.min_frames, min_face_px=arguments.min_face)
    report = score(found, read_truth(arguments.truth), enrolled=enrolled, faces=faces)
    if arguments.json:
        print_json(summary(report, events) | {"verdicts": [asdict(v) for v in report.verdicts]})
    else:
        print(render(report, events))
    return 0


def read_events(path: Path) -> list[Event]:
    """Every event of a JSON Lines file. Raises UsageError where one line is no event of ours."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as exc:
        raise UsageError(f"cannot read {path}", found=str(exc.strerror)) from exc
    return [from_json(line) for line in lines if line.strip()]


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
    """A report for people: one row a unit, then the figures."""
    rows = [_row(verdict) for verdict in report.verdicts]
    headings = ["clip", "expected", "found", "similarity", "frames", "face px", ""]
    figures = [[name.replace("_", " "), value] for name, value in summary(report, events).items()]
    return "\n\n".join([table(headings, rows), table(["", "value"], figures)])


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
    example="  edgewarden evaluate identification events.jsonl --truth clips.csv --enrolled a,b",
    configure=_configure,
    run=_run,
)
