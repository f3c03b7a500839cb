"""The shapes of what is inside a model."""

from __future__ import annotations

import onnx

from edge.config import forbid_telemetry
from export.foreign import STUMBLES


def infer_shapes(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """The model with the shapes of its tensors, and one line that says how many are known.

    ONNX's own inference, and ONNX Runtime's symbolic one where the rank of a tensor stays unknown.
    """
    _tidy(model.graph)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    missing = _unranked(inferred)
    if missing:
        better = _symbolic(inferred)
        if better is not None and len(_unranked(better)) < len(missing):
            inferred, missing = better, _unranked(better)
    total = len({name for node in model.graph.node for name in node.output if name})
    return inferred, f"shapes inferred for {total - len(missing)} of {total} tensors"


def _tidy(graph: onnx.GraphProto) -> None:
    """Let each tensor inside be described once, and no output twice."""
    described = {value.name for value in (*graph.input, *graph.output)}
    for info in list(graph.value_info):
        if info.name in described:
            graph.value_info.remove(info)
        described.add(info.name)


def _symbolic(model: onnx.ModelProto) -> onnx.ModelProto | None:
    forbid_telemetry()
    from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference

    copy = onnx.ModelProto.FromString(model.SerializeToString())
    try:
        done: onnx.ModelProto | None = SymbolicShapeInference.infer_shapes(copy, auto_merge=True)
    except STUMBLES:
        return None
    return done


def _unranked(model: onnx.ModelProto) -> set[str]:
    known = {
        value.name
        for value in (*model.graph.value_info, *model.graph.output)
        if value.type.tensor_type.HasField("shape")
    }
    return {name for node in model.graph.node for name in node.output if name} - known
