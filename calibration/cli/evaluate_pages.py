"""The pages of ``edgewarden evaluate``: what was measured, with plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calibration.plots import Curve, curves, matrix
from calibration.report import Gallery, Plot, Section, Table, render_page
from edge.media.image import read_image
from edge.types import ByteImage

if TYPE_CHECKING:
    from calibration.bootstrap import Interval
    from calibration.classification import Classified
    from calibration.detection import Matches
    from calibration.likeness import Likeness
    from edge.types import Detections

_BOX = (0, 158, 115)  # BGR
_WIDEST = 360
_MOST_PAIRS = 6


def detection_page(
    facts: Mapping[str, object],
    figures: Mapping[str, Interval],
    matches: Matches,
    files: Sequence[Path],
    found: Sequence[Detections],
    score: float,
) -> bytes:
    """Average precision, its curve, and some pictures with what was found in them."""
    total = sum(int(truths.sum()) for truths in matches.truths.values())
    hits = np.cumsum(matches.hits)
    ranks = np.arange(1, len(hits) + 1)
    line = Curve(name="", x=hits / max(total, 1), y=hits / ranks)
    best = next(iter(figures.items()))
    sections = [
        Section(title="Figures", text=_MEANING, blocks=[_intervals(figures)]),
        Section(
            title="Precision and recall",
            text="All labels together, at an overlap of 0.5; every point is one more detection, "
            "best score first.",
            blocks=[Plot(svg=curves([line], x="recall", y="precision"), alt="precision, recall")],
        ),
        Section(
            title="Pictures",
            text=f"Boxes with a score of {score:g} or more, the bundle's own operating point.",
            blocks=[
                Gallery(
                    pictures=[
                        _drawn(file, one, score) for file, one in zip(files, found, strict=False)
                    ]
                )
            ],
        ),
    ]
    lead = f"{best[0]} {best[1].value:.3f}"
    return render_page("Detection", lead=lead, facts=facts, sections=sections)


def classification_page(facts: Mapping[str, object], result: Classified) -> bytes:
    """Accuracy and F1, label by label, and who is taken for whom."""
    rows = [[one.label, one.support, one.precision, one.recall, one.f1] for one in result.per_label]
    svg = matrix(result.confusion, result.labels, x="said", y="shown")
    sections = [
        Section(
            title="Figures",
            text=_MEANING,
            blocks=[_intervals({"accuracy": result.accuracy, "macro F1": result.macro_f1})],
        ),
        Section(
            title="Labels",
            blocks=[
                Table(headings=["label", "pictures", "precision", "recall", "F1"], rows=rows),
                Plot(
                    svg=svg, alt="confusion", caption="rows: what is shown; columns: what was said"
                ),
            ],
        ),
    ]
    lead = f"accuracy {result.accuracy.value:.3f} over {result.count} pictures"
    return render_page("Classification", lead=lead, facts=facts, sections=sections)


def likeness_page(
    pairs: Mapping[str, tuple[Path, Path]],
    found: Mapping[str, Likeness],
    means: Mapping[str, Interval],
) -> bytes:
    """How near pictures are to those that they should be, and the worst of them beside these."""
    rows = [[name, one.mse, one.psnr, one.ssim] for name, one in found.items()]
    worst = sorted(found, key=lambda name: found[name].ssim)[:_MOST_PAIRS]
    shown = []
    for name in worst:
        for what, path in zip(("should be", "is"), pairs[name], strict=True):
            shown.append((f"{name}: {what}", _small(read_image(path))))
    sections = [
        Section(title="Means", text=_MEANING, blocks=[_intervals(means)]),
        Section(title="The least like", blocks=[Gallery(pictures=shown)]),
        Section(
            title="Pictures",
            blocks=[Table(headings=["picture", "MSE", "PSNR dB", "SSIM"], rows=rows)],
        ),
    ]
    lead = f"SSIM {means['ssim'].value:.3f} on average, over {len(found)} pictures"
    return render_page("Pictures", lead=lead, facts={}, sections=sections)


_MEANING = "Low and high bound the figure with 95 % confidence, by bootstrap over the files."


def _intervals(figures: Mapping[str, Interval]) -> Table:
    rows = [[name, one.value, one.low, one.high] for name, one in figures.items()]
    return Table(headings=["figure", "value", "low", "high"], rows=rows)


def _drawn(file: Path, found: Detections, score: float) -> tuple[str, ByteImage]:
    picture = read_image(file)
    for box in found.boxes[found.scores >= score]:
        left, top, right, bottom = (round(float(side)) for side in box)
        cv2.rectangle(picture, (left, top), (right, bottom), _BOX, 2)
    return file.name, _small(picture)


def _small(picture: ByteImage) -> ByteImage:
    factor = min(1.0, _WIDEST / picture.shape[1])
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
