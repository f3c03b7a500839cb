"""``edgewarden evaluate detection`` and ``classification``: a model against a labelled set."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.cli.checks import require_packages
from edge.cli.command import SubParsers, subcommand
from edge.cli.console import Progress, print_json, table

if TYPE_CHECKING:
    from calibration.bootstrap import Interval
    from calibration.classification import Classified
    from calibration.detection import Boxes
    from edge.bundle import Bundle
    from edge.runner.base import Runner
    from edge.types import Detections

_IOUS = (0.5, 0.75)


def add_detection(kinds: SubParsers) -> None:
    """``evaluate detection``."""
    sub = subcommand(
        kinds,
        "detection",
        _detection,
        "average precision of a detector against boxes that somebody drew",
        example="edgewarden evaluate detection bundles/yunet-n --truth boxes.csv --report ap.html",
    )
    _add_bundle(sub)
    sub.add_argument(
        "--truth",
        type=Path,
        required=True,
        metavar="CSV",
        help="columns file,label,x1,y1,x2,y2 in pixels, files beside it; a picture with nothing "
        "in it has a line with its file alone; column ignored: 1 for what need not be found",
    )
    add_output(sub)


def add_classification(kinds: SubParsers) -> None:
    """``evaluate classification``."""
    sub = subcommand(
        kinds,
        "classification",
        _classification,
        "accuracy, precision, recall and F1 of a classifier over labelled folders",
        example="edgewarden evaluate classification bundles/live-27 faces/ --detector "
        "bundles/yunet-n",
    )
    _add_bundle(sub)
    sub.add_argument(
        "folder", type=Path, metavar="FOLDER", help="a folder for each label, with images in it"
    )
    sub.add_argument(
        "--detector",
        type=Path,
        metavar="BUNDLE",
        help="finds the faces in them; without one they have to be cut out already",
    )
    add_output(sub)


def _add_bundle(sub: ArgumentParser) -> None:
    sub.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's folder")
    sub.add_argument("--variant", help="run this variant (default: what suits this machine)")


def add_output(sub: ArgumentParser) -> None:
    """Where what was measured goes."""
    sub.add_argument("--report", type=Path, metavar="HTML", help="write a page with plots, too")
    sub.add_argument("--json", action="store_true", help="print one JSON document")


def _detection(arguments: Namespace) -> int:
    from calibration.boxes_file import read_boxes
    from calibration.cli.evaluate_pages import detection_page
    from calibration.detection import match
    from calibration.report import require_page
    from edge.durable import write_new_file
    from edge.media.image import read_image
    from edge.vision.detector import Detector

    require_page(arguments.report)
    with _opened(arguments.bundle, arguments.variant) as (bundle, runner, variant):
        detector = Detector(runner, bundle.manifest, floor=0.0)
        truth = read_boxes(arguments.truth, bundle.manifest.labels)
        found: list[Detections] = []
        with Progress("detecting", len(truth)) as progress:
            for file in truth:
                found.extend(detector.detect([read_image(file)]))
                progress.step()
    boxes = list(truth.values())
    score = bundle.manifest.decoder.score if hasattr(bundle.manifest.decoder, "score") else 0.0
    figures = _detection_figures(found, boxes, score)
    head: dict[str, object] = {
        "bundle": bundle.manifest.name,
        "sha256": bundle.sha256,
        "variant": variant,
    }
    counts: dict[str, object] = {
        "pictures": len(boxes),
        "boxes": sum(len(one.boxes) for one in boxes),
    }
    if arguments.report is not None:
        matches = match(found, boxes, iou=_IOUS[0])
        page = detection_page(head | counts, figures, matches, list(truth)[:8], found, score)
        write_new_file(arguments.report, page)
    if arguments.json:
        print_json(head | counts | {name: _interval(one) for name, one in figures.items()})
    else:
        print(table(["figure", "value", "low", "high"], _interval_rows(figures)))
        print(
            f"\n{counts['boxes']} boxes in {counts['pictures']} pictures; low and high: 95 %, "
            "by bootstrap over the pictures"
        )
    return 0


def _detection_figures(
    found: list[Detections], boxes: list[Boxes], score: float
) -> dict[str, Interval]:
    from calibration.bootstrap import bootstrap
    from calibration.detection import average_precision, match, recall_at

    at = {iou: match(found, boxes, iou=iou) for iou in _IOUS}
    figures = {
        f"AP{100 * iou:.0f}": bootstrap(partial(average_precision, matches), len(boxes))
        for iou, matches in at.items()
    }
    recall = partial(recall_at, at[_IOUS[0]], score)
    return figures | {f"recall at {score:g}": bootstrap(recall, len(boxes))}


def _classification(arguments: Namespace) -> int:
    from calibration.classification import classify
    from calibration.cli.evaluate_pages import classification_page
    from calibration.labelled_pictures import answer
    from calibration.report import require_page
    from edge.bundle import open_bundle
    from edge.durable import write_new_file

    require_packages("sklearn")
    require_page(arguments.report)
    finder = None
    if arguments.detector is not None:
        finder = open_bundle(arguments.detector, require_signed=False)
    with (
        _opened(arguments.bundle, arguments.variant) as (bundle, runner, variant),
        Progress("classifying", None) as progress,
    ):
        answers = answer(
            runner, bundle.manifest, arguments.folder, detector=finder, watch=progress.step
        )
    result = classify(answers.truth, answers.said, bundle.manifest.labels, groups=answers.files)
    head: dict[str, object] = {
        "bundle": bundle.manifest.name,
        "sha256": bundle.sha256,
        "variant": variant,
        "pictures": result.count,
        "files": result.groups,
        "without a face": answers.empty,
    }
    if arguments.report is not None:
        write_new_file(arguments.report, classification_page(head, result))
    if arguments.json:
        print_json(head | _classified(result))
    else:
        rows = [
            [one.label, one.support, one.precision, one.recall, one.f1] for one in result.per_label
        ]
        print(table(["label", "pictures", "precision", "recall", "F1"], rows))
        both = {"accuracy": result.accuracy, "macro F1": result.macro_f1}
        print("\n" + table(["figure", "value", "low", "high"], _interval_rows(both)))
        print("\nlow and high: 95 %, by bootstrap over the files")
    return 0


@contextmanager
def _opened(path: Path, variant: str | None) -> Iterator[tuple[Bundle, Runner, str]]:
    """A bundle, its runner on this machine, loaded and proved, and the variant that it runs."""
    from edge.assembly import check_golden, open_runner
    from edge.bundle import open_bundle

    bundle = open_bundle(path, require_signed=False)
    runner, chosen = open_runner(bundle, variant=variant)
    with runner:
        check_golden(runner, bundle, chosen)
        yield bundle, runner, chosen


def _interval(one: Interval) -> dict[str, float | None]:
    plain = {"value": one.value, "low": one.low, "high": one.high}
    return {name: None if value != value else value for name, value in plain.items()}


def _interval_rows(figures: dict[str, Interval]) -> list[list[object]]:
    return [[name, *_interval(one).values()] for name, one in figures.items()]


def _classified(result: Classified) -> dict[str, object]:
    return {
        "accuracy": _interval(result.accuracy),
        "macro_f1": _interval(result.macro_f1),
        "labels": [
            {
                "label": one.label,
                "pictures": one.support,
                "precision": one.precision,
                "recall": one.recall,
                "f1": one.f1,
            }
            for one in result.per_label
        ],
        "confusion": result.confusion.tolist(),
    }
