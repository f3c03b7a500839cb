"""``edgewarden evaluate image``: how far pictures are from those that they should be."""

from __future__ import annotations

import math
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.cli.evaluate_models import add_output
from edge.cli.command import SubParsers, subcommand
from edge.cli.console import Progress, print_json, table
from edge.errors import UsageError

if TYPE_CHECKING:
    from calibration.bootstrap import Interval
    from calibration.likeness import Likeness

_MEASURES = ("mse", "psnr", "ssim")
_MOST_PSNR = 100.0  # dB, what equal pictures count as in a mean


def add_image(kinds: SubParsers) -> None:
    """``evaluate image``."""
    sub = subcommand(
        kinds,
        "image",
        _image,
        "MSE, PSNR and SSIM of pictures against those that they should be",
        example="edgewarden evaluate image originals/ restored/",
    )
    sub.add_argument("reference", type=Path, metavar="REFERENCE", help="an image, or a folder")
    sub.add_argument(
        "actual", type=Path, metavar="ACTUAL", help="the same: in folders, pairs by name"
    )
    add_output(sub)


def _image(arguments: Namespace) -> int:
    from calibration.cli.evaluate_pages import likeness_page
    from calibration.likeness import compare_pictures
    from calibration.report import require_page
    from edge.durable import write_new_file
    from edge.media.image import read_image

    require_page(arguments.report)
    pairs = _pairs(arguments.reference, arguments.actual)
    found: dict[str, Likeness] = {}
    with Progress("comparing", len(pairs)) as progress:
        for name, (reference, actual) in pairs.items():
            found[name] = compare_pictures(read_image(reference), read_image(actual), name=name)
            progress.step()
    means = _means(list(found.values()))
    if arguments.report is not None:
        write_new_file(arguments.report, likeness_page(pairs, found, means))
    if arguments.json:
        print_json(
            {
                "pictures": {
                    name: {measure: _plain(getattr(one, measure)) for measure in _MEASURES}
                    for name, one in found.items()
                },
                "mean": {
                    name: {"value": one.value, "low": _plain(one.low), "high": _plain(one.high)}
                    for name, one in means.items()
                },
            }
        )
        return 0
    rows = [[name, one.mse, one.psnr, one.ssim] for name, one in found.items()]
    print(table(["picture", "MSE", "PSNR dB", "SSIM"], rows))
    interval_rows = [[k, v.value, _plain(v.low), _plain(v.high)] for k, v in means.items()]
    print("\n" + table(["mean", "value", "low", "high"], interval_rows))
    print("\nlow and high: 95 %, by bootstrap over the pictures; equal ones count as 100 dB")
    return 0


def _pairs(reference: Path, actual: Path) -> dict[str, tuple[Path, Path]]:
    """The pairs by name. Raises UsageError where a picture has no counterpart, or none is there."""
    if not reference.is_dir() and not actual.is_dir():
        return {actual.name: (reference, actual)}
    first, second = _images(reference), _images(actual)
    odd = sorted(set(first) ^ set(second))
    if odd or not first:
        raise UsageError(
            f"{reference} and {actual} are no pairs",
            expected="two folders with images of the same names",
            found=f"without a counterpart: {', '.join(odd[:5])}" if odd else "no image",
        )
    return {name: (path, second[name]) for name, path in sorted(first.items())}


def _images(folder: Path) -> dict[str, Path]:
    from edge.media.image import is_image

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", expected="two folders, or two images")
    return {path.name: path for path in folder.iterdir() if path.is_file() and is_image(path)}


def _means(found: list[Likeness]) -> dict[str, Interval]:
    import numpy as np

    from calibration.bootstrap import bootstrap

    def mean_of(name: str) -> Interval:
        most = _MOST_PSNR if name == "psnr" else math.inf
        values = np.minimum([getattr(one, name) for one in found], most)
        return bootstrap(lambda drawn: float(values[drawn].mean()), len(found))

    return {name: mean_of(name) for name in _MEASURES}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
