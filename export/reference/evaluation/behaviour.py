"""The classifier of behaviours on rendered clips, and on those of the conditional generator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.classification import Classified, classify
from calibration.metrics import exact_where_certain
from calibration.plots import matrix
from calibration.report import Plot, Sheet, Table
from calibration.synthetic import LatentInputs
from edge.errors import DecoderMismatchError
from edge.types import ByteImage
from edge.vision.behaviour import ClipClassifier
from edge.vision.clips import DueClip
from edge.vision.generator import to_clips
from export.reference.evaluation.bundles import Opened, Pack
from export.reference.evaluation.figures import Figure, Measured, figure
from export.reference.evaluation.held_out import PEOPLE, SCENES, Sizes
from export.reference.recipes.clips import clips
from export.reference.recipes.pictures import grid
from export.reference.world.baselines import nearest_motion
from export.reference.world.truth import BEHAVIOURS

RENDERED, GENERATED = 0.9, 0.85
_SHARE = 0.7
_BATCH = 16
_SEED = 6
_EXAMPLES = SCENES + (1 << 20)  # what frame differencing learns from
Labels = NDArray[np.int64]


def measure(pack: Pack, sizes: Sizes) -> Measured:
    """What the classifier says of rendered clips, and what frame differencing says of them.

    Raises what opening bundles raises.
    """
    pictures, truth = clips(sizes.clips, seed=SCENES, people_from=PEOPLE)
    with pack.open("world-behaviour") as model:
        judged = _judge(model, pictures, truth)
        used = model.used
    known, labels = clips(sizes.examples, seed=_EXAMPLES)
    by_motion = nearest_motion(list(known), labels.tolist(), list(pictures))
    baseline = classify(truth.tolist(), by_motion, BEHAVIOURS).macro_f1
    return Measured(
        name="behaviour",
        title="Classifier of behaviours",
        data=f"{judged.count} rendered clips of two seconds, each of a scene of its own",
        bundles=(used,),
        figures=(
            *_figures(judged, at_least=RENDERED),
            figure("macro-F1 by frame differencing", baseline, at_most=_SHARE * RENDERED),
        ),
        tables=(_table(judged),),
        plots={"confusion": _confusion(judged, "rendered")},
        sheets={"clips": _sheet(pictures, "Rendered clips of each behaviour, every second frame")},
    )


def measure_generated(pack: Pack, sizes: Sizes) -> Measured:
    """What the same classifier says of generated clips, held against what was asked for.

    Raises what opening bundles raises.
    """
    with pack.open("world-clips") as maker:
        pictures, truth = draw_clips(maker, sizes.clips * len(BEHAVIOURS))
        used = maker.used
    with pack.open("world-behaviour") as model:
        judged = _judge(model, pictures, truth)
        used_too = model.used
    return Measured(
        name="cgan",
        title="Conditional GAN of clips",
        data=f"{judged.count} generated clips, judged by the classifier that learned from rendered "
        "ones alone",
        bundles=(used, used_too),
        figures=tuple(_figures(judged, at_least=GENERATED)),
        tables=(_table(judged),),
        plots={"confusion-generated": _confusion(judged, "generated")},
        sheets={
            "clips-generated": _sheet(
                pictures, "Generated clips of each behaviour, every second frame"
            )
        },
    )


def draw_clips(maker: Opened, count: int) -> tuple[ByteImage, Labels]:
    """``count`` clips, uint8 ``[N, T, H, W, 3]`` BGR, the behaviours in turn, and which of
    BEHAVIOURS each is to show. Raises DecoderMismatchError where the bundle makes no such clips."""
    manifest = maker.manifest
    latent, condition, limits = manifest.latent, manifest.condition, manifest.outputs[0].range
    if latent is None or condition is None or limits is None:
        raise DecoderMismatchError(
            f"bundle {manifest.name} makes no clips of behaviours",
            expected="a bundle with role synthesiser and a condition",
            found=f"role {manifest.role}",
        )
    inputs = LatentInputs(latent, condition, seed=_SEED)
    made: list[ByteImage] = []
    for start in range(0, count, _BATCH):
        draws = np.arange(start, min(start + _BATCH, count))
        outputs = maker.runner.infer(inputs.feeds(draws, maker.runner.signature))
        made += to_clips(outputs[manifest.outputs[0].name], limits)
    order = [BEHAVIOURS.index(label) for label in _known(condition.labels)]
    return np.stack(made), np.asarray(order)[np.arange(count) % len(order)]


def _judge(model: Opened, pictures: ByteImage, truth: Labels) -> Classified:
    classifier = ClipClassifier(model.runner, model.manifest)
    _known(classifier.labels)
    found: list[int] = []
    for start in range(0, len(pictures), _BATCH):
        due = [DueClip(start + row, clip) for row, clip in enumerate(pictures[start:][:_BATCH])]
        for one, verdict in zip(due, classifier.classify(due), strict=True):
            # One of which nothing is said is wrong: it is taken for the behaviour after its own.
            other = BEHAVIOURS[(int(truth[one.track_id]) + 1) % len(BEHAVIOURS)]
            found.append(BEHAVIOURS.index(other if verdict is None else verdict.label))
    return classify(truth.tolist(), found, BEHAVIOURS)


def _known(labels: Sequence[str]) -> list[str]:
    """The labels, which are to be this world's behaviours, in any order."""
    if sorted(labels) != sorted(BEHAVIOURS):
        raise DecoderMismatchError(
            "these are not the behaviours of this world",
            expected=", ".join(BEHAVIOURS),
            found=", ".join(labels),
        )
    return list(labels)


def _figures(judged: Classified, *, at_least: float) -> list[Figure]:
    macro_f1, accuracy = (
        exact_where_certain(one, judged.groups) for one in (judged.macro_f1, judged.accuracy)
    )
    return [figure("macro-F1", macro_f1, at_least=at_least), figure("accuracy", accuracy)]


def _table(judged: Classified) -> Table:
    return Table(
        headings=("behaviour", "clips", "precision", "recall", "F1"),
        rows=[
            (one.label, one.support, one.precision, one.recall, one.f1) for one in judged.per_label
        ],
        caption="Each behaviour",
    )


def _confusion(judged: Classified, kind: str) -> Plot:
    svg = matrix(judged.confusion, judged.labels, x="said", y="shown")
    return Plot(svg=svg, alt=f"Which behaviour of {kind} clips was taken for which")


def _sheet(pictures: ByteImage, alt: str) -> Sheet:
    """The first clip of each behaviour, which take turns."""
    first = pictures[: len(BEHAVIOURS), ::2]
    return Sheet(
        picture=grid(np.concatenate(list(first)), columns=first.shape[1], scale=2), alt=alt
    )
