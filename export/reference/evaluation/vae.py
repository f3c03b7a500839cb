"""The autoencoder of scenes: how far what is wrong stands out, how well the rest is rebuilt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.bootstrap import Indices, Interval, bootstrap
from calibration.likeness import compare_pictures
from calibration.report import Sheet, Table
from edge.types import ByteImage
from edge.vision.anomaly import LOOKS, AnomalyFinder, Oddity, lasting
from export.reference.evaluation.bundles import Pack
from export.reference.evaluation.figures import Figure, Measured, figure
from export.reference.evaluation.held_out import PEOPLE, SCENES, Sizes
from export.reference.recipes.pictures import grid
from export.reference.recipes.scenes import Kinds, frames, views_of, windows
from export.reference.recipes.settings import FULL, VaeSettings
from export.reference.world.baselines import auroc, pixel_scores
from export.reference.world.truth import ANOMALIES

AUROC = 0.95
_EACH = 10  # frames of a scene, of which LOOKS in a row are one look
_BATCH = 16
_HOT = 0.6  # how much of a heat map's picture is heat
Scores = NDArray[np.float64]


def measure(pack: Pack, sizes: Sizes) -> Measured:
    """Area under the ROC of the anomaly score, of all anomalies and of each kind, held against how
    far pixels are from their camera's mean; SSIM of normal frames. Raises what opening bundles
    raises."""
    settings = FULL["vae"]
    assert isinstance(settings, VaeSettings)
    size, views = settings.size, settings.views
    asked, kinds = frames(
        sizes.views, _EACH, views=views, size=size, seed=SCENES, wrong=True, people_from=PEOPLE
    )
    with pack.open("world-scenes") as model:
        finder = AnomalyFinder(model.runner, model.manifest)
        seen = [
            oddity
            for start in range(0, len(asked), _BATCH)
            for oddity in finder.look(list(asked[start : start + _BATCH]))
        ]
        used = model.used
    # Both scores see the same frames, and both the median of as many.
    spans = windows(len(asked), _EACH, LOOKS)
    lasts = [end - 1 for _, end in spans]
    steady = [lasting(seen[start:end]) for start, end in spans]
    calm = np.stack([np.median(asked[start:end], axis=0) for start, end in spans]).astype(np.uint8)
    once = auroc(np.asarray([oddity.score for oddity in seen]), kinds >= 0)
    scores = np.asarray([oddity.score for oddity in steady])
    of_asked = views_of(sizes.views, _EACH, views=views)[lasts]
    pixels = _by_pixels(calm, of_asked, settings, sizes)
    groups = np.repeat(np.arange(sizes.views), _EACH)[lasts]
    asked, kinds, seen = asked[lasts], kinds[lasts], steady
    own, baseline, above = compared(
        scores, pixels, kinds >= 0, groups=groups, resamples=sizes.resamples
    )
    rows = []
    for number, kind in enumerate(ANOMALIES):
        part = (kinds == number) | (kinds < 0)
        one, other, more = compared(
            scores[part], pixels[part], kinds[part] >= 0, groups=groups[part],
            resamples=sizes.resamples,
        )  # fmt: skip
        count = int((kinds == number).sum())
        rows.append((kind, count, one.value, other.value, more.value, more.low, more.high))
    return Measured(
        name="vae",
        title="VAE of scenes",
        data=f"{len(asked)} frames of {views} cameras in {sizes.views} scenes, in "
        f"{int((kinds >= 0).sum())} of them something is wrong",
        bundles=(used,),
        figures=(
            figure("AUROC of anomalies", own, at_least=AUROC),
            figure("AUROC of pixel deviation", baseline),
            Figure(name="AUROC of single frames", value=once),
            figure("AUROC above that of pixels", above, at_least=0.0, surely=True),
            figure("SSIM of normal frames", _likeness(asked, seen, kinds, groups, sizes)),
        ),
        tables=(
            Table(
                headings=(
                    *("anomaly", "frames", "AUROC", "of pixels", "difference", "low", "high"),
                ),
                rows=rows,
                caption="Each kind of anomaly against all normal frames; low and high: 95 % "
                "interval of the difference, by paired bootstrap over scenes",
            ),
        ),
        sheets={
            "anomalies": Sheet(
                picture=_heat(asked, seen, kinds),
                alt="Frames with an anomaly of each kind and a normal one; beside each how it is "
                "rebuilt, and where the two differ",
            )
        },
    )


def _by_pixels(asked: ByteImage, of_asked: Kinds, settings: VaeSettings, sizes: Sizes) -> Scores:
    """Scores by each camera's mean and deviation, of the frames that the VAE learned from."""
    scenes, views = min(sizes.views, settings.scenes), settings.views
    known, _ = frames(scenes, settings.each, views=views, size=settings.size, seed=settings.seed)
    of_known = views_of(scenes, settings.each, views=views)
    scores = np.zeros(len(asked))
    for view in range(views):
        own = of_asked == view
        scores[own] = pixel_scores(list(known[of_known == view]), list(asked[own]))
    return scores


def compared(
    scores: Scores,
    pixels: Scores,
    wrong: NDArray[np.bool_],
    *,
    groups: NDArray[np.int64],
    resamples: int,
) -> tuple[Interval, Interval, Interval]:
    """AUROC of both scores, and their difference where both are drawn alike."""

    def own(drawn: Indices) -> float:
        return auroc(scores[drawn], wrong[drawn])

    def other(drawn: Indices) -> float:
        return auroc(pixels[drawn], wrong[drawn])

    def more(drawn: Indices) -> float:
        return own(drawn) - other(drawn)

    again = partial(bootstrap, count=len(scores), groups=groups.tolist(), resamples=resamples)
    return again(own), again(other), again(more)


def _likeness(
    asked: ByteImage, seen: Sequence[Oddity], kinds: Kinds, groups: NDArray[np.int64], sizes: Sizes
) -> Interval:
    normal = np.flatnonzero(kinds < 0)
    values = np.asarray([
        compare_pictures(asked[place], seen[place].rebuilt, name="a frame").ssim
        for place in normal.tolist()
    ])  # fmt: skip

    def mean(drawn: Indices) -> float:
        return float(values[drawn].mean())

    return bootstrap(mean, len(values), groups=groups[normal].tolist(), resamples=sizes.resamples)


def _heat(asked: ByteImage, seen: Sequence[Oddity], kinds: Kinds) -> ByteImage:
    """A frame of each kind, of those the one whose score is in the middle, and a normal one."""
    shown = []
    for number in (*range(len(ANOMALIES)), -1):
        places = np.flatnonzero(kinds == number).tolist()
        order = np.argsort([seen[place].score for place in places], kind="stable")
        shown.append(places[order[len(order) // 2]])
    most = max(float(seen[place].residual.max()) for place in shown)
    pictures = []
    for place in shown:
        level = np.clip(seen[place].residual / most * 255, 0, 255).astype(np.uint8)
        heat = cv2.applyColorMap(level, cv2.COLORMAP_INFERNO)
        mixed = cv2.addWeighted(heat, _HOT, asked[place], 1 - _HOT, 0)
        pictures += [asked[place], seen[place].rebuilt, np.asarray(mixed, np.uint8)]
    return grid(np.stack(pictures), columns=6)
