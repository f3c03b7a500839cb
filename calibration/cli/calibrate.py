"""``edgewarden calibrate``: measurements that a model needs before it is used."""

from __future__ import annotations

from argparse import ArgumentParser

from calibration.cli.threshold import add_threshold
from edge.cli.command import Command, act_on, registered_actions

_EXAMPLE = "edgewarden calibrate threshold --config site.toml --fmr 1e-3 hall-*.mp4"


def _configure(parser: ArgumentParser) -> None:
    kinds = parser.add_subparsers(metavar="WHAT", required=True)
    add_threshold(kinds)
    registered_actions(kinds, "edgewarden.calibrate")


command = Command(
    summary="measure what a model needs: thresholds, INT8 ranges",
    example=f"  {_EXAMPLE}",
    configure=_configure,
    run=act_on,
)
