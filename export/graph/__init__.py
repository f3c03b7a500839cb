"""The graph of a model: looked at, folded, freed of its batch, and made ready to be shipped."""

from __future__ import annotations

from export.graph.opset import convert_opset
from export.graph.prepare import Prepared, prepare

__all__ = ["Prepared", "convert_opset", "prepare"]
