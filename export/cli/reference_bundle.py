"""``edgewarden reference bundle``: the bundles of trained recipes, as the package ships them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.command import positive
from edge.cli.console import print_json, table

if TYPE_CHECKING:
    from export.cost import Cost
    from export.reference.pack.build import Built

EXAMPLE = "edgewarden reference bundle --from reference/ --out edge/pack"
_COUNT = 150


def configure(parser: ArgumentParser) -> None:
    """The words of the command."""
    from edge.pack import NAMES

    parser.description = (
        "Makes the bundles of the reference pack from trained recipes, by the same stage as "
        "edgewarden export: held against the training, judged and timed, INT8 calibrated on "
        "rendered pictures and kept where it is accepted. Each bundle takes the place of the one "
        "that is there. The models know the synthetic people of the reference world and recognise "
        "no real people."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (default: all)"
    )
    parser.add_argument(
        "--from",
        dest="trainings",
        type=Path,
        required=True,
        metavar="DIR",
        help="where edgewarden reference train wrote",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PACK", help="the folder of the pack"
    )
    parser.add_argument(
        "--toy", action="store_true", help="of toy trainings, which are refused otherwise"
    )
    parser.add_argument("--no-int8", action="store_true", help="FP32 alone")
    parser.add_argument(
        "--images",
        type=positive,
        default=_COUNT,
        metavar="N",
        help="pictures to calibrate INT8 on, and as many to search and twice as many to judge on "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--reports", type=Path, metavar="DIR", help="write a report and a page of each bundle"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: Namespace) -> int:
    """Make them, telling of each as it is done."""
    from edge.durable import make_folder
    from edge.extras import needing

    with needing("making the reference pack"):
        import onnx  # noqa: F401  # so that what is missing is said before anything is rendered
        import torch  # noqa: F401

    from export.cost import Meter
    from export.reference.pack.making import make_pack
    from export.reference.pack.plans import plans_of

    for folder in (arguments.out, arguments.reports):
        if folder is not None:
            make_folder(folder)
    meter = Meter()
    made = make_pack(
        plans_of(tuple(arguments.names)),
        arguments.trainings,
        arguments.out,
        toy=arguments.toy,
        int8=not arguments.no_int8,
        count=arguments.images,
        done=lambda built: _done(built, arguments, meter.read()),
    )
    if arguments.json:
        print_json({"bundles": [_report(built) for built in made]})
        return 0
    rows = [
        [
            built.bundle.manifest.name,
            ", ".join(variant.id for variant in built.bundle.manifest.variants),
            f"{built.packed.bytes / 1e3:.0f}",
            built.bundle.manifest.training,
        ]
        for built in made
    ]
    print(table(("bundle", "variants", "kB", "training"), rows))
    print(f"{sum(built.packed.bytes for built in made) / 1e6:.2f} MB in {arguments.out}")
    return 0


def _done(built: Built, arguments: Namespace, cost: Cost) -> None:
    """Tell of a bundle, and write its report. cost: of all bundles up to this one."""
    from export.page import render
    from export.report_file import write_reports
    from export.summary import cost_json

    name = built.bundle.manifest.name
    if arguments.reports is not None:
        paths = [arguments.reports / f"{name}{suffix}" for suffix in (".json", ".html")]
        for path in paths:
            path.unlink(missing_ok=True)
        report = {**_report(built), "cost": cost_json(cost)}
        write_reports(paths, report, lambda: render(report, built.export.evidence()))
    if not arguments.json:
        print(f"{built.bundle.path}: sha256 {built.bundle.sha256}", flush=True)
        for variant, why in built.packed.left_out.items():
            print(f"  {variant} left out: {why}", flush=True)


def _report(built: Built) -> dict[str, object]:
    """As of an export, but of the bundle that ships."""
    report = built.export.to_json()
    bundle = {**report["bundle"], "sha256": built.bundle.sha256, "path": str(built.bundle.path)}
    return {**report, "bundle": bundle, "packed": built.packed.model_dump(mode="json")}
