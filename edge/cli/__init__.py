"""The ``edgewarden`` command: finds the subcommand, runs it, turns errors into exit codes."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from edge import __version__
from edge.cli.command import Command, add_commands
from edge.errors import EdgewardenError
from edge.extras import is_optional, missing_extra

_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 success, 1 failed while running, 2 bad input."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        namespace = _parser().parse_args(arguments)
        _configure_logging(namespace.log_level)
        command: Command = namespace.command
        return _run(command, namespace)
    except EdgewardenError as error:
        print(f"edgewarden: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("edgewarden: interrupted; what was not finished was not kept", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone: say no more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"edgewarden: no room for the output; found {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _terminate(number: int, frame: FrameType | None) -> None:
    """Unwind as for Ctrl-C, so that no half-written file stays behind."""
    print("edgewarden: terminated; what was not finished was not kept", file=sys.stderr)
    raise SystemExit(_TERMINATED)


def _run(command: Command, namespace: argparse.Namespace) -> int:
    try:
        return command.run(namespace)
    except ImportError as exc:
        if not is_optional(exc):
            raise
        raise missing_extra("this command", exc) from exc


def _parser() -> argparse.ArgumentParser:
    from edge.config import read_environment

    environment = read_environment()
    parser = argparse.ArgumentParser(
        prog="edgewarden",
        description="Edge inference for cameras: real video in, identity events out.",
        epilog="Each command has its own help: edgewarden COMMAND --help",
    )
    parser.add_argument("--version", action="version", version=f"edgewarden {__version__}")
    parser.add_argument(
        "--log-level",
        default=environment.log_level,
        choices=["debug", "info", "warning", "error"],
        help="how much to say on standard error (default: %(default)s)",
    )
    add_commands(parser.add_subparsers(metavar="COMMAND", required=True))
    return parser


def _configure_logging(level: str) -> None:
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
