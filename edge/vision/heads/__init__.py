"""Detector heads: from a model's raw outputs to boxes in tensor pixels, before suppression."""

from __future__ import annotations

from edge.manifest import Decoder
from edge.vision.heads.base import Head
from edge.vision.heads.scrfd import ScrfdHead
from edge.vision.heads.ultraface import UltraFaceHead
from edge.vision.heads.yolox import YoloxHead
from edge.vision.heads.yunet import YunetHead

__all__ = ["Head", "head_for"]


def head_for(decoder: Decoder) -> Head:
    """The head that reads the outputs of ``decoder``. Raises KeyError for other roles' decoders."""
    heads: dict[str, type[Head]] = {
        "yunet": YunetHead,
        "scrfd": ScrfdHead,
        "ultraface": UltraFaceHead,
        "yolox": YoloxHead,
    }
    return heads[decoder.name](decoder)
