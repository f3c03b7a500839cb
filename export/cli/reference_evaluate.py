"""``edgewarden reference evaluate``: what the shipped reference models are worth."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.console import print_json, table
from edge.errors import UsageError

if TYPE_CHECKING:
    from export.reference.evaluation.run import Evaluation

EXAMPLE = "edgewarden reference evaluate recogniser detector --out measured/"
_PACKAGES = ("jinja2", "matplotlib", "skimage", "sklearn")


def configure(parser: ArgumentParser) -> None:
    """The words of the command."""
    from edge.pack import PACK
    from export.reference.evaluation.names import NAMES

    parser.description = (
        "Measures the bundles of the reference pack as a camera runs them, on people, scenes and "
        "clips that nothing was made with, and holds each figure against its goal. Ends with 1 "
        "where a goal is not met. The models know the synthetic people of the reference world: "
        "nothing here says anything of real people."
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join(NAMES)} (default: all that the pack has bundles for)",
    )
    parser.add_argument(
        "--pack",
        type=Path,
        default=PACK,
        metavar="DIR",
        help="as edgewarden reference bundle writes it (default: the installed pack)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write a page, its pictures and figures.json here"
    )
    parser.add_argument(
        "--write-docs",
        type=Path,
        metavar="PAGE",
        help="keep the figures in the pack, and write all that it has into this page",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="on so little that it proves nothing but that all of it runs",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: Namespace) -> int:
    """Measure, tell, and write what was asked for."""
    from calibration.cli.checks import require_packages
    from export.reference.evaluation.names import NAMES

    names = tuple(dict.fromkeys(arguments.names))
    if unknown := [name for name in names if name not in NAMES]:
        raise UsageError("no such model", expected=", ".join(NAMES), found=unknown[0])
    require_packages(*_PACKAGES)
    from export.reference.evaluation import docs
    from export.reference.evaluation.bundles import Pack
    from export.reference.evaluation.run import evaluate

    if arguments.write_docs is not None:
        if arguments.quick:
            raise UsageError(
                "figures that were measured quickly are not for the documentation",
                expected="--write-docs without --quick",
            )
        docs.require_docs(arguments.write_docs)
    evaluation = evaluate(Pack(arguments.pack), names or None, quick=arguments.quick)
    if arguments.out is not None:
        _write(evaluation, arguments.out)
    if arguments.write_docs is not None:
        figures = docs.record(evaluation, arguments.pack)
        docs.write_docs(arguments.write_docs, figures, evaluation)
    if arguments.json:
        print_json(evaluation.to_json())
    else:
        _tell(evaluation)
    return 0 if evaluation.met else 1


def _write(evaluation: Evaluation, out: Path) -> None:
    import json

    from edge.durable import replace_file
    from export.reference.evaluation.docs import FIGURES
    from export.reference.evaluation.page import write_page

    write_page(evaluation, out)
    text = json.dumps(evaluation.to_json(), indent=1, ensure_ascii=False)
    replace_file(out / FIGURES, f"{text}\n".encode())


def _tell(evaluation: Evaluation) -> None:
    from export.reference.evaluation.page import HEADINGS, row

    for model in evaluation.models:
        print(f"{model.title}: {model.data}")
        rows = [(name, f"{value:.4g}", *rest) for name, value, *rest in map(row, model.figures)]
        print(table(HEADINGS, rows))
        for one in model.tables:
            print(f"\n{table(one.headings, one.rows)}")
        print()
    if evaluation.quick:
        print("measured quickly, on too little to prove anything")
    for name, lacking in evaluation.left_out.items():
        print(f"not measured: {name}, for the pack lacks {' and '.join(lacking)}")
    short = [model.name for model in evaluation.models if not model.met]
    print(f"goals not met: {', '.join(short)}" if short else "every goal is met")
