"""SavedModels of TensorFlow, converted and run by a Python that has TensorFlow.

TensorFlow wants other versions than the rest, so it stays in an environment and a process of its
own, which ``savedmodel_worker`` is.
"""

from __future__ import annotations

import io
import json
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from weakref import finalize

import numpy as np

from edge.config import tensorflow_environment
from edge.errors import (
    EdgewardenError,
    InferenceError,
    MissingExtraError,
    ModelError,
    UsageError,
)
from edge.runner.base import Tensor
from export.sources.base import Source, SourceRequest
from export.sources.tensors import free_batch_name, input_names, output_names, require_feeds

_WORKER = Path(__file__).with_name("savedmodel_worker.py")
_GRACE_S = 5.0
_KINDS: Mapping[str, type[EdgewardenError]] = {
    "usage": UsageError,
    "missing": MissingExtraError,
    "model": ModelError,
    "inference": InferenceError,
}


def load_saved_model(request: SourceRequest) -> Source:
    """The source that the folder ``request.path`` holds, by its signature.

    Raises UsageError without a Python to run it, for a folder that is no SavedModel and where no
    signature or an unknown one is chosen; MissingExtraError where that Python lacks TensorFlow;
    ModelError for a damaged model, one that runs code, and one that ONNX cannot express.
    """
    import onnx

    folder = request.path
    if folder is None or not folder.joinpath("saved_model.pb").is_file():
        raise UsageError(
            f"{folder} is a folder without a model",
            expected="saved_model.pb in it, as in the folder of a SavedModel",
            found=", ".join(sorted(p.name for p in folder.iterdir())[:5]) if folder else "nothing",
        )
    if request.python is None:
        raise UsageError(
            "SavedModels are read by TensorFlow, in an environment of its own",
            expected="the Python of an environment with tensorflow and tf2onnx",
            found="none",
            remedy="Make one (python -m venv tf; tf/bin/pip install tensorflow tf2onnx) and name "
            "it: --python tf/bin/python",
        )
    with tempfile.TemporaryDirectory(prefix="edgewarden-") as temporary:
        target = Path(temporary, "model.onnx")
        worker = _Worker(request.python, folder.absolute(), request.signature or "", target)
        try:
            facts = worker.facts()
            model = onnx.load_model_from_string(target.read_bytes())
            source = _source(worker, facts, model, folder)
        except BaseException:
            worker.close()
            raise
    return source


def _source(worker: _Worker, facts: Mapping[str, Any], model: Any, folder: Path) -> Source:
    """Inputs and outputs as the ONNX file orders them; both sides name them alike."""
    inputs, outputs = input_names(model), output_names(model)
    if set(inputs) != set(facts["inputs"]) or set(outputs) != set(facts["outputs"]):
        raise ModelError(
            f"tf2onnx left out inputs or outputs of {folder}",
            expected=f"inputs {', '.join(facts['inputs'])}; outputs {', '.join(facts['outputs'])}",
            found=f"inputs {', '.join(inputs)}; outputs {', '.join(outputs)}",
            remedy="Save a signature whose outputs all depend on its inputs.",
        )
    free_batch_name(model)

    def run(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        require_feeds(feeds, inputs)
        values = worker.run(feeds)
        return {name: values[name] for name in outputs}

    return Source(model, run, facts["framework"], tuple(facts["notes"]), worker.close)


class _Worker:
    """The process with TensorFlow; it ends with this object, or with our process."""

    def __init__(self, python: Path, folder: Path, signature: str, target: Path) -> None:
        self._python = python
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed by _end
        try:
            self._process = subprocess.Popen(
                [str(python), str(_WORKER), str(folder), signature, str(target)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=tensorflow_environment(),
            )
        except OSError as exc:
            self._log.close()
            raise UsageError(
                f"{python} cannot be run",
                expected="a Python with tensorflow and tf2onnx",
                found=exc.strerror or type(exc).__name__,
                remedy="Name it with: --python PATH",
            ) from exc
        self.close = finalize(self, _end, self._process, self._log)

    def facts(self) -> Mapping[str, Any]:
        """What the worker says of the model once it has loaded and converted it; asked once."""
        try:
            facts: Mapping[str, Any] = json.loads(self._receive())
        except EOFError as exc:
            raise MissingExtraError(
                f"{self._python} does not run TensorFlow",
                expected="a Python with tensorflow and tf2onnx",
                found=self._last_words(),
                remedy=f"Run: {self._python} -m pip install tensorflow tf2onnx",
            ) from exc
        return facts

    def run(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Outputs by name for one batch. Raises InferenceError where TensorFlow fails."""
        arrays: dict[str, Any] = dict(feeds)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        content = buffer.getvalue()
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(struct.pack(">Q", len(content)) + b"z" + content)
            stream.flush()
            answer = self._receive()
        except (BrokenPipeError, EOFError, ValueError) as exc:  # ValueError: closed on our side
            raise InferenceError("TensorFlow has ended", found=self._last_words()) from exc
        with np.load(io.BytesIO(answer), allow_pickle=False) as values:
            return {name: values[name] for name in values.files}

    def _receive(self) -> bytes:
        stream = self._process.stdout
        assert stream is not None
        head = stream.read(9)
        if len(head) < 9:
            raise EOFError
        content = stream.read(struct.unpack(">Q", head[:8])[0])
        if head[8:] == b"e":
            values = json.loads(content)
            raise _KINDS[values.pop("kind")](**values)
        return content

    def _last_words(self) -> str:
        """The last line that the process printed."""
        if self._log.closed:
            return "it was closed"
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else "nothing on its output"


def _end(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Let the process end by itself, since its input did; else end it."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    log.close()
