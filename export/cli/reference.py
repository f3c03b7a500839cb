"""``edgewarden reference``: make and measure the models that ship with the product."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.command import Command, act_on, subcommand
from edge.cli.console import print_json, table
from export.cli import reference_bundle, reference_evaluate
from export.cli.reference_calibration import add_calibration_proof
from export.cli.reference_demo import add_demo_clip
from export.cli.reference_selftest import add_selftest_clip
from export.cli.reference_thresholds import add_thresholds

if TYPE_CHECKING:
    from export.reference.recipes.training import Training

_EXAMPLE = "edgewarden reference train dcgan recogniser --out reference/"


def _configure(parser: ArgumentParser) -> None:
    from export.reference.recipes.registry import NAMES

    kinds = parser.add_subparsers(metavar="WHAT", required=True)
    train = subcommand(
        kinds, "train", _train, "train models on the synthetic world", example=_EXAMPLE
    )
    train.add_argument(
        "names", nargs="+", choices=[*NAMES, "all"], metavar="NAME", help=", ".join([*NAMES, "all"])
    )
    train.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="a folder; each model has one of its own in it",
    )
    train.add_argument(
        "--toy", action="store_true", help="a few steps of a tiny network, to see that it runs"
    )
    train.add_argument(
        "--resume",
        action="store_true",
        help="go on where a training in DIR stopped, and begin those that were not begun",
    )
    train.add_argument(
        "--device", default="cpu", metavar="DEVICE", help="cpu, cuda or cuda:N (default: cpu)"
    )
    train.add_argument("--json", action="store_true", help="print one JSON document")
    reference_bundle.configure(
        subcommand(
            kinds,
            "bundle",
            reference_bundle.run,
            "make the pack's bundles of trained models",
            example=reference_bundle.EXAMPLE,
        )
    )
    reference_evaluate.configure(
        subcommand(
            kinds,
            "evaluate",
            reference_evaluate.run,
            "measure the pack's models on what nothing was made with",
            example=reference_evaluate.EXAMPLE,
        )
    )
    add_demo_clip(kinds)
    add_selftest_clip(kinds)
    add_thresholds(kinds)
    add_calibration_proof(kinds)


def _train(arguments: Namespace) -> int:
    from export.reference.recipes.registry import NAMES, settings_of
    from export.reference.recipes.training import CHECKPOINT, train

    names = NAMES if "all" in arguments.names else tuple(dict.fromkeys(arguments.names))
    done: list[Training] = []
    for name in names:
        begun = (arguments.out / name / CHECKPOINT).exists()
        training = train(
            name,
            settings_of(name, toy=arguments.toy),
            arguments.out,
            device=arguments.device,
            resume=arguments.resume and begun,
        )
        assert training is not None  # nothing stopped it
        done.append(training)
    if arguments.json:
        print_json({"trainings": [training.to_json() for training in done]})
        return 0
    for training in done:
        _tell(training)
    return 0


def _tell(training: Training) -> None:
    steps = training.settings.steps
    print(
        f"{training.folder}: {training.parameters:,} parameters, {steps} steps in "
        f"{training.seconds:.0f} s on {training.device}, recipe {training.recipe[:12]}"
    )
    rows = [[name, f"{value:.4g}"] for name, value in training.figures.items()]
    print(table(("figure", "on what it never saw"), rows))


command = Command(
    summary="train, bundle and measure the reference models of the synthetic world",
    example=f"  {_EXAMPLE}",
    configure=_configure,
    run=act_on,
)
