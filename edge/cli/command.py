"""What a command is, and how the packages' commands are found."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

GROUP = "edgewarden.commands"


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
