"""The recogniser on faces of people whom it never saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import FnmrAtFmr, Verification, verification
from calibration.pairs import genuine_of, impostors_of
from calibration.plots import Curve, curves
from calibration.rates import Rate
from calibration.report import Plot, Sheet
from edge.types import ByteImage, FloatArray
from edge.vision.recogniser import Recogniser
from export.reference.evaluation.bundles import Pack
from export.reference.evaluation.figures import Figure, Measured, figure
from export.reference.evaluation.held_out import PEOPLE, Sizes
from export.reference.recipes.faces import crops
from export.reference.recipes.pictures import grid
from export.reference.world.baselines import accepted, pixel_vectors

FMR, FNMR = 1e-3, 0.02
_SHARE = 0.7
_EACH = 4
_BATCH = 32
_SEED = 6
_SHOWN, _ALIKE = 6, 7


def measure(pack: Pack, sizes: Sizes) -> Measured:
    """FNMR at FMR 1e-3, at the bundle's own threshold, and what raw pixels give on the same faces.

    Raises what opening bundles raises.
    """
    faces = crops(PEOPLE, sizes.people, _EACH, seed=_SEED)
    person = np.repeat(np.arange(sizes.people), _EACH)
    with pack.open("world-recogniser") as model:
        vectors = embed(Recogniser(model.runner, model.manifest), faces)
        used, thresholds = model.used, model.manifest.thresholds
    judged = verification(vectors, person, rates=(FMR,), resamples=sizes.resamples)
    pixels = verification(
        pixel_vectors(list(faces)), person, rates=(FMR,), resamples=sizes.resamples
    )
    figures = [
        figure("area under the ROC", judged.auc),
        Figure(name="equal error rate", value=judged.eer),
        *_at_rate(judged.at[0], pixels.at[0]),
    ]
    for stated in thresholds:
        impostors, genuine = impostors_of(vectors, person), genuine_of(vectors, person)
        figures += [
            _rate("FMR", stated.value, impostors.false_matches(stated.value)),
            _rate("FNMR", stated.value, genuine.false_non_matches(stated.value)),
        ]
    return Measured(
        name="recogniser",
        title="Recogniser of faces",
        data=f"{_EACH} faces each of {judged.people} people: {judged.impostor:,} comparisons of "
        f"{judged.pairs:,} pairs of different people, {judged.genuine:,} of the same",
        bundles=(used,),
        figures=tuple(figures),
        plots={"roc": _roc(judged, pixels)},
        sheets={
            "neighbours": Sheet(
                picture=_neighbours(faces, vectors),
                alt="In each row one face, then the six that the recogniser finds most like it; "
                "three are of the same person",
            )
        },
    )


def embed(recogniser: Recogniser, faces: ByteImage) -> FloatArray:
    """Vectors of unit length: float32 ``[N, D]``."""
    parts = [list(faces[start : start + _BATCH]) for start in range(0, len(faces), _BATCH)]
    return np.stack([one.vector for part in parts for one in recogniser.embed(part)])


def _at_rate(judged: FnmrAtFmr, pixels: FnmrAtFmr) -> list[Figure]:
    assert judged.fnmr is not None  # there are pairs enough
    assert pixels.fnmr is not None
    return [
        figure("FNMR at FMR 1e-3", judged.fnmr, at_most=FNMR),
        figure("TAR at FMR 1e-3 by raw pixels", accepted(pixels.fnmr), at_most=_SHARE * (1 - FNMR)),
    ]


def _rate(name: str, threshold: float, rate: Rate) -> Figure:
    text = f"{name} at the bundle's threshold {threshold:.3f}"
    return Figure(name=text, value=rate.value, low=rate.low, high=rate.high)


def _roc(judged: Verification, pixels: Verification) -> Plot:
    def line(name: str, found: Verification) -> Curve:
        seen = found.curve.fmr > 0
        return Curve(name=name, x=found.curve.fmr[seen], y=1 - found.curve.fnmr[seen])

    svg = curves(
        [line("recogniser", judged), line("raw pixels", pixels)],
        x="false match rate",
        y="true match rate (1 − FNMR)",
        log_x=True,
        marks={"goal": (FMR, 1 - FNMR)},
    )
    return Plot(svg=svg, alt="ROC of the recogniser and of raw pixels, and the goal")


def _neighbours(faces: ByteImage, vectors: FloatArray) -> ByteImage:
    asked: Sequence[int] = range(0, len(faces), _EACH)[:_SHOWN]
    order: list[NDArray[np.intp]] = [
        np.argsort(-vectors @ vectors[face], kind="stable")[:_ALIKE] for face in asked
    ]
    return grid(faces[np.concatenate(order)], columns=_ALIKE)
