"""``edgewarden reference calibration``: INT8 without real faces, and what a generator adds."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edge.cli.command import SubParsers, positive, subcommand
from edge.cli.console import print_json, table

if TYPE_CHECKING:
    from calibration.bootstrap import Interval
    from edge.bundle import Bundle
    from export.reference.proofs.calibration import Measured, Subject

_EXAMPLE = (
    "edgewarden reference calibration --real bundles/reid --real-detector bundles/yunet \\\n"
    "      --clips videos/ --truth people.csv"
)
_MEANING = """\
Every layer is in INT8, so that only the pictures differ. Intervals are 95 % bootstraps over people,
scenes or clips; a gain is the figure's better end less that of noise on the same draws. Where it
holds 0, nothing is claimed."""


def add_calibration_proof(kinds: SubParsers) -> None:
    """Add the action to those of ``edgewarden reference``."""
    sub = subcommand(
        kinds,
        "calibration",
        _calibration,
        "calibrate INT8 on rendered or real pictures, on generated ones and on noise, and judge it",
        example=_EXAMPLE,
    )
    for name, what in (
        ("detector", "of faces, of the world"),
        ("recogniser", "of the world's people"),
        ("generator", "of the world's faces"),
    ):
        sub.add_argument(
            f"--{name}", type=Path, metavar="BUNDLE", help=f"{what} (default: the pack's)"
        )
    _add_real(sub)
    sub.add_argument(
        "--images",
        type=positive,
        default=160,
        metavar="N",
        help="pictures to calibrate on (default: %(default)s)",
    )
    sub.add_argument(
        "--people",
        type=positive,
        default=300,
        metavar="N",
        help="to judge the recogniser with, four faces of each (default: %(default)s)",
    )
    sub.add_argument(
        "--scenes",
        type=positive,
        default=50,
        metavar="N",
        help="of six frames, to judge the detector with (default: %(default)s)",
    )
    sub.add_argument(
        "--resamples",
        type=positive,
        default=500,
        metavar="N",
        help="of each bootstrap (default: %(default)s)",
    )
    sub.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="a folder for calibration.json and the pictures; without it nothing is kept",
    )
    sub.add_argument("--json", action="store_true", help="print one JSON document")


def _add_real(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("a recogniser of real faces as well; all four or none")
    group.add_argument("--real", type=Path, metavar="BUNDLE", help="the recogniser")
    group.add_argument(
        "--real-detector", type=Path, metavar="BUNDLE", help="finds faces in the clips"
    )
    group.add_argument("--clips", type=Path, metavar="DIR", help="a folder of videos")
    group.add_argument(
        "--truth", type=Path, metavar="CSV", help="who a clip shows: columns file and person"
    )


def _calibration(arguments: Namespace) -> int:
    from calibration.cli.checks import require_packages
    from edge.durable import make_folder, require_new_file, write_new_file
    from export.reference.proofs.calibration import measure

    require_packages("onnx", "scipy", "sklearn")
    _require_all_or_none(arguments)
    with ExitStack() as stack:
        folder = arguments.out
        if folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory()))
        make_folder(folder)
        path = folder / "calibration.json"
        require_new_file(path)
        results = [
            measure(subject, resamples=arguments.resamples)
            for subject in _subjects(arguments, folder)
        ]
        report = {
            "report": "edgewarden.generated-calibration/1",
            "images": arguments.images,
            "models": [one.to_json() for one in results],
        }
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
        write_new_file(path, f"{text}\n".encode())
    if arguments.json:
        print_json(report)
    else:
        print("\n\n".join([*map(_render, results), _MEANING]))
    return 0


def _subjects(arguments: Namespace, folder: Path) -> list[Subject]:
    from edge.bundle import open_bundle
    from edge.pack import bundle
    from export.reference.proofs import subjects

    sizes = subjects.Sizes(
        images=arguments.images, people=arguments.people, scenes=arguments.scenes
    )

    def opened(path: Path | None, name: str) -> Bundle:
        return open_bundle(path or bundle(name), require_signed=False)

    generator = arguments.generator or bundle("world-faces")
    recogniser = opened(arguments.recogniser, "world-recogniser")
    detector = opened(arguments.detector, "world-face")
    found = [
        subjects.world_recogniser(recogniser, generator, folder / "recogniser", sizes),
        subjects.world_detector(detector, generator, folder / "detector", sizes),
    ]
    if arguments.real is not None:
        real = subjects.RealFaces(
            clips=arguments.clips, truth=arguments.truth, detector=arguments.real_detector
        )
        found.append(
            subjects.real_recogniser(
                open_bundle(arguments.real, require_signed=False),
                generator,
                folder / "real",
                sizes,
                real=real,
            )
        )
    return found


def _require_all_or_none(arguments: Namespace) -> None:
    from edge.errors import UsageError

    words = ("real", "real_detector", "clips", "truth")
    given = [word for word in words if getattr(arguments, word) is not None]
    if 0 < len(given) < len(words):
        raise UsageError(
            "a recogniser of real faces takes clips with a known truth and a detector",
            expected="--real, --real-detector, --clips and --truth together, or none of them",
            found=", ".join(f"--{word.replace('_', '-')}" for word in given),
        )


def _render(found: Measured) -> str:
    names = list(found.rows[0].figures)
    rows = [
        [row.calibrated_on, row.variant, *(_text(row.figures[name]) for name in names)]
        for row in found.rows
    ]
    gains = [
        [one.calibrated_on, one.variant, one.figure, _text(one.gain), one.verdict]
        for one in found.uplifts
    ]
    head = f"{found.title} ({found.bundle}, {found.layers} layers), judged with {found.data}"
    return "\n\n".join(
        [
            head,
            table(["calibrated on", "variant", *names], rows),
            table(["calibrated on", "variant", "figure", "gain over noise", ""], gains),
            f"{found.bundle}: {found.conclusion}",
        ]
    )


def _text(value: Interval) -> str:
    if value.low != value.low:
        return f"{value.value:.4g}"
    return f"{value.value:.4g} ({value.low:.4g} to {value.high:.4g})"
