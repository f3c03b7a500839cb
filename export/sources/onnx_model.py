"""Models that are ONNX already; what they are compared with is ONNX Runtime on the file itself."""

from __future__ import annotations

from edge.errors import ModelError
from edge.onnx_file import read_onnx_facts
from edge.runner.onnxruntime import OnnxRuntimeRunner, version
from export.sources.base import Source


def load_onnx(data: bytes, name: str) -> Source:
    """The source that the bytes of an ONNX file hold; ``name`` is what errors call it.

    Raises ModelError where they are no whole ONNX model, keep weights in other files, import no
    operators, or do not run in ONNX Runtime.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has none

    try:
        facts = read_onnx_facts(data)
    except ModelError as exc:
        raise ModelError(
            f"{name}: {exc.message}", expected=exc.expected, found=exc.found, remedy=exc.remedy
        ) from exc
    if facts.external_data:
        raise ModelError(
            f"{name} keeps weights in other files",
            expected="one ONNX file that holds all its weights",
            found="external data",
            remedy="Save it again with its weights inside: onnx.save(onnx.load(FILE), FILE)",
        )
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as exc:
        raise ModelError(f"{name} is no whole ONNX model", found=str(exc)) from exc
    runner = OnnxRuntimeRunner(data, name=name)
    runner.load()
    notes = (f"ONNX opset {facts.opset}" + (f", from {facts.producer}" if facts.producer else ""),)
    return Source(model, runner.infer, f"ONNX Runtime {version()}", notes, runner.close)
