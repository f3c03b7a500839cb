"""The words of every command that calibrates INT8: what on, how, and what is written of it."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.command import positive
from edge.errors import TransientError

if TYPE_CHECKING:
    from export.samples import Pictures

METHODS = ("auto", "minmax", "percentile", "entropy")


def add_calibration(parser: ArgumentParser, *, needed: bool) -> None:
    """What to calibrate on and how; ``needed`` where a command can do nothing without."""
    parser.add_argument(
        "--calibrate",
        nargs="+",
        required=needed,
        metavar="WHAT",
        help="folders of pictures, pictures, videos, the folder of a generator's bundle, or noise",
    )
    parser.add_argument(
        "--augment",
        action="store_true",
        help="fill up to --images with turned, cropped, mirrored and lighter or darker ones; "
        "needs --judge",
    )
    add_judging(parser)


def add_judging(parser: ArgumentParser) -> None:
    """What to judge variants on, and what the pictures need."""
    parser.add_argument(
        "--judge",
        nargs="+",
        metavar="WHAT",
        help="what to choose layers and to judge variants on, other files for each (default: a "
        "quarter and a half of the pictures that --calibrate names)",
    )
    parser.add_argument(
        "--detector",
        type=Path,
        metavar="BUNDLE",
        help="finds the faces in the pictures, for models of faces",
    )
    parser.add_argument(
        "--images",
        type=positive,
        default=200,
        metavar="N",
        help="pictures to calibrate on, as many to choose layers on, twice as many to judge on "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="auto",
        help="how ranges follow from what was seen; auto takes what comes nearest to FP32 on the "
        "pictures calibrated on (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="for the choice (default: %(default)s)"
    )


def add_reporting(parser: ArgumentParser) -> None:
    """Where what was measured goes."""
    parser.add_argument(
        "--report",
        type=_report_path,
        action="append",
        default=[],
        metavar="FILE",
        help="write everything that was measured to a .json or .html file",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def pictures_from(arguments: Namespace) -> Pictures | None:
    """What to calibrate and judge on; None where nothing was said."""
    from export.samples import Pictures

    if not (arguments.calibrate or arguments.judge):
        return None
    return Pictures(
        calibrate=tuple(arguments.calibrate or ()),
        judge=tuple(arguments.judge or ()),
        detector=arguments.detector,
        count=arguments.images,
        seed=arguments.seed,
        augment=arguments.augment,
    )


def _report_path(text: str) -> Path:
    """A path that ends in .json or .html."""
    path = Path(text)
    if path.suffix not in (".json", ".html"):
        raise ArgumentTypeError(f"expected a path that ends in .json or .html, found {text!r}")
    return path


def input_shape(text: str) -> tuple[str, tuple[int | None, ...], str]:
    """``NAME=1x3x?x?:int64``: an input's name, its axes with None for free ones, and its dtype.

    The dtype is empty where none was said.
    """
    match = re.fullmatch(r"([^=]+)=((?:\d{1,6}|\?)(?:x(?:\d{1,6}|\?))*)(?::([a-z0-9]+))?", text)
    if match is None:
        raise ArgumentTypeError(f"expected NAME=AXISxAXIS such as z=?x100, found {text!r}")
    shape = tuple(None if axis == "?" else int(axis) for axis in match[2].split("x"))
    return match[1], shape, match[3] or ""


@contextmanager
def whole_or_nothing() -> Iterator[None]:
    """Work of minutes: Ctrl-C is a failure like a full disk, and leaves as little behind.

    Raises TransientError in place of KeyboardInterrupt.
    """
    try:
        yield
    except KeyboardInterrupt as exc:
        raise TransientError("interrupted; nothing was written") from exc
