"""From one operator set to another, with ONNX's own converter."""

from __future__ import annotations

import re

import onnx
import onnx.inliner

from edge.errors import ModelError
from export.graph.view import DEFAULT_DOMAINS, graphs_of, name_of, opset_of

# Scales per channel came with 13; TensorRT 8 knows nothing after 17.
FIRST, LAST = 13, 17

_OPERATOR = re.compile(r"(?:Previous Version of|for) (\w+)")


def convert_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """``model`` for operator set ``opset``; the very same where it is of that one.

    Raises ModelError, naming a node, where an operator cannot be said in that set.
    """
    found = opset_of(model)
    if found == opset:
        return model
    try:
        converted = onnx.version_converter.convert_version(_without_later(model, opset), opset)
    except (RuntimeError, onnx.version_converter.ConvertError) as exc:
        raise _refusal(model, opset, exc) from exc
    raise_ir(converted)
    _drop_novelties(converted)
    try:
        onnx.checker.check_model(converted)
    except onnx.checker.ValidationError as exc:
        raise _refusal(model, opset, exc) from exc
    return converted


def _without_later(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The model with the operators that ``opset`` lacks written out, as ONNX defines them."""
    later = {
        node.op_type
        for graph in graphs_of(model.graph)
        for node in graph.node
        if node.domain in DEFAULT_DOMAINS
        and onnx.defs.has(node.op_type)
        and not onnx.defs.has(node.op_type, opset, "")
    }
    if not later:
        return model
    names = [("", name) for name in sorted(later)]
    written: onnx.ModelProto = onnx.inliner.inline_selected_functions(
        model, names, inline_schema_functions=True
    )
    return written


def _drop_novelties(model: onnx.ModelProto) -> None:
    """Remove an attribute that the converter leaves behind; 0 says what older sets always mean."""
    for graph in graphs_of(model.graph):
        for node in graph.node:
            for held in [held for held in node.attribute if held.name == "noop_with_empty_axes"]:
                if not held.i and "axes" in {other.name for other in node.attribute}:
                    node.attribute.remove(held)


def raise_ir(model: onnx.ModelProto) -> None:
    """Give the file an IR version that its operator sets need, and with it initialisers that need
    not be inputs."""
    held = [(entry.domain or "ai.onnx", entry.version) for entry in model.opset_import]
    known = [entry for entry in held if entry[0] == "ai.onnx"]
    needed = onnx.helper.find_min_ir_version_for(
        [onnx.helper.make_opsetid("", version) for _, version in known], ignore_unknown=True
    )
    model.ir_version = max(model.ir_version, needed, 4)


def _refusal(model: onnx.ModelProto, opset: int, exc: Exception) -> ModelError:
    text = " ".join(str(exc).split())
    named = _OPERATOR.search(text)
    operator = named.group(1) if named else ""
    nodes = [name_of(node) for node in model.graph.node if node.op_type == operator]
    where = f"node {nodes[0]!r} ({operator})" if nodes else "the model"
    return ModelError(
        f"{where} cannot be converted from opset {opset_of(model)} to {opset}",
        expected="operators that both sets can express",
        found=text.rpartition(": ")[2][:200],
        remedy="Export the model for that operator set, or ask for another one.",
    )
