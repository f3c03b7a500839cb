"""``edgewarden demo``: what the product does, on the reference pack or on models of one's own."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from edge.cli.command import Command


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "models",
        nargs="?",
        type=Path,
        metavar="MODELS",
        help="a folder with yunet_n_dynamic.onnx and face-reidentification-retail-0095.onnx, which "
        "know real people; without it the reference pack, which knows synthetic ones only",
    )
    parser.add_argument(
        "clips",
        nargs="?",
        type=Path,
        metavar="CLIPS",
        help="a folder of videos with one CSV, columns file,person, that says who is in which",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/demo"),
        metavar="DIR",
        help="what is made goes there, in place of an earlier demo (default: %(default)s)",
    )
    pack = parser.add_argument_group("with the reference pack")
    pack.add_argument(
        "--broker",
        metavar="HOST[:PORT]",
        help="an MQTT broker without TLS or password (default: the one on localhost:1883, else a "
        "mosquitto that is started for the demo)",
    )
    pack.add_argument("--json", action="store_true", help="print one JSON document")
    own = parser.add_argument_group("with MODELS and CLIPS")
    own.add_argument(
        "--detector",
        action="append",
        metavar="FILE",
        help="a YuNet file of MODELS; several are run one after the other",
    )
    own.add_argument(
        "--nobody", action="append", default=[], metavar="CLIP", help="a clip without any face"
    )
    own.add_argument("--unsigned", action="store_true", help="use bundles without signatures")
    own.add_argument(
        "--twice", action="store_true", help="replay twice and compare the events but for their ids"
    )


def _run(arguments: Namespace) -> int:
    from edge.cli.demo_models import run_models
    from edge.cli.demo_pack import run_pack

    _refuse_mixed(arguments)
    if arguments.models is not None:
        return run_models(arguments)
    return run_pack(arguments.out, broker=arguments.broker, as_json=arguments.json)


def _refuse_mixed(arguments: Namespace) -> None:
    """Raise UsageError for an option that means nothing here."""
    from edge.errors import UsageError

    for_pack = {"--broker": arguments.broker, "--json": arguments.json}
    for_own = {
        "--detector": arguments.detector,
        "--nobody": arguments.nobody,
        "--unsigned": arguments.unsigned,
        "--twice": arguments.twice,
    }
    own = arguments.models is not None
    wrong = [name for name, value in (for_pack if own else for_own).items() if value]
    if wrong:
        raise UsageError(
            f"{', '.join(wrong)} means nothing {'with' if own else 'without'} MODELS CLIPS",
            remedy="Leave it out, or see: edgewarden demo --help",
        )


command = Command(
    summary="from nothing to events on a broker, with synthetic people or with models of one's own",
    example="  edgewarden demo\n  edgewarden demo MODELS CLIPS --nobody bottle-detection.mp4",
    configure=_configure,
    run=_run,
)
