"""``edgewarden calibrate compare``: what INT8 is worth, and what it was best calibrated on."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.command import Command, positive
from edge.cli.console import print_json, table
from edge.errors import UsageError
from export.cli.words import add_judging, add_reporting

if TYPE_CHECKING:
    from export.comparison import Comparison
    from export.samples import Pictures

_HEADINGS = ("bundle", "variant", "kB", "ms", "× fp32", "agreement", "state")


def _configure(parser: ArgumentParser) -> None:
    parser.description = (
        "FP32, FP16 and INT8 of one or several bundles in one table: size, CPU time of one thread "
        "in one run, agreement with FP32, state and reason. INT8 is made anew from each set of "
        "pictures that is named; all variants of a bundle are judged on the same pictures. "
        "Nothing is written."
    )
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    parser.add_argument(
        "--with",
        dest="named",
        type=_named,
        action="append",
        required=True,
        metavar="NAME=WHAT",
        help="pictures to calibrate on, and what to call them: a folder, a video, a generator's "
        "bundle or noise; of the first, parts of their own serve to choose layers and to judge on "
        "unless --judge says otherwise",
    )
    parser.add_argument(
        "--attempts",
        type=positive,
        default=12,
        metavar="N",
        help="at INT8, each with other layers in float, before the verdict; with 1 every layer is "
        "in INT8, so that nothing but the pictures differs (default: %(default)s)",
    )
    add_judging(parser)
    add_reporting(parser)


def _run(arguments: Namespace) -> int:
    from edge.bundle import open_bundle
    from export.comparison import compare_calibrations
    from export.cost import Meter
    from export.forms import Recipe
    from export.page import render_comparison
    from export.report_file import require_writable, write_reports
    from export.summary import cost_json

    meter = Meter()
    require_writable(arguments.report)
    named = _pictures(arguments)
    recipe = Recipe(fp16=True, int8=True, method=arguments.method, attempts=arguments.attempts)
    bundles = [open_bundle(path, require_signed=False) for path in arguments.bundles]
    results = [compare_calibrations(bundle, named, recipe=recipe) for bundle in bundles]
    cost = meter.read()
    report = {
        "report": "edgewarden.comparison/1",
        "bundles": [result.to_json() for result in results],
        "cost": cost_json(cost),
    }
    write_reports(arguments.report, report, lambda: render_comparison(report))
    if arguments.json:
        print_json(report)
    else:
        _tell(results)
        print(cost)
    return 0


def _tell(results: list[Comparison]) -> None:
    from export.summary import reasons, timed_on, variant_rows

    rows: list[list[object]] = []
    notes: list[str] = []
    for result in results:
        name = result.bundle.manifest.name
        rows += [[name, *row] for row in variant_rows(result.judged)]
        notes += [f"{name}: {line}" for line in result.lines()]
        notes += [f"{name}: {line}" for line in reasons(result.judged)]
    print(table(_HEADINGS, rows))
    print("\n".join(notes))
    print(timed_on(results[-1].judged))


def _pictures(arguments: Namespace) -> dict[str, Pictures]:
    from export.samples import Pictures

    named: dict[str, Pictures] = {}
    for name, what in arguments.named:
        if name in named:
            raise UsageError("two sets have one name", expected="different names", found=name)
        named[name] = Pictures(
            calibrate=(what,),
            judge=tuple(arguments.judge or ()),
            detector=arguments.detector,
            count=arguments.images,
            seed=arguments.seed,
        )
    return named


def _named(text: str) -> tuple[str, str]:
    name, _, what = text.partition("=")
    what = what or name
    if not name:
        raise ArgumentTypeError(f"expected NAME=WHAT such as clips=videos/, found {text!r}")
    return name, what


command = Command(
    summary="FP32, FP16 and INT8 from several calibrations in one table",
    example="  edgewarden calibrate compare bundles/reid bundles/yunet-n --with real=clips/ "
    "--with noise --detector bundles/yunet-n",
    configure=_configure,
    run=_run,
)
