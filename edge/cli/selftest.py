"""``edgewarden selftest``: whether what a camera sees arrives as events."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.cli.command import Command, positive
from edge.cli.console import print_json, table

_TIMEOUT_S = 240
# Beyond the test's own limit: for models to load, and for the answer.
_ANSWER_S = 30.0


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="SITE", help="the site file")
    parser.add_argument(
        "--timeout",
        type=positive,
        default=_TIMEOUT_S,
        metavar="SECONDS",
        help="judge by what came until then, 280 at most (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run(arguments: Namespace) -> int:
    from edge.config import load_site
    from edge.errors import TransientError
    from edge.ops.control_client import ask

    site = load_site(arguments.config)
    if sys.stderr.isatty():
        print("rendered people go through the running daemon; a minute or two", file=sys.stderr)
    report = ask(
        site.control_socket,
        "selftest",
        arguments={"timeout_s": arguments.timeout},
        timeout_s=arguments.timeout + _ANSWER_S,
    )
    if not isinstance(report, dict):
        raise TransientError("the daemon gave no report", found=type(report).__name__)
    if arguments.json:
        print_json(report)
    else:
        _tell(report)
    return 0 if report.get("passed") is True else 1


def _tell(report: Mapping[str, Any]) -> None:
    where = {"broker": "acknowledged", "file": "written"}.get(report["delivery"] or "")
    rows = [
        [
            event["expected"],
            "yes" if event["came"] else "NO",
            event["commit_s"],
            *([event["delivery_s"]] if where else []),
        ]
        for event in report["events"]
    ]
    heads = ["expected", "came", "committed (s)", *([f"{where} (s)"] if where else [])]
    print(table(heads, rows))
    print()
    for role, played in report["stages"].items():
        print(f"{role:<12}{played}")
    print()
    if report["not_tested"]:
        print(f"not tested: {', '.join(report['not_tested'])}, as said above")
    if report["reason"]:
        print(report["reason"])
    print(f"{report['frames_shown']} frames shown, {report['frames_analysed']} analysed")
    verdict = "passed" if report["passed"] else "FAILED"
    print(
        f"{verdict}: {report['came']} of {report['expected']} events came in "
        f"{report['seconds']:.0f} s"
    )


command = Command(
    summary="send rendered people through the running daemon, and see whether their events arrive",
    example="  edgewarden selftest --config /etc/edgewarden/site.toml",
    configure=_configure,
    run=_run,
)
