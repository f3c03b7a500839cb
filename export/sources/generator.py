"""Generators with several inputs, made into one that starts from a single flat latent.

A manifest states one latent and one condition. Noise and the continuous codes of an InfoGAN are
joined: the graph splits the latent and gives each part the shape that its input had. Where some of
them were trained on U(−1, 1) and the latent is N(0, 1), erf(x/√2) turns the one into the other,
since Φ(x) = (1 + erf(x/√2))/2 is uniform over 0..1 for normal x.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import ModelError, UsageError
from edge.runner.base import Tensor
from export.sources.base import Run
from export.sources.tensors import input_names, input_shapes, require_feeds, subgraphs, tensor_names

if TYPE_CHECKING:
    import onnx

JOINED = "latent"
_PREFIX = "latent_part"
_FLOAT = 1  # TensorProto.FLOAT
_erf = np.vectorize(math.erf, otypes=[np.float64])


@dataclass(frozen=True, slots=True)
class _Part:
    """One input of the generator: where it lies in the latent, and the shape behind the batch."""

    name: str
    start: int
    shape: tuple[int, ...]
    uniform: bool

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def wrap_generator(
    model: onnx.ModelProto,
    *,
    latent: Sequence[str],
    condition: str | None = None,
    uniform: Sequence[str] = (),
) -> onnx.ModelProto:
    """A copy of ``model`` with its inputs ``latent`` joined, in this order, into one ``[N, dim]``.

    The joined input is called ``latent``; a single one keeps its name and is only made flat.
    ``condition`` stays as it is. uniform: those of ``latent`` that want U(−1, 1).

    Raises UsageError where these names are not the model's inputs, ModelError where an input of
    the latent is not float32 with fixed axes behind the batch.
    """
    parts = _parts(model, latent, uniform)
    _require_all_named(model, latent, condition)
    copied = type(model)()
    copied.CopyFrom(model)
    if len(parts) == 1 and len(parts[0].shape) == 1 and not parts[0].uniform:
        return copied
    return _join(copied, parts)


def wrap_run(
    run: Run, model: onnx.ModelProto, *, latent: Sequence[str], uniform: Sequence[str] = ()
) -> Run:
    """``run`` of the framework, called as ``wrap_generator`` of the same ``model`` is."""
    parts = _parts(model, latent, uniform)
    joined = _joined_name(model, parts)
    others = [name for name in input_names(model) if name not in latent]

    def wrapped(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        require_feeds(feeds, (joined, *others))
        whole = feeds[joined]
        split = {part.name: _cut(whole, part) for part in parts}
        return run(split | {name: feeds[name] for name in others})

    return wrapped


def _cut(latent: Tensor, part: _Part) -> Tensor:
    values = latent[:, part.start : part.start + part.size].reshape(len(latent), *part.shape)
    if part.uniform:
        even: Tensor = _erf(values.astype(np.float64) / math.sqrt(2)).astype(latent.dtype)
        return even
    return values


def _parts(
    model: onnx.ModelProto, latent: Sequence[str], uniform: Sequence[str]
) -> tuple[_Part, ...]:
    shapes = input_shapes(model)
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    missing = [name for name in latent if name not in shapes]
    if missing or not latent or len(set(latent)) != len(latent):
        raise UsageError(
            f"the generator has no input {missing[0]!r}" if missing else "no latent is named once",
            expected=f"some of {', '.join(shapes)}, each once",
            found=", ".join(latent) or "none",
        )
    strangers = [name for name in uniform if name not in latent]
    if strangers:
        raise UsageError(
            f"{strangers[0]!r} is uniform but no part of the latent",
            expected=f"some of {', '.join(latent)}",
        )
    parts, start = [], 0
    for name in latent:
        behind = shapes[name][1:]
        sizes = tuple(axis for axis in behind if axis is not None)
        if not sizes or len(sizes) != len(behind) or types[name] != _FLOAT:
            raise ModelError(
                f"input {name!r} cannot be a part of the latent",
                expected="float32 with fixed axes behind the batch",
                found="x".join("?" if axis is None else str(axis) for axis in shapes[name]),
                remedy="Codes that are whole numbers are a condition, not a latent.",
            )
        parts.append(_Part(name, start, sizes, name in uniform))
        start += parts[-1].size
    return tuple(parts)


def _require_all_named(
    model: onnx.ModelProto, latent: Sequence[str], condition: str | None
) -> None:
    known = {*latent} | ({condition} if condition else set())
    names = input_names(model)
    if condition is not None and (condition not in names or condition in latent):
        raise UsageError(
            f"{condition!r} cannot be the condition",
            expected=f"one of {', '.join(name for name in names if name not in latent) or 'none'}",
        )
    left = [name for name in names if name not in known]
    if left:
        raise UsageError(
            f"nothing says what the generator's input {left[0]!r} is",
            expected="every input to be of the latent or the condition",
            found=f"latent {', '.join(latent)}; condition {condition or 'none'}",
            remedy="Join noise and continuous codes into the latent; one categorical code is the "
            "condition.",
        )


def _joined_name(model: onnx.ModelProto, parts: Sequence[_Part]) -> str:
    if len(parts) == 1:
        return parts[0].name
    taken = tensor_names(model.graph) - {part.name for part in parts}
    return next(name for n in range(99) if (name := f"{JOINED}{n or ''}") not in taken)


def _join(model: onnx.ModelProto, parts: Sequence[_Part]) -> onnx.ModelProto:
    """Split, erf where wanted, reshape; each part then takes the place of the input it was."""
    from onnx import TensorProto, helper, numpy_helper

    joined = _joined_name(model, parts)
    graph = model.graph
    batch = next(value for value in graph.input if value.name == parts[0].name)
    rows = batch.type.tensor_type.shape.dim[0]
    inner = {part.name: f"{_PREFIX}_{index}" for index, part in enumerate(parts)}
    _feed_from(graph, inner)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def constant(name: str, values: Tensor) -> str:
        weights.append(numpy_helper.from_array(values, f"{_PREFIX}_{name}"))
        return f"{_PREFIX}_{name}"

    for index, part in enumerate(parts):
        value, result = joined, inner[part.name]
        if len(parts) > 1:
            ends = np.array([part.start, part.start + part.size], np.int64)
            value = f"{result}_flat"
            nodes.append(
                helper.make_node(
                    "Slice",
                    [
                        joined,
                        constant(f"{index}_from", ends[:1]),
                        constant(f"{index}_to", ends[1:]),
                        constant(f"{index}_axis", np.array([1], np.int64)),
                    ],
                    [value],
                    name=f"{value}_slice",
                )
            )
        if part.uniform:
            scale = constant(f"{index}_scale", np.array(1 / math.sqrt(2), np.float32))
            nodes += [
                helper.make_node("Mul", [value, scale], [f"{result}_scaled"], f"{result}_scale"),
                helper.make_node("Erf", [f"{result}_scaled"], [f"{result}_even"], f"{result}_erf"),
            ]
            value = f"{result}_even"
        shape = constant(f"{index}_shape", np.array([-1, *part.shape], np.int64))
        nodes.append(helper.make_node("Reshape", [value, shape], [result], f"{result}_reshape"))
    size = sum(part.size for part in parts)
    first: int | str = rows.dim_value if rows.HasField("dim_value") else rows.dim_param or "batch"
    flat = helper.make_tensor_value_info(joined, TensorProto.FLOAT, [first, size])
    kept = [value for value in graph.input if value.name not in inner]
    old = list(graph.node)
    graph.ClearField("input")
    graph.input.extend([flat, *kept])
    graph.ClearField("node")
    graph.node.extend([*nodes, *old])
    graph.initializer.extend(weights)
    return model


def _feed_from(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Let every node take the parts instead of the inputs; the inputs themselves go."""
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        for inner in subgraphs(node):
            _feed_from(inner, names)
