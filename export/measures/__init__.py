"""How far a variant is from its reference, role by role, and how far it may be.

Each measure runs the reference when it is made, keeps what it needs of each sample, and then
compares variant after variant with that.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.manifest import Role
from export.measures.base import Measure, Samples, Study
from export.measures.detection import DetectionMeasure
from export.measures.embedding import EmbeddingMeasure
from export.measures.outputs import ClassMeasure, LandmarkMeasure, ScoreMeasure
from export.measures.pictures import PictureMeasure

__all__ = ["MEASURES", "Measure", "Samples", "Study"]

MEASURES: Mapping[Role, type[Measure]] = {
    "detector": DetectionMeasure,
    "recogniser": EmbeddingMeasure,
    "landmarks": LandmarkMeasure,
    "liveness": ClassMeasure,
    "behaviour": ClassMeasure,
    "anomaly": ScoreMeasure,
    "enhancer": PictureMeasure,
    "anonymiser": PictureMeasure,
    "synthesiser": PictureMeasure,
}
