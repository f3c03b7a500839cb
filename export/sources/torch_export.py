"""PyTorch modules to ONNX: what the PyTorch and the Keras source have in common.

A module is traced by ``torch.export`` first. What the trace shows of training mode is refused
before it is translated, and the traced module stands beside its ONNX form to be compared with.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import InferenceError, ModelError, UsageError
from edge.extras import needing
from edge.runner.base import Tensor
from export.foreign import STUMBLES
from export.sources.base import Run, Shape, Source
from export.sources.tensors import (
    free_batch_name,
    input_names,
    not_numbers,
    output_names,
    rename,
    require_feeds,
)

if TYPE_CHECKING:
    from torch import Tensor as TorchTensor
    from torch.export import ExportedProgram
    from torch.nn import Module

# The oldest opset that PyTorch writes of its own accord; a newer one is a conversion away.
_OPSET = 18
_SEED = 0
# Traced with two of everything: PyTorch takes a batch of one for a property of the network.
_TRACED_BATCH, _TRACED_SIDE = 2, 64
_DTYPES = ("float32", "float16", "float64", "int64", "int32", "uint8", "bool")
_TRAINING = ("dropout", "batch_norm", "rrelu")


def import_torch() -> Any:
    """PyTorch, and what it needs to write ONNX. Raises MissingExtraError without them."""
    with needing("exporting from PyTorch"):
        import onnxscript  # noqa: F401  # torch.onnx imports it late, with a worse message
        import torch
        import torch.export
        import torch.onnx
    return torch


def examples_of(shapes: Mapping[str, Shape], dtypes: Mapping[str, str]) -> tuple[TorchTensor, ...]:
    """Tensors of these shapes to trace a network with: two of them, free sides of 64.

    dtypes: of those that are not float32. Raises UsageError for one that no input has.
    """
    torch = import_torch()
    random = np.random.default_rng(_SEED)
    examples = []
    for name, shape in shapes.items():
        free = (_TRACED_BATCH, *[_TRACED_SIDE] * len(shape))
        size = [free[axis] if length is None else length for axis, length in enumerate(shape)]
        dtype = dtypes.get(name, "float32")
        if dtype not in _DTYPES:
            raise UsageError(
                f"input {name!r} cannot be {dtype!r}", expected=f"one of {', '.join(_DTYPES)}"
            )
        floats = dtype.startswith("float")
        values = random.standard_normal(size) if floats else np.zeros(size)
        examples.append(torch.from_numpy(np.asarray(values, dtype)))
    return tuple(examples)


def trace(
    module: Module,
    examples: Sequence[TorchTensor],
    inputs: Mapping[str, Shape],
    *,
    name: str,
) -> ExportedProgram:
    """The module as a program, its first free axes as one batch. ``name`` appears in errors.

    Raises ModelError where PyTorch cannot trace it.
    """
    torch = import_torch()
    batch = torch.export.Dim("batch")
    shapes = tuple(
        {
            axis: batch if axis == 0 else torch.export.Dim.AUTO
            for axis, size in enumerate(shape)
            if size is None
        }
        for shape in inputs.values()
    )
    try:
        with quiet(), torch.no_grad():
            # Packed: the wrapper takes its arguments as *args.
            program = torch.export.export(module, tuple(examples), dynamic_shapes=(shapes,))
    except foreign_errors() as exc:
        raise ModelError(
            f"PyTorch cannot trace {name}",
            expected="a network that torch.export takes, for any batch where that is left free",
            found=first_line(exc),
            remedy="Rewrite what depends on values or on the batch, or fix the batch: z=1x100.",
        ) from exc
    return program


def inference_form(call: Callable[..., Any], network: Module) -> Module:
    """A module that calls ``network`` by ``call`` and gives a flat row of tensors."""
    torch = import_torch()

    class InferenceForm(torch.nn.Module):  # type: ignore[name-defined,misc]  # a local
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *tensors: TorchTensor) -> tuple[TorchTensor, ...]:
            return tuple(flatten_outputs(call(*tensors)).values())

    form: Module = InferenceForm()
    return form


def flatten_outputs(value: Any) -> dict[str, TorchTensor]:
    """A network's output by name: a mapping's keys, a named tuple's fields, else numbered.

    Raises ModelError for what is no tensor or is nested deeper.
    """
    torch = import_torch()
    if isinstance(value, torch.Tensor):
        return {"output": value}
    if isinstance(value, Mapping):
        named = {str(key): item for key, item in value.items()}
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        named = dict(zip(value._fields, value, strict=True))
    elif isinstance(value, tuple | list):
        named = {f"output_{index}": item for index, item in enumerate(value)}
    else:
        named = {"": value}
    odd = {key: item for key, item in named.items() if not isinstance(item, torch.Tensor)}
    if odd or not named:
        key, item = next(iter(odd.items()), ("", None))
        raise ModelError(
            "the network gives something else than tensors",
            expected="a tensor, or a tuple or dict of tensors",
            found=f"{type(item).__name__}{f' as {key}' if key else ''}",
            remedy="Export a module whose forward returns tensors alone.",
        )
    return named


def require_inference(program: ExportedProgram, name: str) -> None:
    """Raises ModelError, naming the operator, where the trace was taken in training mode."""
    torch = import_torch()
    for node in program.graph.nodes:
        operator = str(getattr(node.target, "__name__", node.target))
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        if not any(part in operator for part in _TRAINING) or operator.endswith("no_stats"):
            continue
        values = dict(zip((a.name for a in node.target._schema.arguments), node.args, strict=False))
        values |= node.kwargs
        if values.get("training", values.get("train", False)) is True:
            raise ModelError(
                f"{name} works as it does in training",
                expected="dropout switched off, batch normalisation with its running statistics",
                found=f"{operator} in training mode",
                remedy="Call model.eval() before torch.export, and keep running statistics.",
            )


def require_finite(program: ExportedProgram, name: str) -> None:
    """Raises ModelError, naming the tensor, for NaN in a weight, or infinity in a parameter."""
    torch = import_torch()
    trained = {key for key, _ in program.named_parameters()}
    for key, tensor in (*program.state_dict.items(), *program.constants.items()):
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            continue
        broken = ~torch.isfinite(tensor) if key in trained else torch.isnan(tensor)
        if bool(broken.any()):
            raise not_numbers(name, key)


def source_of(
    program: ExportedProgram,
    network: Callable[..., Any],
    examples: Sequence[TorchTensor],
    *,
    name: str,
    framework: str,
    inputs: Sequence[str] = (),
    notes: tuple[str, ...] = (),
) -> Source:
    """The source of a traced network, which is run by ``network`` to compare with.

    inputs: what to call them; none: as the program does.

    Raises ModelError where it works as in training, gives something else each time, has weights
    that are no numbers, or operators that ONNX lacks.
    """
    require_inference(program, name)
    require_finite(program, name)
    outputs = _learn_outputs(network, examples, name)
    model = _to_onnx(program, name)
    taken, written = input_names(model), output_names(model)
    if len(taken) != len(examples) or len(written) != len(outputs):
        raise ModelError(
            f"{name} has inputs or outputs that PyTorch leaves out of ONNX",
            expected=f"{len(examples)} inputs and {len(outputs)} outputs that are tensors",
            found=f"inputs {', '.join(taken)}; outputs {', '.join(written)}",
            remedy="Leave out of forward what does not depend on its inputs, and unused inputs.",
        )
    called = tuple(inputs) or taken
    rename(model, dict(zip((*taken, *written), (*called, *outputs), strict=True)))
    free_batch_name(model)
    return Source(model, _runner(network, called, outputs, name), framework, notes)


def _learn_outputs(
    network: Callable[..., Any], examples: Sequence[TorchTensor], name: str
) -> tuple[str, ...]:
    """What the outputs are called; they have to be the same twice, as those of a bundle are."""
    torch = import_torch()
    with quiet(), torch.no_grad(), _translated(f"{name} does not run"):
        first, second = (flatten_outputs(network(*examples)) for _ in range(2))
    for key, value in first.items():
        if not torch.equal(torch.nan_to_num(value), torch.nan_to_num(second[key])):
            raise ModelError(
                f"{name} gives something else for the same input each time",
                expected="one output for one input",
                found=f"other values of {key} in a second run",
                remedy="Leave the sampling out of forward: return the mean, or take the noise as "
                "an input.",
            )
    return tuple(first)


def _to_onnx(program: ExportedProgram, name: str) -> Any:
    torch = import_torch()
    try:
        with quiet(), torch.no_grad():
            exported = torch.onnx.export(
                program, dynamo=True, opset_version=_OPSET, verbose=False, external_data=False
            )
    except foreign_errors() as exc:
        raise ModelError(
            f"PyTorch cannot write {name} as ONNX",
            expected=f"operators that ONNX opset {_OPSET} has",
            found=_unsupported(exc) or first_line(exc),
            remedy="Replace that operation in the network, and export it again.",
        ) from exc
    return exported.model_proto


def _unsupported(exc: BaseException) -> str:
    """The operator that PyTorch has no translation for, from the error or one that caused it."""
    seen: BaseException | None = exc
    while seen is not None:
        for line in str(seen).splitlines():
            if "No ONNX function found" in line or "No decompositions registered" in line:
                return line.strip()[:300]
        seen = seen.__cause__ or seen.__context__
    return ""


def _runner(
    network: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...], name: str
) -> Run:
    torch = import_torch()

    def run(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        require_feeds(feeds, inputs)
        tensors = [torch.from_numpy(np.ascontiguousarray(feeds[key])) for key in inputs]
        with quiet(), torch.no_grad(), _translated(f"{name} failed in PyTorch", InferenceError):
            values = flatten_outputs(network(*tensors)).values()
        return {key: value.numpy() for key, value in zip(outputs, values, strict=True)}

    return run


@contextmanager
def quiet() -> Iterator[None]:
    """Without PyTorch's warnings about itself, which nobody who exports a model can act on."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _translated(
    message: str, kind: type[ModelError] | type[InferenceError] = ModelError
) -> Iterator[None]:
    try:
        yield
    except foreign_errors() as exc:
        raise kind(message, found=first_line(exc)) from exc


def foreign_errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What loading, running and tracing a network of somebody's raises, by experience."""
    torch = import_torch()
    return (
        *more,
        *STUMBLES,
        *(ArithmeticError, ImportError, OSError, SyntaxError),
        torch._dynamo.exc.TorchDynamoException,
        torch._subclasses.fake_tensor.UnsupportedFakeTensorException,
    )


def first_line(exc: BaseException) -> str:
    """One line of a foreign error, plain enough for ours."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return f"{type(exc).__name__}: {lines[0][:300]}" if lines else type(exc).__name__
