"""What commands ask for before their work, which takes long."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from edge.errors import UsageError
from edge.extras import needing

if TYPE_CHECKING:
    from edge.config import Site


def rate_below(most: float) -> Callable[[str], float]:
    """The type of an argument that is a rate between 0 and ``most``, neither included."""

    def rate(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < most:
            raise ArgumentTypeError(
                f"expected a rate between 0 and {most:g}, such as 1e-3, found {text!r}"
            )
        return value

    return rate


def require_packages(*names: str) -> None:
    """Import what the work takes: better missed now than at its end. Raises MissingExtraError."""
    with needing("this command"):
        for name in names:
            import_module(name)


def require_recogniser(site: Site) -> None:
    """Raise UsageError where the site names no recogniser."""
    if site.models.recogniser is None:
        raise UsageError(
            "there is no recogniser to measure",
            expected="models.recogniser in the site file",
            found="none",
        )
