"""``edgewarden export``: from a trained model to a bundle that a camera can trust."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.command import Command, positive
from edge.cli.console import print_json
from edge.cli.describing import (
    about_from,
    add_description,
    template_help,
    wishes_from,
    words,
)
from edge.errors import UsageError
from edge.templates import ROLES, TEMPLATES
from export.cli.words import (
    add_calibration,
    add_reporting,
    input_shape,
    pictures_from,
    whole_or_nothing,
)

if TYPE_CHECKING:
    from export.package import ExportRequest
    from export.sources.base import SourceRequest

_EXAMPLE = (
    "  edgewarden export reid.onnx --template reid-0095 --out bundles/reid \\\n"
    "      --fp16 --int8 --calibrate clips/ --detector bundles/yunet-n\n"
    "  edgewarden export --factory models:Generator --weights dcgan.pt --input z=?x100x1x1 \\\n"
    "      --role synthesiser --out bundles/dcgan --reference samples.npz"
)
# What a role means where no template is named: only where one fits every model of the role.
_OF_ROLE = {
    "synthesiser": "generator",
    "enhancer": "image-to-image",
    "anonymiser": "image-to-image",
    "anomaly": "autoencoder",
    "behaviour": "frame-classifier",
}


def _configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Takes a trained model from its framework to ONNX, holds the result against the original, "
        "makes FP16 and INT8 variants, judges each against FP32 and times it, and writes one "
        "bundle that says all of it. A variant that is not good enough is refused by name. "
        "Nothing is written when anything does not fit."
    )
    _add_source(parser)
    parser.add_argument(
        "--template", choices=sorted(TEMPLATES), metavar="TEMPLATE", help=template_help()
    )
    parser.add_argument(
        "--role",
        choices=ROLES,
        metavar="ROLE",
        help=f"{', '.join(ROLES)}; enough without a template for {', '.join(_OF_ROLE)}",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="a new folder")
    add_description(parser)
    graph = parser.add_argument_group("the graph and its variants")
    graph.add_argument("--opset", type=positive, metavar="N", help="convert to this ONNX opset")
    graph.add_argument(
        "--free-batch", action="store_true", help="free a batch axis that is fixed at 1"
    )
    graph.add_argument(
        "--half-weights",
        action="store_true",
        help="store the FP32 file's weights in half precision: half the size, computed as FP32",
    )
    graph.add_argument("--fp16", action="store_true", help="make the fp16 variant")
    graph.add_argument(
        "--int8",
        action="store_true",
        help="make int8-cpu, int8-trt and int8-trt8 from one calibration",
    )
    add_calibration(parser, needed=False)
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="NPZ",
        help="inputs and outputs saved at training; without it the training is unverified",
    )
    add_reporting(parser)


def _add_source(parser: ArgumentParser) -> None:
    source = parser.add_argument_group("the trained model")
    source.add_argument(
        "model",
        type=Path,
        nargs="?",
        metavar="MODEL",
        help="an ONNX file, a .pt2 program of torch.export, a .keras model or a SavedModel folder",
    )
    source.add_argument(
        "--factory", metavar="MODULE:FUNCTION", help="makes the PyTorch module that takes --weights"
    )
    source.add_argument(
        "--weights", type=Path, metavar="FILE", help="a state_dict of plain tensors"
    )
    source.add_argument(
        "--input",
        type=input_shape,
        action="append",
        default=[],
        metavar="NAME=AXES[:DTYPE]",
        help="an input's axes, ? where free: z=?x100; in the order that the model takes them",
    )
    for name, what in (("output-names", "what to call its"), ("keep-outputs", "which of its")):
        source.add_argument(
            f"--{name}", type=words, default=(), metavar="A,B", help=f"{what} outputs, in order"
        )
    source.add_argument(
        "--signature", metavar="NAME", help="of a SavedModel that has several signatures"
    )
    source.add_argument(
        "--python",
        type=Path,
        metavar="FILE",
        help="the Python of an environment with TensorFlow, for a SavedModel",
    )


def _run(arguments: Namespace) -> int:
    from export.cost import Meter
    from export.package import export_model
    from export.page import render
    from export.report_file import require_writable, write_reports
    from export.summary import cost_json, summary

    meter = Meter()
    require_writable(arguments.report)
    request = _request(arguments)
    with whole_or_nothing():
        export = export_model(request, arguments.out)
    cost = meter.read()
    report = {**export.to_json(), "cost": cost_json(cost)}
    write_reports(arguments.report, report, lambda: render(report, export.evidence()))
    if arguments.json:
        print_json(report)
        return 0
    bundle = export.bundle
    print(f"{arguments.out}: {bundle.manifest.role} {bundle.manifest.name}, sha256 {bundle.sha256}")
    for line in export.lines():
        print(line)
    print(summary(export.judged, cost))
    return 0


def _request(arguments: Namespace) -> ExportRequest:
    from export.forms import Recipe
    from export.package import ExportRequest

    source = _source(arguments)
    return ExportRequest(
        source=source,
        template=template_for(arguments.template, arguments.role),
        about=about_from(arguments, _origin(source)),
        wishes=wishes_from(arguments, joined=True),
        recipe=Recipe(fp16=arguments.fp16, int8=arguments.int8, method=arguments.method),
        pictures=pictures_from(arguments),
        reference=arguments.reference,
        opset=arguments.opset,
        free_batch=arguments.free_batch,
        half_weights=arguments.half_weights,
    )


def _source(arguments: Namespace) -> SourceRequest:
    from export.sources.base import SourceRequest

    latents = arguments.latent
    uniform = tuple(name for name, distribution in latents if distribution == "uniform")
    mixed = 0 < len(uniform) < len(latents)
    return SourceRequest(
        path=arguments.model,
        factory=arguments.factory,
        weights=arguments.weights,
        inputs={name: shape for name, shape, _ in arguments.input} or None,
        dtypes={name: dtype for name, _, dtype in arguments.input if dtype},
        output_names=arguments.output_names,
        keep_outputs=arguments.keep_outputs,
        latent=tuple(name for name, _ in latents),
        uniform=uniform if mixed else (),
        condition=arguments.condition[0] if arguments.condition else None,
        signature=arguments.signature,
        python=arguments.python,
    )


def _origin(source: SourceRequest) -> str:
    if source.path is not None:
        return source.path.name
    weights = "" if source.weights is None else f" with {source.weights.name}"
    return f"{source.factory}{weights}"


def template_for(template: str | None, role: str | None) -> str:
    """The template that was named, or the one that stands for a role.

    Raises UsageError where neither says enough.
    """
    if template is not None:
        return template
    if role in _OF_ROLE:
        return _OF_ROLE[role]
    fit = [name for name, values in TEMPLATES.items() if values["role"] == role]
    if len(fit) == 1:
        return fit[0]
    raise UsageError(
        "how the model's inputs are made and its outputs read is not known",
        expected=f"--template {' or '.join(fit) or 'NAME'}",
        found="no template" if role is None else f"--role {role} alone",
        remedy="Name the template that the model was trained for; correct it with --color, --mean, "
        "--scale and --labels.",
    )


command = Command(
    summary="make a bundle of a trained model: parity, FP16, INT8, judged and timed",
    example=_EXAMPLE,
    configure=_configure,
    run=_run,
)
