"""Names, outputs and weights of an ONNX model, seen to alike for every framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import ModelError, UsageError
from edge.runner.base import Tensor

if TYPE_CHECKING:
    import onnx


def input_names(model: onnx.ModelProto) -> tuple[str, ...]:
    """The inputs that a run has to feed: old files list their weights among the inputs too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return tuple(value.name for value in model.graph.input if value.name not in weights)


def output_names(model: onnx.ModelProto) -> tuple[str, ...]:
    """The outputs, in the model's order."""
    return tuple(value.name for value in model.graph.output)


def input_shapes(model: onnx.ModelProto) -> dict[str, tuple[int | None, ...]]:
    """The shape of every input that a run has to feed; None for a free axis."""
    named = set(input_names(model))
    return {
        value.name: tuple(
            axis.dim_value if axis.HasField("dim_value") and axis.dim_value > 0 else None
            for axis in value.type.tensor_type.shape.dim
        )
        for value in model.graph.input
        if value.name in named
    }


def rename(model: onnx.ModelProto, names: Mapping[str, str]) -> None:
    """Give tensors of the main graph other names, wherever they are used, in place.

    Where a new name is taken by a tensor inside the model, that one gets another. Raises UsageError
    where two inputs or outputs would have one name.
    """
    changes = {old: new for old, new in names.items() if old != new}
    borders = [*input_names(model), *output_names(model)]
    final = [changes.get(name, name) for name in borders]
    if len(set(final)) != len(final):
        raise UsageError(
            "two inputs or outputs of the model would have one name",
            expected="names that differ",
            found=", ".join(final),
            remedy="Name the inputs, or the outputs, otherwise.",
        )
    taken = tensor_names(model.graph)
    for new in [new for new in changes.values() if new in taken and new not in changes]:
        changes[new] = _unused(new, taken | set(changes.values()))
    if changes:
        _rename_in(model.graph, changes)


def keep_outputs(model: onnx.ModelProto, keep: Sequence[str]) -> None:
    """Leave only these outputs, in this order, in place; what only fed others is dropped.

    Raises UsageError for one that is not there.
    """
    found = {value.name: value for value in model.graph.output}
    missing = [name for name in keep if name not in found]
    if missing or len(set(keep)) != len(keep):
        raise UsageError(
            f"the model has no output {missing[0]!r}" if missing else "an output is kept twice",
            expected=f"some of {', '.join(found)}",
            found=", ".join(keep),
        )
    kept = [found[name] for name in keep]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    _drop_unused(model.graph)


def free_batch_name(model: onnx.ModelProto, name: str = "batch") -> None:
    """Call the free first axis of inputs and outputs by one plain name, in place."""
    free = {
        value.type.tensor_type.shape.dim[0].dim_param
        for value in model.graph.input
        if len(value.type.tensor_type.shape.dim) > 0
    }
    everything = (model.graph.input, model.graph.output, model.graph.value_info)
    for value in (value for part in everything for value in part):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param and axis.dim_param in free:
                axis.dim_param = name


def require_numbers(model: onnx.ModelProto, name: str) -> None:
    """Raises ModelError, naming the tensor, where a weight is not a number.

    Infinity passes: masks are made of it.
    """
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind == "f" and np.isnan(values).any():
            raise not_numbers(name, tensor.name)


def require_feeds(feeds: Mapping[str, Tensor], inputs: Sequence[str]) -> None:
    """Raises ModelError unless ``feeds`` are exactly these inputs."""
    if feeds.keys() != set(inputs):
        raise ModelError(
            "wrong inputs for the model",
            expected=", ".join(inputs),
            found=", ".join(sorted(feeds)) or "none",
        )


def not_numbers(name: str, tensor: str) -> ModelError:
    """The error for weights with NaN in them."""
    return ModelError(
        f"the weights in {name} are not all numbers",
        expected="finite values",
        found=f"NaN or infinity in {tensor}",
        remedy="The training diverged: take an earlier checkpoint.",
    )


def tensor_names(graph: onnx.GraphProto) -> set[str]:
    """Every name that a tensor has in a graph and the graphs within it."""
    names = {value.name for value in (*graph.input, *graph.output)}
    names |= {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        names |= {*node.input, *node.output}
        for inner in subgraphs(node):
            names |= tensor_names(inner)
    return names


def _unused(name: str, taken: set[str]) -> str:
    return next(
        new for n in range(len(taken) + 1) if (new := f"{name}_inner{n or ''}") not in taken
    )


def _rename_in(graph: onnx.GraphProto, changes: Mapping[str, str]) -> None:
    for part in (graph.input, graph.output, graph.value_info, graph.initializer):
        for value in part:
            value.name = changes.get(value.name, value.name)
    for node in graph.node:
        for names in (node.input, node.output):
            for index, old in enumerate(names):
                names[index] = changes.get(old, old)
        for inner in subgraphs(node):
            _rename_in(inner, changes)


def subgraphs(node: onnx.NodeProto) -> Iterable[onnx.GraphProto]:
    """The graphs that a node holds, as If and Loop do."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Nodes and weights that no output needs any more; inputs stay, they are what is fed."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            for inner in subgraphs(node):
                needed |= tensor_names(inner)
            kept.append(node)
    for field, values in (
        ("node", list(reversed(kept))),
        ("initializer", [tensor for tensor in graph.initializer if tensor.name in needed]),
        ("value_info", [value for value in graph.value_info if value.name in needed]),
    ):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
