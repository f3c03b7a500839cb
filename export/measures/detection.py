"""Detectors: average precision against known boxes, or against what the reference finds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from calibration.bootstrap import Indices
from calibration.detection import Boxes, Matches, average_precision, match, recall_at
from edge.manifest import Manifest
from edge.runner.base import Runner
from edge.track.bytetrack import TrackSettings
from edge.types import Detections
from edge.vision.detector import Detector
from export.judgement import Bound, bound_of
from export.measures.base import Measure, Study, batches

# Points of AP50 that a variant may lose against known boxes.
AP_LOSS = 0.005
# Without them: AP50 against the reference's own detections.
AP_AGREEMENT = 0.995
# An average precision only ranks: where all scores sink alike it stays, and the camera goes blind.
# So the scores of what both find may shift by this much on average, of 0..1.
SCORE_SHIFT = 0.02
# A box that overlaps the reference's by less is another box; by more, it is right where that is.
_SAME_BOX = 0.9
_BATCH = 8


class DetectionMeasure(Measure):
    """AP50 of whole pictures. With known boxes the loss counts, else the agreement.

    Against the reference, what it reports (score ≥ the manifest's) has to be found; what it holds
    possible, down to the score that keeps a track alive, may be found.
    """

    def __init__(self, manifest: Manifest, reference: Runner, study: Study) -> None:
        self.kind = "agreement" if study.truth is None else "accuracy"
        super().__init__(manifest, reference, study)

    def _keep(self, reference: Runner) -> int:
        self._reference, score = self._detect(reference)
        self._score = score
        self._own = [
            Boxes(one.boxes, one.labels, np.asarray(one.scores < score)) for one in self._reference
        ]
        truth = self.study.truth
        self._known = None if truth is None else match(self._reference, truth)
        return len(self._reference)

    def _detect(self, runner: Runner) -> tuple[list[Detections], float]:
        detector = Detector(runner, self.manifest, floor=TrackSettings().low_score)
        found: list[Detections] = []
        for batch in batches(self.study.samples.pictures(), _BATCH):
            found += detector.detect(batch)
        return found, detector.score

    def _compare(self, variant: Runner) -> tuple[Mapping[str, float], Sequence[Bound]]:
        found, _ = self._detect(variant)
        own = match(found, self._own)
        shift = self._shift(own)
        figures = {
            "ap50_agreement": average_precision(own),
            "reported": recall_at(own, self._score),
            "score_shift": shift.value,
            "reference_boxes": float(_count(own)),
        }
        if self._known is None or self.study.truth is None:
            agreement = self.study.share(
                "AP50 agreement",
                lambda drawn: average_precision(own, drawn),
                AP_AGREEMENT,
                count=self.count,
                trials=_count(own),
                most_wrong=self._moved(own, 0.5),
            )
            return figures, (agreement, shift)
        known, reference = match(found, self.study.truth), self._known
        kept = self.study.share(
            "AP50 kept",
            lambda drawn: _kept(reference, known, drawn),
            1 - AP_LOSS,
            count=self.count,
            trials=_count(known),
            most_wrong=self._moved(own, _SAME_BOX),
        )
        figures |= {
            "ap50": average_precision(known),
            "ap50_reference": average_precision(reference),
        }
        return figures, (kept, shift)

    def _shift(self, own: Matches) -> Bound:
        """How far the scores of the boxes that both find have shifted, up or down."""
        hits = np.flatnonzero(own.hits)
        pictures = own.pictures[hits]
        before = np.asarray(
            [
                self._reference[picture].scores[box]
                for picture, box in zip(pictures, own.taken[hits], strict=True)
            ],
            np.float64,
        )
        away = own.scores[hits] - before

        def shift(drawn: Indices) -> float:
            weights = np.bincount(drawn, minlength=self.count)[pictures]
            return abs(float(np.average(away, weights=weights))) if weights.any() else math.nan

        interval = self.study.interval(shift, self.count)
        return bound_of(
            "score shift", interval, tolerance=SCORE_SHIFT, samples=self.count, least=False
        )

    def _moved(self, own: Matches, overlap: float) -> float:
        """The largest share of the reference's boxes that the variant may have moved so far that
        they overlap by less; one that it lost overlaps by nothing.
        """
        hits = own.hits
        wanted = sum(own.truths.values(), np.zeros(self.count, np.int64))
        lost = wanted - np.bincount(own.pictures[hits], minlength=self.count)
        gone = np.repeat(np.arange(self.count), lost)
        overlaps = np.concatenate([own.overlaps[hits], np.zeros(len(gone))])
        members = np.concatenate([own.pictures[hits], gone])
        return self.study.share_below(overlaps, members, overlap, self.count)


def _kept(reference: Matches, variant: Matches, drawn: Indices) -> float:
    """1 less the average precision that is lost: 0.995 for half a point."""
    return 1 - (average_precision(reference, drawn) - average_precision(variant, drawn))


def _count(matches: Matches) -> int:
    return sum(int(truths.sum()) for truths in matches.truths.values())
