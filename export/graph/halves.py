"""Weights in half precision where a file is kept, single precision where it computes.

First the weights are rounded to what half precision holds, so that everything after (golden
outputs, INT8, verdicts) is of the rounded model; then they are stored so, each behind a Cast that a
runtime folds when it loads. The second step changes no number.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edge.errors import ModelError

# A share of an output's scale. Half precision rounds each weight by at most 2**-11 of itself.
HALF_TOLERANCE = 1e-2

_LARGEST = float(np.finfo(np.float16).max)
_LEAST_VALUES = 512  # below that, a Cast takes as much room as it saves


def round_weights(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """``model`` with its large weights rounded to half precision, still float32; and what was done.

    Raises ModelError where a weight is beyond half precision's range, 65,504.
    """
    work = _copy(model)
    rounded = 0
    for tensor in work.graph.initializer:
        if not _is_large(tensor):
            continue
        values = numpy_helper.to_array(tensor)
        if not np.abs(values).max() <= _LARGEST:
            raise ModelError(
                f"weight {tensor.name!r} does not fit into half precision",
                expected=f"values of at most {_LARGEST:g}",
                found=f"{float(np.abs(values).max()):g}",
                remedy="Export it without half-precision weights.",
            )
        tensor.CopyFrom(_tensor(values.astype(np.float16).astype(np.float32), tensor.name))
        rounded += 1
    return work, f"{rounded} weights rounded to half precision"


def store_halves(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` with each large weight that half precision holds exactly stored so.

    It computes the very same: a Cast makes each what it was.
    """
    work = _copy(model)
    taken = {name for node in work.graph.node for name in (*node.input, *node.output)}
    casts = []
    for tensor in work.graph.initializer:
        if not _is_large(tensor):
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        whole, stored = tensor.name, _unused(f"{tensor.name}_half", taken)
        tensor.CopyFrom(_tensor(half, stored))
        casts.append(helper.make_node("Cast", [stored], [whole], stored, to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *work.graph.node]
    del work.graph.node[:]
    work.graph.node.extend(nodes)
    return work


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    return copy


def _is_large(tensor: onnx.TensorProto) -> bool:
    return (
        tensor.data_type == onnx.TensorProto.FLOAT
        and int(np.prod(tuple(tensor.dims), dtype=np.int64)) >= _LEAST_VALUES
    )


def _tensor(
    values: np.ndarray[tuple[int, ...], np.dtype[np.floating]], name: str
) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(values), name)


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name
