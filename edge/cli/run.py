"""``edgewarden run``: the daemon."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from edge.cli.command import Command

# A little longer than the daemon takes to say that it takes longer.
_RELOAD_S = 310.0


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="SITE", help="the site file")
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--events",
        type=Path,
        metavar="FILE",
        help="append events to a file, one CloudEvent a line, where the site file names no broker",
    )
    either.add_argument(
        "--reload",
        action="store_true",
        help="start nothing: have the running daemon read the site file again; says how that went",
    )
    parser.add_argument(
        "--log-format",
        choices=["text", "json"],
        default="text",
        help="one line a record, for people or for programs (default: %(default)s)",
    )


def _run(arguments: Namespace) -> int:
    if arguments.reload:
        return _reload(arguments.config)
    from edge.config import read_environment
    from edge.ops.logs import configure_logging
    from edge.service import Service

    environment = read_environment()
    configure_logging(
        level=arguments.log_level,
        log_format=arguments.log_format,
        journal_stream=environment.journal_stream,
    )
    Service(
        arguments.config,
        environment=environment,
        events=arguments.events,
        on_ready=lambda site: _greet(arguments.config, len(site.cameras)),
    ).run()
    return 0


def _greet(config: Path, cameras: int) -> None:
    """Tell a person at a terminal that it runs; else only what is amiss would ever be said."""
    if sys.stderr.isatty():
        watched = "1 camera" if cameras == 1 else f"{cameras} cameras"
        hint = f"edgewarden doctor --config {config} says how it is"
        print(f"watching {watched}; Ctrl-C ends it, {hint}", file=sys.stderr)


def _reload(config: Path) -> int:
    from edge.config import load_site
    from edge.ops.control_client import ask

    ask(load_site(config).control_socket, "reload", timeout_s=_RELOAD_S)
    print(f"reloaded {config}")
    return 0


command = Command(
    summary="run the daemon: Ctrl-C and SIGTERM end it, SIGHUP reloads the site file",
    example="  edgewarden run --config /etc/edgewarden/site.toml",
    configure=_configure,
    run=_run,
)
