"""Runs in the Python that has TensorFlow: turns a SavedModel into ONNX, then runs the original.

Started as a script by ``export.sources.savedmodel``, with the folder, the signature (empty where
none was chosen) and the file for the ONNX model as arguments. It imports nothing of Edgewarden.
Messages go both ways over stdin and stdout: eight bytes of length, then one byte of kind and the
rest. ``j`` is JSON, ``z`` an ``.npz``, ``e`` JSON that tells of a failure. The first message out
says what the model is; after that every ``z`` in, of inputs, is answered by one of outputs. It ends
when stdin does.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

# Python puts the folder of a script first, and this one holds names that others have too.
sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).resolve().parent)]

OPSET = 17  # the newest that TensorRT 8 takes
DEFAULT = "serving_default"
# Python code, and files of the machine that the model is loaded on.
WORLDLY = {
    *("PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles"),
    *("InitializeTableFromTextFile", "InitializeTableFromTextFileV2", "RemoteCall"),
}


class RefusedError(Exception):
    """What the other side raises: kind, message, expected, found, remedy."""

    def __init__(self, kind: str, message: str, **words: str) -> None:
        super().__init__(message)
        self.values = {"kind": kind, "message": message, **words}


def main() -> None:
    """Serve one model until stdin ends."""
    folder, signature, target = sys.argv[1:4]
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # TensorFlow prints as it pleases; only answers leave by the pipe
    requests = sys.stdin.buffer
    try:
        function, facts = prepare(folder, signature, target)
    except RefusedError as exc:
        send(answers, b"e", json.dumps(exc.values).encode())
        return
    send(answers, b"j", json.dumps(facts).encode())
    while (message := receive(requests)) is not None:
        try:
            send(answers, b"z", run(function, facts["outputs"], message))
        except Exception as exc:  # noqa: BLE001  # whatever TensorFlow raises, the other side says it
            values = {"kind": "inference", "message": "TensorFlow failed", "found": one_line(exc)}
            send(answers, b"e", json.dumps(values).encode())


def prepare(folder: str, signature: str, target: str) -> tuple[Any, dict[str, Any]]:
    """The signature's function and what the model is; its ONNX form is in ``target``."""
    try:
        import tensorflow as tf
        import tf2onnx
    except ImportError as exc:
        raise RefusedError(
            "missing",
            f"{sys.executable} lacks what SavedModels need",
            expected="TensorFlow and tf2onnx",
            found=str(exc),
            remedy=f"Run: {sys.executable} -m pip install tensorflow tf2onnx",
        ) from exc
    saved = read(folder)
    require_harmless(saved, folder)
    try:
        loaded = tf.saved_model.load(folder)
    except Exception as exc:  # TensorFlow has no common error of its own
        raise RefusedError(
            "model", f"TensorFlow does not load {folder}", found=one_line(exc)
        ) from exc
    name = choose(tuple(loaded.signatures), signature, folder, saved)
    function = loaded.signatures[name]
    _, inputs = function.structured_input_signature
    convert(folder, name, target)
    facts = {
        "signature": name,
        "inputs": list(inputs),
        "outputs": list(function.structured_outputs),
        "framework": f"TensorFlow {tf.__version__}",
        "notes": [f"signature {name}", f"converted by tf2onnx {tf2onnx.__version__}"],
    }
    function._edgewarden_owner = loaded  # a signature does not keep its variables alive
    return function, facts


def read(folder: str) -> Any:
    """The SavedModel as it is written down, before anything of it is made."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString(Path(folder, "saved_model.pb").read_bytes())
    except Exception as exc:  # protobuf's error, which no module names in public, or the file's
        raise RefusedError(
            "model",
            f"{folder} holds no whole SavedModel",
            expected="saved_model.pb as TensorFlow writes it",
            found=one_line(exc),
            remedy="Check that the folder was copied to its end.",
        ) from exc
    return saved


def require_harmless(saved: Any, folder: str) -> None:
    """Refuses, before it is loaded, a graph that calls Python or touches files."""
    for graph in saved.meta_graphs:
        functions = (node for f in graph.graph_def.library.function for node in f.node_def)
        for node in (*graph.graph_def.node, *functions):
            if node.op in WORLDLY:
                raise RefusedError(
                    "model",
                    f"{folder} runs code or touches files where it is loaded",
                    expected="operators that only compute",
                    found=f"{node.op} in node {node.name}",
                    remedy="Leave that operation out of the signature, and save the model again.",
                )


def choose(names: tuple[str, ...], wanted: str, folder: str, saved: Any) -> str:
    """The signature that was asked for, or the only one, perhaps under several names."""
    if wanted in names:
        return wanted
    if not wanted and names and len({called_by(saved, name) for name in names}) == 1:
        return DEFAULT if DEFAULT in names else names[0]
    listed = ", ".join(sorted(names)) or "none"
    if wanted or not names:
        raise RefusedError(
            "usage",
            f"{folder} has no signature {wanted!r}" if wanted else f"{folder} has no signature",
            expected=f"one of {listed}" if names else "a function to call",
            remedy=""
            if names
            else "Save it with: tf.saved_model.save(model, FOLDER, signatures=…)",
        )
    raise RefusedError(
        "usage",
        f"{folder} has {len(names)} signatures",
        expected="one to be chosen",
        found=listed,
        remedy=f"Choose it: --signature {sorted(names)[0]}",
    )


def called_by(saved: Any, name: str) -> tuple[Any, ...]:
    """What a signature comes down to: Keras writes one function under two names."""
    graph = next(graph for graph in saved.meta_graphs if name in graph.signature_def)
    signature = graph.signature_def[name]
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    nodes = {node.name: node for node in graph.graph_def.node}
    outputs = {tensor.name.partition(":")[0] for tensor in signature.outputs.values()}
    wrappers = {nodes[output].attr["f"].func.name for output in outputs if output in nodes}
    calls = sorted(
        (node.op, node.attr["f"].func.name)
        for wrapper in wrappers
        if wrapper in functions
        for node in functions[wrapper].node_def
    )
    inner: list[Any] = [call for call in calls if call[1]]
    return (*(inner or [name]), *sorted(signature.inputs), *sorted(signature.outputs))


def convert(folder: str, signature: str, target: str) -> None:
    """Writes the signature as ONNX, its inputs and outputs named as in the signature."""
    from tf2onnx import convert as converter

    words = ["--saved-model", folder, "--signature_def", signature, "--tag", "serve"]
    sys.argv = ["tf2onnx", *words, "--output", target, "--opset", str(OPSET)]
    try:
        converter.main()
    except (Exception, SystemExit) as exc:
        raise RefusedError(
            "model",
            f"tf2onnx cannot write signature {signature} as ONNX",
            expected=f"operators that ONNX opset {OPSET} has",
            found=one_line(exc),
            remedy="Replace that operation in the network, and save it again.",
        ) from exc


def run(function: Any, outputs: Iterable[str], message: bytes) -> bytes:
    """One call: an ``.npz`` of inputs in, one of outputs back."""
    import numpy
    import tensorflow as tf

    with numpy.load(io.BytesIO(message), allow_pickle=False) as feeds:
        values = function(**{name: tf.constant(feeds[name]) for name in feeds.files})
    return pack({name: values[name].numpy() for name in outputs})


def pack(values: Mapping[str, Any]) -> bytes:
    """Arrays by name as an ``.npz``."""
    import numpy

    buffer = io.BytesIO()
    numpy.savez(buffer, **values)
    return buffer.getvalue()


def send(stream: IO[bytes], kind: bytes, content: bytes) -> None:
    """One message of a kind."""
    stream.write(struct.pack(">Q", len(content)) + kind + content)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """The content of the next message, None at the end."""
    head = stream.read(9)
    if len(head) < 9:
        return None
    return stream.read(struct.unpack(">Q", head[:8])[0])


def one_line(exc: BaseException) -> str:
    """A foreign error in one line."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return f"{type(exc).__name__}: {lines[0][:300]}" if lines else type(exc).__name__


if __name__ == "__main__":
    main()
