"""Which framework a trained model is from, and its Source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.errors import ModelError, UsageError
from edge.extras import needing
from edge.runner.base import Tensor
from export.sources.base import Run, Source, SourceRequest
from export.sources.generator import wrap_generator, wrap_run
from export.sources.tensors import (
    input_names,
    input_shapes,
    keep_outputs,
    output_names,
    rename,
    require_numbers,
)

_ZIP, _PICKLE, _HDF5 = b"PK\x03\x04", b"\x80", b"\x89HDF"
# torch.save writes a zip with this in it, TorchScript one with code as well.
_TORCH_SAVE, _SCRIPT = "/data.pkl", "/code/"


def load_source(request: SourceRequest) -> Source:
    """The trained model that ``request`` names. Nothing in a model file is run as code.

    Raises MissingExtraError where its framework is not installed, UsageError where the request
    does not lead to one model, ModelError where the model is damaged, is pickled or holds code,
    does not fit the factory, or cannot be expressed in ONNX.
    """
    with needing("exporting a model"):
        import onnx  # noqa: F401  # every source needs it
    source = _load(request)
    try:
        require_numbers(source.model, str(request.path or request.factory))
        source = _named(_in_fixed_batches(source), request)
        return _joined(_kept(source, request.keep_outputs), request)
    except BaseException:
        source.close()
        raise


def _load(request: SourceRequest) -> Source:
    if request.factory or request.weights:
        if request.path is not None:
            raise UsageError(
                "two models are named",
                expected="a model file, or a factory with its weights",
                found=f"{request.path} and {request.factory or request.weights}",
            )
        from export.sources.pytorch import load_network

        return load_network(request)
    if request.path is None:
        raise UsageError(
            "no model is named", expected="a model file, or a factory with its weights"
        )
    if request.path.is_dir():
        from export.sources.savedmodel import load_saved_model

        return load_saved_model(request)
    return _load_file(request.path)


def _load_file(path: Path) -> Source:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise UsageError(
            f"{path} cannot be read", expected="a trained model", found=exc.strerror or str(exc)
        ) from exc
    name = str(path)
    if data.startswith(_ZIP):
        return _load_archive(data, name)
    if data.startswith(_PICKLE):
        raise ModelError(
            f"{name} is a pickle, which runs code when it is loaded",
            expected="an .onnx, .pt2 or .keras file, or the folder of a SavedModel",
            found="pickled Python objects",
            remedy="Export the model to one of these where it was trained.",
        )
    if data.startswith(_HDF5):
        raise ModelError(
            f"{name} is HDF5, the old format of Keras, whose layers may hold code",
            expected="a .keras file",
            found="an HDF5 file",
            remedy="Where it was trained: model.save('model.keras')",
        )
    from export.sources.onnx_model import load_onnx

    return load_onnx(data, name)


def _load_archive(data: bytes, name: str) -> Source:
    import io
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.namelist()
    # zipfile has no other word for an archive of a version that it does not know.
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as exc:
        raise ModelError(
            f"{name} is no whole archive",
            expected="a .pt2 or .keras file",
            found=str(exc),
            remedy="Check that it was copied to its end.",
        ) from exc
    if "config.json" in members and "metadata.json" in members:
        from export.sources.keras_model import load_keras

        return load_keras(data, name)
    if any(member.endswith("/archive_format") for member in members):
        from export.sources.pytorch import load_program

        return load_program(data, name)
    raise _unknown_archive(name, members)


def _unknown_archive(name: str, members: Sequence[str]) -> ModelError:
    if any(_SCRIPT in member for member in members):
        return ModelError(
            f"{name} is TorchScript, which is code",
            expected="a program of torch.export",
            found="compiled functions",
            remedy="Where it was trained: torch.export.save(torch.export.export(…), 'model.pt2')",
        )
    if any(member.endswith(_TORCH_SAVE) for member in members):
        return ModelError(
            f"{name} was written by torch.save: weights without their network, or pickled code",
            expected="a .pt2 file, or weights with the factory of their network",
            found="a file of torch.save alone",
            remedy="State the network: --factory MODULE:FUNCTION --weights FILE --input NAME=SHAPE",
        )
    listed = ", ".join(members[:3])
    return ModelError(
        f"{name} is an archive of something else",
        expected="a .pt2 or .keras file",
        found=f"{len(members)} files: {listed}" if members else "an empty archive",
    )


def _in_fixed_batches(source: Source) -> Source:
    """A framework that was traced for one batch size is fed that many, as a runner feeds ONNX."""
    sizes = {shape[0] if shape else None for shape in input_shapes(source.model).values()}
    size = sizes.pop() if len(sizes) == 1 else None
    if size is None:
        return source
    run, fixed = source.run, size

    def batched(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        count = len(next(iter(feeds.values()), ()))
        parts = []
        for start in range(0, max(count, 1), fixed):
            part = {name: value[start : start + fixed] for name, value in feeds.items()}
            parts.append(run({name: _filled(value, fixed) for name, value in part.items()}))
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return {
            name: value[: len(value) // (len(parts) * fixed) * count]
            for name, value in joined.items()
        }

    return replace(source, run=batched)


def _filled(value: Tensor, size: int) -> Tensor:
    """``value`` with its last row repeated until it has ``size`` rows."""
    return np.concatenate([value, np.repeat(value[-1:], size - len(value), axis=0)])


def _named(source: Source, request: SourceRequest) -> Source:
    """The source under the names of the request."""
    inputs, outputs = input_names(source.model), output_names(source.model)
    new_inputs = tuple(request.inputs or inputs)
    new_outputs = request.output_names or outputs
    for what, new, old in (("inputs", new_inputs, inputs), ("outputs", new_outputs, outputs)):
        if len(new) != len(old):
            raise UsageError(
                f"the model has another number of {what} than were named",
                expected=f"{len(old)}: {', '.join(old)}",
                found=f"{len(new)}: {', '.join(new)}",
            )
    _require_shapes(source, request)
    changes = dict(zip((*inputs, *outputs), (*new_inputs, *new_outputs), strict=True))
    if all(old == new for old, new in changes.items()):
        return source
    rename(source.model, changes)
    return replace(
        source, run=_renamed(source.run, dict(zip(new_inputs, inputs, strict=True)), new_outputs)
    )


def _renamed(run: Run, inputs: Mapping[str, str], outputs: Sequence[str]) -> Run:
    def renamed(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        values = run({inputs.get(name, name): value for name, value in feeds.items()})
        return dict(zip(outputs, values.values(), strict=True))

    return renamed


def _require_shapes(source: Source, request: SourceRequest) -> None:
    """A fixed axis that was stated has to be the model's."""
    found = input_shapes(source.model)
    for (name, wanted), actual in zip((request.inputs or {}).items(), found.values(), strict=False):
        fits = len(wanted) == len(actual) and all(
            want is None or have is None or want == have
            for want, have in zip(wanted, actual, strict=False)
        )
        if not fits:
            raise UsageError(
                f"input {name!r} of the model has another shape than was stated",
                expected=_shape_text(actual),
                found=_shape_text(wanted),
            )


def _shape_text(shape: Sequence[int | None]) -> str:
    return "x".join("?" if axis is None else str(axis) for axis in shape) or "a scalar"


def _kept(source: Source, keep: tuple[str, ...]) -> Source:
    if not keep or keep == output_names(source.model):
        return source
    keep_outputs(source.model, keep)
    run = source.run

    def kept(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        values = run(feeds)
        return {name: values[name] for name in keep}

    return replace(source, run=kept)


def _joined(source: Source, request: SourceRequest) -> Source:
    if not request.latent:
        if request.uniform:
            raise UsageError(
                "uniform inputs are named without a latent",
                expected="some of the latent's inputs",
                found=", ".join(request.uniform),
            )
        return source
    parts = {"latent": request.latent, "uniform": request.uniform}
    model = wrap_generator(source.model, condition=request.condition, **parts)
    return replace(source, model=model, run=wrap_run(source.run, source.model, **parts))
