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
from importlib.metadata import entry_points
from typing import TypeAlias

from edge.extras import missing_extra, package_of

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


def add_commands(kinds: SubParsers) -> None:
    """Every command of every installed package; ``command`` holds the one that was chosen."""
    for name, found in _registered(GROUP).items():
        if isinstance(found, ImportError):
            command = _add_unavailable(kinds, name, found)
            kinds.choices[name].set_defaults(command=command)
            continue
        parser = kinds.add_parser(
            name,
            help=found.summary,
            description=found.summary,
            epilog=f"example:\n{found.example}",
            formatter_class=RawDescriptionHelpFormatter,
        )
        found.configure(parser)
        parser.set_defaults(command=found)


def registered_actions(kinds: SubParsers, group: str) -> None:
    """Add the actions that installed packages register for one command, as entry points.

    group is ``edgewarden.<command>``; each entry point names a ``Command``.
    """
    for name, found in _registered(group).items():
        if isinstance(found, ImportError):
            command = _add_unavailable(kinds, name, found)
            kinds.choices[name].set_defaults(act=command.run)
            continue
        example = found.example.strip()
        found.configure(subcommand(kinds, name, found.run, found.summary, example=example))


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


def _registered(group: str) -> dict[str, Command | ImportError]:
    """What is registered, by name; why not, where the module does not import."""
    found: dict[str, Command | ImportError] = {}
    for entry in sorted(entry_points(group=group)):
        try:
            found[entry.name] = entry.load()
        except ImportError as exc:
            found[entry.name] = exc
    return found


def _add_unavailable(kinds: SubParsers, name: str, exc: ImportError) -> Command:
    """A command whose module does not import takes any arguments and says what it lacks."""
    error = missing_extra(name, exc)

    def run(namespace: Namespace) -> int:
        raise error from exc

    summary = f"not available: {package_of(exc) or exc} is not installed"
    # No word begins with NUL, so options count as plain arguments.
    parser = kinds.add_parser(name, help=summary, prefix_chars="\0", add_help=False)
    parser.add_argument("rest", nargs="*")
    return Command(summary=summary, example="", configure=lambda parser: None, run=run)


def positive(text: str) -> int:
    """An argument that has to be a whole number of 1 or more."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)
