"""What a model is refused for before anything is done with it, and the last look at the result."""

from __future__ import annotations

import onnx

from edge.config import forbid_telemetry
from edge.errors import ModelError
from export.graph.view import (
    DEFAULT_DOMAINS,
    external_tensors,
    graphs_of,
    name_of,
    opset_of,
)

_SHOWN = 3


def require_whole(model: onnx.ModelProto) -> None:
    """Refuse a model that is not all in one file, or does not say what its operators mean.

    Raises ModelError, naming a tensor.
    """
    outside = external_tensors(model)
    if outside:
        raise ModelError(
            "the model keeps weights outside its file",
            expected="one ONNX file that holds all its weights",
            found=f"{', '.join(map(repr, outside[:_SHOWN]))} of {len(outside)} in another file",
            remedy="Save the model with its weights inside.",
        )
    if opset_of(model) is None:
        raise ModelError(
            "the model does not say which operators it was made for",
            expected="an opset import of the default domain",
            remedy="Export the model again with a current exporter.",
        )
    if not model.graph.node:
        raise ModelError("the model computes nothing", expected="a graph", found="no node in it")


def require_operators(model: onnx.ModelProto) -> None:
    """Refuse operators that ONNX Runtime does not know at the model's operator sets.

    Raises ModelError, naming the operator and its node.
    """
    known = _known_operators()
    opsets = {_domain(held.domain): held.version for held in model.opset_import}
    own = {(_domain(held.domain), held.name) for held in model.functions}
    for graph in graphs_of(model.graph):
        for node in graph.node:
            key = (_domain(node.domain), node.op_type)
            since, opset = known.get(key), opsets.get(key[0], 1)
            if key not in own and (since is None or since > opset):
                raise ModelError(
                    f"node {name_of(node)!r} uses {'.'.join(filter(None, key))}, which ONNX "
                    "Runtime does not know",
                    expected="operators of ONNX or ONNX Runtime",
                    found=f"{node.op_type} of domain {key[0] or 'ai.onnx'!r} at opset {opset}",
                    remedy="Export the model without it, or for a newer operator set.",
                )


def require_valid(model: onnx.ModelProto) -> None:
    """Run ONNX's checker with full shape inference. Raises ModelError with what it says."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as exc:
        raise ModelError(
            "the model is no valid ONNX model",
            found=" ".join(str(exc).split())[:300],
            remedy="Export the model again with a current exporter.",
        ) from exc


def _known_operators() -> dict[tuple[str, str], int]:
    """Every operator of ONNX Runtime by domain and name, and the first opset that has it."""
    forbid_telemetry()
    from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

    first: dict[tuple[str, str], int] = {}
    for schema in get_all_operator_schema():
        key = (_domain(schema.domain), schema.name)
        first[key] = min(first.get(key, schema.since_version), schema.since_version)
    return first


def _domain(name: str) -> str:
    return "" if name in DEFAULT_DOMAINS else name
