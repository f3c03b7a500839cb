"""Detectors: average precision against known boxes, or against what the reference finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from calibration.bootstrap import Indices
from calibration.detection import Boxes, Matches, average_precision, match, recall_at
from edge.manifest import Manifest
from edge.runner.base import Runner
from edge.track.bytetrack import TrackSettings
from edge.types import Detections
from edge.vision.detector import Detector
from export.judgement import Bound
from export.measures.base import Measure, Study, batches

# Points of AP50 that a variant may lose against known boxes.
AP_LOSS = 0.005
# Without them: AP50 against the reference's own detections.
AP_AGREEMENT = 0.995
# An average precision only ranks: where all scores sink alike it stays, and the camera goes blind.
# So this share of what the reference reports has to be reported too, at the detector's own score;
# the rest may have slipped just below it.
REPORTED = 0.98
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
        found, score = self._detect(reference)
        self._score = score
        self._own = [Boxes(one.boxes, one.labels, np.asarray(one.scores < score)) for one in found]
        truth = self.study.truth
        self._known = None if truth is None else match(found, truth)
        return len(found)

    def _detect(self, runner: Runner) -> tuple[list[Detections], float]:
        detector = Detector(runner, self.manifest, floor=TrackSettings().low_score)
        found: list[Detections] = []
        for batch in batches(self.study.samples.pictures(), _BATCH):
            found += detector.detect(batch)
        return found, detector.score

    def _compare(self, variant: Runner) -> tuple[Mapping[str, float], Sequence[Bound]]:
        found, _ = self._detect(variant)
        own = match(found, self._own)
        trials = _count(own)
        reported = self.study.share(
            f"reported at {self._score:g}",
            lambda drawn: recall_at(own, self._score, drawn),
            REPORTED,
            count=self.count,
            trials=trials,
        )
        figures = {
            "ap50_agreement": average_precision(own),
            "reported": reported.value,
            "reference_boxes": float(trials),
        }
        if self._known is None or self.study.truth is None:
            agreement = self.study.share(
                "AP50 agreement",
                lambda drawn: average_precision(own, drawn),
                AP_AGREEMENT,
                count=self.count,
                trials=trials,
            )
            return figures, (agreement, reported)
        known, reference = match(found, self.study.truth), self._known
        kept = self.study.share(
            "AP50 kept",
            lambda drawn: _kept(reference, known, drawn),
            1 - AP_LOSS,
            count=self.count,
            trials=_count(known),
        )
        figures |= {
            "ap50": average_precision(known),
            "ap50_reference": average_precision(reference),
        }
        return figures, (kept, reported)


def _kept(reference: Matches, variant: Matches, drawn: Indices) -> float:
    """1 less the average precision that is lost: 0.995 for half a point."""
    return 1 - (average_precision(reference, drawn) - average_precision(variant, drawn))


def _count(matches: Matches) -> int:
    return sum(int(truths.sum()) for truths in matches.truths.values())
