"""Detector heads: from a model's raw outputs to boxes in tensor pixels, before suppression."""

from __future__ import annotations

from edge.manifest import DetectorDecoder, ScrfdDecoder, YoloxDecoder, YunetDecoder
from edge.vision.heads.base import Head
from edge.vision.heads.scrfd import ScrfdHead
from edge.vision.heads.ultraface import UltraFaceHead
from edge.vision.heads.yolox import YoloxHead
from edge.vision.heads.yunet import YunetHead

__all__ = ["Head", "head_for"]


def head_for(decoder: DetectorDecoder) -> Head:
    """The head that reads the outputs of ``decoder``."""
    if isinstance(decoder, YunetDecoder):
        return YunetHead(decoder)
    if isinstance(decoder, ScrfdDecoder):
        return ScrfdHead(decoder)
    if isinstance(decoder, YoloxDecoder):
        return YoloxHead(decoder)
    return UltraFaceHead(decoder)
