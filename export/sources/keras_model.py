"""Models of Keras 3, run by its PyTorch backend.

A ``.keras`` file is a zip of a JSON description and of weights. Which classes and functions the
description names is checked here, before Keras looks any of them up.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.config import preferred_keras_backend
from edge.errors import ModelError, UsageError
from edge.extras import needing
from export.sources.base import Shape, Source
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

_BACKEND = "torch"
_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_MODULES = (
    *("keras", "keras.layers", "keras.models", "keras.initializers", "keras.regularizers"),
    *("keras.constraints", "keras.activations", "keras.dtype_policies", "keras.ops"),
    *("keras.src.models", "keras.src.layers", "keras.src.ops"),
)
# These hold Python code or another model as a file, or read files that they name.
_UNSAFE = {
    *("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"),
    *("StringLookup", "IntegerLookup", "TextVectorization"),
}
# Values that Keras writes like objects.
_VALUES = ("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__")


def load_keras(data: bytes, name: str) -> Source:
    """The source that the ``.keras`` file ``data`` holds; ``name`` is what errors call it.

    Raises ModelError for a file that is damaged, for layers that hold code or are not Keras's own,
    and what source_of raises; MissingExtraError without Keras or PyTorch.
    """
    torch = import_torch()
    require_harmless_keras(data, name)
    keras = _import_keras()
    model = _load(keras, data, name)
    inputs = _inputs(model, name)
    examples = examples_of(
        {key: shape for key, (shape, _) in inputs.items()},
        {key: dtype for key, (_, dtype) in inputs.items()},
    )

    form = getattr(model, "input", model.inputs[0])  # a Sequential has no input of its own

    def call(*tensors: TorchTensor) -> Any:
        packed = keras.tree.pack_sequence_as(form, list(tensors))
        return model(packed, training=False)

    program = trace(
        inference_form(call, model).eval(),
        examples,
        {key: shape for key, (shape, _) in inputs.items()},
        name=name,
    )
    framework = f"Keras {keras.__version__} on PyTorch {torch.__version__}"
    return source_of(program, call, examples, name=name, framework=framework, inputs=tuple(inputs))


def require_harmless_keras(data: bytes, name: str) -> None:
    """Raises ModelError, naming layer and class, unless all that ``data`` is made of is Keras's."""
    config = _read_config(data, name)
    config.pop("compile_config", None)  # of training alone, and not looked at
    for part in _objects(config):
        kind = part["class_name"]
        module = part.get("module")
        inner = part.get("config")
        label = inner.get("name") if isinstance(inner, dict) else inner
        if kind in _VALUES:
            continue
        if kind in _UNSAFE or kind == "__lambda__":
            raise ModelError(
                f"{name} holds code or reads files in {_label(kind, label)}",
                expected="layers whose work is their own",
                found=f"a layer of class {kind}",
                remedy="Write it with the operations of keras.ops in a layer of its own, and "
                "export to ONNX where the model was trained.",
            )
        if not _is_kerases_own(kind, module, part.get("registered_name")):
            raise ModelError(
                f"{name} needs code that is not in it: {_label(kind, label)}",
                expected="Keras's own layers and functions",
                found=f"{module or 'no module'}: {kind}",
                remedy="Export to ONNX where that code is: model.export(FILE, format='onnx')",
            )


def _label(kind: object, label: object) -> str:
    return f"{label!r:.80} ({kind!s:.80})" if isinstance(label, str) else f"{kind!s:.80}"


def _is_kerases_own(kind: object, module: object, registered: object) -> bool:
    if kind == "function" and module == "builtins":  # looked up among Keras's own by name
        return True
    known = isinstance(module, str) and any(
        module == room or (room.startswith("keras.") and module.startswith(f"{room}."))
        for room in _MODULES
    )
    return known and registered in (None, kind)


def _objects(config: object) -> Iterator[dict[str, Any]]:
    pending = [config]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            pending += value.values()
        elif isinstance(value, list):
            pending += value


def _read_config(data: bytes, name: str) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.namelist()
            if sorted(members) == sorted(_MEMBERS):
                config = json.loads(archive.read("config.json"))
            else:
                config = None
    # zipfile has no other word for an archive of a version that it does not know.
    except (zipfile.BadZipFile, NotImplementedError, ValueError, RecursionError, OSError) as exc:
        raise _damaged(name, first_line(exc)) from exc
    if config is None:
        raise ModelError(
            f"{name} holds something else than a model of Keras",
            expected=", ".join(_MEMBERS),
            found=", ".join(members)[:300],
        )
    if not isinstance(config, dict):
        raise _damaged(name, "a description that is no object")
    return config


def _damaged(name: str, found: str) -> ModelError:
    return ModelError(
        f"{name} is no whole .keras file",
        expected="a file written by model.save('….keras')",
        found=found,
        remedy="Check that it was copied to its end.",
    )


def _import_keras() -> Any:
    with preferred_keras_backend(_BACKEND) as chosen, quiet():
        if chosen != _BACKEND:
            raise UsageError(
                "KERAS_BACKEND asks for another backend than Keras models are exported with",
                expected=_BACKEND,
                found=chosen,
                remedy="Unset it.",
            )
        with needing("exporting from Keras"):
            import keras
    return keras


def _load(keras: Any, data: bytes, name: str) -> Any:
    """Keras reads paths alone; this one is of the very bytes that were checked."""
    with tempfile.TemporaryDirectory(prefix="edgewarden-") as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(data)
        try:
            with quiet():
                return keras.saving.load_model(path, compile=False, safe_mode=True)
        except foreign_errors() as exc:
            raise ModelError(
                f"Keras {keras.__version__} does not load {name}",
                expected="a model saved by the same or an older Keras 3",
                found=first_line(exc),
                remedy="Save it again with model.save('….keras').",
            ) from exc


def _inputs(model: Any, name: str) -> Mapping[str, tuple[Shape, str]]:
    tensors = getattr(model, "inputs", None)
    if not tensors:
        raise ModelError(
            f"{name} does not say what it takes",
            expected="a model with inputs of known shape",
            found="none",
            remedy="Start it with keras.Input, and save it again.",
        )
    return {tensor.name: (tuple(tensor.shape), str(tensor.dtype)) for tensor in tensors}
