"""``edgewarden run``: the daemon."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from edge.cli.command import Command


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="SITE", help="the site file")
    parser.add_argument(
        "--log-format",
        choices=["text", "json"],
        default="text",
        help="one line a record, for people or for programs (default: %(default)s)",
    )


def _run(arguments: Namespace) -> int:
    from edge.config import read_environment
    from edge.ops.logs import configure_logging
    from edge.service import Service

    environment = read_environment()
    configure_logging(
        level=arguments.log_level,
        log_format=arguments.log_format,
        journal_stream=environment.journal_stream,
    )
    Service(arguments.config, environment=environment).run()
    return 0


command = Command(
    summary="run the daemon: Ctrl-C and SIGTERM end it, SIGHUP reloads the site file",
    example="  edgewarden run --config /etc/edgewarden/site.toml",
    configure=_configure,
    run=_run,
)
