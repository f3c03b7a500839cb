"""The generator of faces: what it makes, whether by heart, and how well it is told from real."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.bootstrap import Indices, Interval, bootstrap
from calibration.report import Sheet
from calibration.synthetic import Draws
from edge.types import ByteImage
from edge.vision.recogniser import Recogniser
from export.reference.evaluation.bundles import Pack
from export.reference.evaluation.figures import Figure, Measured, figure
from export.reference.evaluation.held_out import PEOPLE, Sizes
from export.reference.evaluation.recogniser import embed
from export.reference.recipes.faces import crops
from export.reference.recipes.judges import coarse, distances, told_right
from export.reference.recipes.pictures import grid
from export.reference.recipes.settings import FULL, DcganSettings

# Half where nothing is known by heart; a generator that copies comes near to 1.
NEARER = 0.6
_SEED = 6
_SHOWN, _COLUMNS = 36, 12
_PAIRS = 12
Values = NDArray[np.float32]


def measure(pack: Pack, sizes: Sizes) -> Measured:
    """How near generated faces are to those that were learned from, compared with how near they are
    to others and these to each other; how well a linear classifier tells them from real ones.

    Raises what opening bundles raises.
    """
    settings = FULL["dcgan"]
    assert isinstance(settings, DcganSettings)
    learned, unseen = (
        crops(first, sizes.crowd, 1, seed=settings.seed, nuisance=settings.nuisance)
        for first in (0, PEOPLE)
    )
    with pack.open("world-faces") as maker:
        pictures = Draws(maker.bundle, seed=_SEED).pictures(np.arange(sizes.faces))
        made, used = np.stack(list(pictures)), maker.used
    with pack.open("world-recogniser") as model:
        recogniser = Recogniser(model.runner, model.manifest)
        # Half of every batch was learned from in a mirror.
        all_faces = [made, _with_mirrored(learned), _with_mirrored(unseen)]
        spaces = {
            "pixels": [coarse(faces) for faces in all_faces],
            "the recogniser's space": [embed(recogniser, faces) for faces in all_faces],
        }
        used_too = model.used
    figures = [
        one
        for name, vectors in spaces.items()
        for one in by_heart(name, vectors, resamples=sizes.resamples)
    ]
    right = told_right(made, unseen[: len(made)])
    figures.append(figure("accuracy of real against generated", _mean(right, sizes.resamples)))
    return Measured(
        name="dcgan",
        title="DCGAN of faces",
        data=f"{len(made)} generated faces, {len(learned)} that it learned from and "
        f"{len(unseen)} of people whom it never saw",
        bundles=(used, used_too),
        figures=tuple(figures),
        sheets={
            "faces": Sheet(
                picture=grid(np.concatenate([made[:_SHOWN], unseen[:_COLUMNS]]), columns=_COLUMNS),
                alt="Generated faces; in the last row rendered ones for comparison",
            ),
            "nearest": Sheet(
                picture=_nearest_pairs(made[:_PAIRS], learned),
                alt="Generated faces above, below each the nearest face that was learned from",
            ),
        },
    )


def by_heart(space: str, vectors: Sequence[Values], *, resamples: int) -> list[Figure]:
    """Whether faces were learned by heart. vectors: generated, learned from, and unseen, the last
    two followed by the same in a mirror.

    The generator gives no extremes, so what it makes is nearer to any face than another face is;
    that alone is no copy. A copy is nearer to what was learned from than to as many faces that were
    not (after Meehan, Chaudhuri and Dasgupta, "A non-parametric test to detect data-copying in
    generative models", AISTATS 2020).
    """
    made, learned, unseen = vectors
    to_learned, to_unseen = distances(made, learned), distances(made, unseen)
    between = distances(unseen[: len(unseen) // 2], learned)
    nearer = (to_learned < to_unseen) + 0.5 * (to_learned == to_unseen)
    share = _mean(nearer, resamples)
    return [
        figure(f"nearer to a face learned from than to an unseen one, in {space}", share,
               at_most=NEARER),
        figure(f"distance to the nearest learned face, in {space}",
               _median(to_learned, resamples)),
        figure(f"the same of unseen real faces, in {space}", _median(between, resamples)),
    ]  # fmt: skip


def _mean(values: NDArray[np.generic], resamples: int) -> Interval:
    numbers = np.asarray(values, np.float64)

    def mean(drawn: Indices) -> float:
        return float(numbers[drawn].mean())

    return bootstrap(mean, len(numbers), resamples=resamples)


def _median(values: Values, resamples: int) -> Interval:
    def median(drawn: Indices) -> float:
        return float(np.median(values[drawn]))

    return bootstrap(median, len(values), resamples=resamples)


def _with_mirrored(faces: ByteImage) -> ByteImage:
    return np.concatenate([faces, faces[:, :, ::-1]])


def _nearest_pairs(made: ByteImage, learned: ByteImage) -> ByteImage:
    known = coarse(learned)
    near = [int(np.square(known - one).sum(axis=1).argmin()) for one in coarse(made)]
    return grid(np.concatenate([made, learned[near]]), columns=len(made))
