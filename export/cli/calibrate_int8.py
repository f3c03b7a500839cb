"""``edgewarden calibrate int8``: INT8 variants for a bundle that exists, in a new bundle."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from edge.cli.command import Command
from edge.cli.console import print_json
from export.cli.words import add_calibration, add_reporting, pictures_from, whole_or_nothing


def _configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Makes int8-cpu, int8-trt and int8-trt8 of a bundle's FP32 model from one calibration, "
        "judges and times them, and writes a new bundle with them. The bundle that was given, its "
        "FP32 file, thresholds and what was enrolled with it stay as they are."
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's folder")
    parser.add_argument("--out", type=Path, required=True, metavar="NEW", help="a new folder")
    parser.add_argument("--fp16", action="store_true", help="make the fp16 variant as well")
    add_calibration(parser, needed=True)
    add_reporting(parser)


def _run(arguments: Namespace) -> int:
    from edge.bundle import open_bundle
    from export.cost import Meter
    from export.forms import Recipe
    from export.page import render
    from export.recalibrate import recalibrate
    from export.report_file import require_writable, write_reports
    from export.summary import cost_json, summary

    meter = Meter()
    require_writable(arguments.report)
    with whole_or_nothing():
        made = recalibrate(
            open_bundle(arguments.bundle, require_signed=False),
            arguments.out,
            pictures=pictures_from(arguments),
            recipe=Recipe(fp16=arguments.fp16, int8=True, method=arguments.method),
        )
    cost = meter.read()
    report = {**made.to_json(), "cost": cost_json(cost)}
    write_reports(arguments.report, report, lambda: render(report, made.evidence()))
    if arguments.json:
        print_json(report)
        return 0
    print(f"{arguments.out}: {made.bundle.manifest.name}, sha256 {made.bundle.sha256}")
    for line in made.lines():
        print(line)
    print(summary(made.judged, cost))
    return 0


command = Command(
    summary="make INT8 variants of a bundle's model, in a new bundle",
    example="  edgewarden calibrate int8 bundles/reid --calibrate clips/ "
    "--detector bundles/yunet-n --out bundles/reid-int8",
    configure=_configure,
    run=_run,
)
