"""Networks from PyTorch: programs of ``torch.export``, and a factory with a state_dict."""

from __future__ import annotations

import importlib
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import EdgewardenError, ModelError, UsageError
from export.sources.base import Source, SourceRequest
from export.sources.checkpoint import load_weights
from export.sources.pt2_guard import require_harmless_program
from export.sources.torch_export import (
    examples_of,
    first_line,
    foreign_errors,
    import_torch,
    inference_form,
    quiet,
    source_of,
    trace,
)

if TYPE_CHECKING:
    from torch import Tensor as TorchTensor
    from torch.nn import Module


def load_program(data: bytes, name: str) -> Source:
    """The source that the ``.pt2`` file ``data`` holds; ``name`` is what errors call it.

    Raises ModelError for a file that is damaged or could run code, and what source_of raises.
    """
    torch = import_torch()
    require_harmless_program(data, name)
    try:
        with quiet():
            program = torch.export.load(io.BytesIO(data))
            module = program.module()
    except foreign_errors(pickle.UnpicklingError) as exc:
        raise ModelError(
            f"PyTorch {torch.__version__} does not load {name}",
            expected="a program saved by the same or an older PyTorch",
            found=first_line(exc),
            remedy="Save it again with torch.export.save of this version.",
        ) from exc
    args, named = program.example_inputs or ((), {})
    examples = (*args, *named.values())
    if not examples or not all(isinstance(value, torch.Tensor) for value in examples):
        raise ModelError(
            f"{name} takes something else than tensors",
            expected="a program whose inputs are tensors, saved with its example inputs",
            found=", ".join(type(value).__name__ for value in examples) or "no example inputs",
        )
    keys = tuple(named)

    def call(*tensors: TorchTensor) -> Any:
        split = len(tensors) - len(keys)
        return module(*tensors[:split], **dict(zip(keys, tensors[split:], strict=True)))

    return source_of(program, call, examples, name=name, framework=f"PyTorch {torch.__version__}")


def load_network(request: SourceRequest) -> Source:
    """The network that ``request.factory`` makes, with the weights of ``request.weights``.

    The factory is the user's own code and is run; the weights are read as tensors alone.

    Raises UsageError for a factory that is not there or fails, ModelError for weights that are
    pickled objects, are damaged or do not fit by name and shape, and what source_of raises.
    """
    torch = import_torch()
    if request.factory is None or request.weights is None:
        raise UsageError(
            "a network needs the weights that it was trained to",
            expected="--factory MODULE:FUNCTION and --weights FILE",
            found="a factory alone" if request.factory else "weights alone",
            remedy="Save them with: torch.save(model.state_dict(), FILE)",
        )
    if not request.inputs:
        raise UsageError(
            "the shapes of the network's inputs are not known",
            expected="the name and the shape of every input",
            found="none",
            remedy="State them in the order of the network's arguments, as in: --input z=?x100",
        )
    examples = examples_of(request.inputs, request.dtypes)
    network = _make(request.factory)
    notes = load_weights(network, request.weights)
    network.eval()
    form = inference_form(network, network).eval()
    program = trace(form, examples, request.inputs, name=request.factory)
    return source_of(
        program,
        network,
        examples,
        name=request.factory,
        framework=f"PyTorch {torch.__version__}",
        inputs=tuple(request.inputs),
        notes=notes,
    )


def _make(factory: str) -> Module:
    torch = import_torch()
    module_name, _, function = factory.partition(":")
    if not module_name or not function.isidentifier():
        raise UsageError(
            f"{factory!r} names no factory",
            expected="MODULE:FUNCTION, as in training.networks:generator",
            found=repr(factory),
        )
    make = _find(module_name, function)
    try:
        with _here_first(), quiet():
            network = make()
    except EdgewardenError:
        raise
    except Exception as exc:  # the user's own code may raise anything
        raise UsageError(
            f"the factory {factory} failed",
            expected="a function that takes no arguments and returns the network",
            found=first_line(exc),
        ) from exc
    if not isinstance(network, torch.nn.Module):
        raise UsageError(
            f"the factory {factory} made no network",
            expected="a torch.nn.Module",
            found=type(network).__name__,
        )
    return network


def _find(module_name: str, function: str) -> Callable[[], Any]:
    try:
        with _here_first():
            module = importlib.import_module(module_name)
    except Exception as exc:  # the user's own code may raise anything
        raise UsageError(
            f"the module {module_name} does not import",
            expected="a Python module here or on the path",
            found=first_line(exc),
            remedy="Run the command in the folder that holds it.",
        ) from exc
    made = getattr(module, function, None)
    if not callable(made):
        public = [name for name, value in vars(module).items() if _is_own(value, module_name)]
        raise UsageError(
            f"{module_name} has no function {function!r}",
            expected=f"one of {', '.join(sorted(public)) or 'its functions: it has none'}",
            found=repr(function) if made is None else f"{function}, a {type(made).__name__}",
        )
    return made  # type: ignore[no-any-return]  # callable, and what it returns is checked


def _is_own(value: object, module_name: str) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module_name


@contextmanager
def _here_first() -> Iterator[None]:
    """Modules in the folder that the command is run in are found, as with python -m."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)
