"""Whether TensorRT's ONNX parser takes a file, rule by rule, without TensorRT.

Only what is wrong with the file as it stands is found: a float model has nothing to say about
quantisation. What depends on the device (memory, tactics) is not judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from edge.errors import UsageError
from export.graph.view import GraphView, external_tensors, name_of
from export.trt.base import Check, Rule
from export.trt.general import EXTERNAL, GENERAL
from export.trt.operators import GENERATIONS
from export.trt.quantisation import QUANTISATION, is_small, weight_axis

__all__ = ["RULES", "Finding", "Rule", "is_small", "lint", "weight_axis"]

RULES: Mapping[Rule, Check] = {**EXTERNAL, **GENERAL, **QUANTISATION}


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a file breaks a rule. op is the node's operator; "" for the whole file."""

    node: str
    op: str
    rule: Rule
    text: str

    def __str__(self) -> str:
        where = f"{self.op} {self.node!r}: " if self.op else ""
        return f"{where}{self.text} ({self.rule.id})"


def lint(model: onnx.ModelProto, *, generation: int = 10) -> list[Finding]:
    """Every rule that ``model`` breaks for a generation of TensorRT, in the order of its nodes.

    generation: 8, or 10 for everything from there on. Of a file that lacks its weights nothing else
    is said than that. Raises UsageError for any other generation.
    """
    if generation not in GENERATIONS:
        raise UsageError(
            "this generation of TensorRT has no rules here",
            expected=" or ".join(map(str, GENERATIONS)),
            found=str(generation),
        )
    target = GENERATIONS[generation]
    view = GraphView(model.graph)
    places = {id(node): place for place, node in enumerate(model.graph.node)}
    rules = EXTERNAL if external_tensors(model) else RULES
    found = [
        (places.get(id(broken.node), -1), Finding(*_called(broken.node), rule, broken.text))
        for rule, check in rules.items()
        for broken in check(model, view, target)
    ]
    return [finding for _, finding in sorted(found, key=lambda pair: pair[0])]


def _called(node: onnx.NodeProto | None) -> tuple[str, str]:
    return ("", "") if node is None else (name_of(node), node.op_type)
