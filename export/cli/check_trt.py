"""``edgewarden bundle check-trt``: hold ONNX files against the rules of TensorRT's importer."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.command import Command
from edge.cli.console import print_json, table

if TYPE_CHECKING:
    from export.trt_rules import Finding

_BAD_INPUT = 2


def _configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Says which rules of TensorRT's ONNX importer a file breaks, and at which node. Needs no "
        "TensorRT and no GPU. Ends with 2 where any file breaks a rule: it has to be made anew."
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="ONNX files")
    parser.add_argument(
        "--for",
        dest="generation",
        type=int,
        choices=(8, 10),
        default=10,
        help="TensorRT 8.6, or 10 and later (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run(arguments: Namespace) -> int:
    from edge.bundler import read_model
    from export.graph.view import parse_model
    from export.trt_rules import lint

    found = {}
    for path in arguments.files:
        model = parse_model(read_model(path), name=str(path))
        found[path] = lint(model, generation=arguments.generation)
    if arguments.json:
        print_json({str(path): [_record(one) for one in found[path]] for path in found})
    else:
        for path, findings in found.items():
            _print(path, findings, arguments.generation)
    return _BAD_INPUT if any(found.values()) else 0


def _print(path: Path, findings: list[Finding], generation: int) -> None:
    if not findings:
        print(f"{path}: nothing against TensorRT {generation}")
        return
    print(f"{path}: {len(findings)} findings against TensorRT {generation}")
    rows = [[one.node or "-", one.op or "-", one.rule.id, one.text] for one in findings]
    print(table(["node", "operator", "rule", "found"], rows))
    for rule in dict.fromkeys(one.rule for one in findings):
        print(f"{rule.id}: {rule.text} [{rule.source}]")


def _record(finding: Finding) -> dict[str, str]:
    return {
        "node": finding.node,
        "op": finding.op,
        "rule": finding.rule.id,
        "text": finding.text,
        "expected": finding.rule.text,
        "source": finding.rule.source,
    }


command = Command(
    summary="hold ONNX files against the rules of TensorRT's importer",
    example="edgewarden bundle check-trt int8-trt.onnx --for 10",
    configure=_configure,
    run=_run,
)
