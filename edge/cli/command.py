"""What a command is, and how the packages' commands are found."""

from __future__ import annotations

from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
    _SubParsersAction,
)
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TypeAlias

GROUP = "edgewarden.commands"

SubParsers: TypeAlias = "_SubParsersAction[ArgumentParser]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One subcommand.

    configure adds its arguments to a parser; run does the work and returns the exit code (0
    success, 1 failed while running, 2 bad input). Modules that hold one import nothing heavy, so
    that ``edgewarden --help`` is quick; ``run`` may.
    """

    summary: str
    example: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


def registered() -> dict[str, EntryPoint]:
    """Every command of every installed package, by name."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP))}


def subcommand(
    kinds: SubParsers, name: str, act: Callable[[Namespace], int], summary: str, *, example: str
) -> ArgumentParser:
    """A parser for one action of a command, which ``act_on`` will run."""
    parser = kinds.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=act)
    return parser


def act_on(arguments: Namespace) -> int:
    """Run the action that was chosen; the ``run`` of every command with actions."""
    act: Callable[[Namespace], int] = arguments.act
    return act(arguments)


def positive(text: str) -> int:
    """An argument that has to be a whole number of 1 or more."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)
