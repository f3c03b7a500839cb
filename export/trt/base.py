"""What a rule of TensorRT's importer is, and what the check behind it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import onnx

from export.graph.view import GraphView
from export.trt.operators import Generation

OPERATORS = "onnx-tensorrt docs/operators.md"
GUIDE = "TensorRT documentation, Working with Quantized Types"
SHAPES = "TensorRT documentation, Working with Dynamic Shapes"
MEASURED = "measured with TensorRT 8.6 to 11.4"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the importer: how it is called, what it asks, and who says so."""

    id: str
    text: str
    source: str


class Broken(NamedTuple):
    """What a check finds: the node, none for the whole file, and what is wrong with it."""

    node: onnx.NodeProto | None
    text: str


Check: TypeAlias = Callable[[onnx.ModelProto, GraphView, Generation], Iterator[Broken]]
