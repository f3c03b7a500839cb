"""Small bundles made by hand, so that a test can spoil exactly one thing in them."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper, numpy_helper

from edge.golden import pack_golden
from edge.signature import sign_manifest

Values = dict[str, Any]
Change = Callable[[Values, str, object], None]
ListFile = Callable[[Values, str, bytes], None]


class MakeBundle(Protocol):
    """Writes a bundle folder as told, right or wrong, and returns it."""

    def __call__(
        self,
        name: str = "bundle",
        *,
        edit: Callable[[Values], object] = ...,
        files: Mapping[str, bytes] = ...,
        raw: bytes | None = None,
        signed_by: Ed25519PrivateKey | None = None,
    ) -> Path: ...


def build_model(*, opset: int = 13, weight: float = 1.0) -> onnx.ModelProto:
    """``y = x · weight`` on [N, 3, 8, 8]."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [numpy_helper.from_array(np.full((1,), weight, np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    model.producer_name = "tests"
    return model


@pytest.fixture(scope="session")
def model_bytes() -> bytes:
    """A small ONNX file."""
    data: bytes = build_model().SerializeToString(deterministic=True)
    return data


@pytest.fixture(scope="session")
def golden_bytes() -> bytes:
    """Golden input ``x`` and output ``y`` of that model."""
    x = np.arange(3 * 64, dtype=np.float32).reshape(1, 3, 8, 8)
    return pack_golden({"x": x}, {"y": x})


@pytest.fixture(scope="session")
def plain_values(model_bytes: bytes, golden_bytes: bytes) -> Values:
    files = {"fp32.onnx": model_bytes, "golden.npz": golden_bytes}
    return {
        "format": "1.0",
        "name": "tiny",
        "version": "1.2",
        "role": "recogniser",
        "decoder": {"name": "embedding"},
        "input": {
            "name": "x",
            "layout": "NCHW",
            "dtype": "float32",
            "color": "BGR",
            "mean": [0, 0, 0],
            "scale": [1, 1, 1],
            "resize": {
                "mode": "align",
                "template": [[2, 2], [6, 2], [4, 4], [2, 6], [6, 6]],
            },
            "shape": [{"min": 1, "opt": 1, "max": 4}, 3, 8, 8],
        },
        "outputs": ["y"],
        "labels": [],
        "files": [listed(path, content) for path, content in files.items()],
        "variants": [
            {
                "id": "fp32",
                "file": "fp32.onnx",
                "opset": 13,
                "runner": "onnxruntime",
                "state": "accepted",
                "accuracy": {},
                "parity": {"max_abs": 0.0},
                "golden_tolerance": {"max_abs": 0.001},
            }
        ],
        "engines": [],
        "golden": {"file": "golden.npz"},
        "calibration": None,
        "thresholds": [{"metric": "cosine", "value": 0.49, "data": "by hand"}],
        "training": "unverified",
        "license": "Apache-2.0",
        "provenance": {"source": "tests", "created": "2026-01-01", "tool": "tests"},
    }


@pytest.fixture
def values(plain_values: Values) -> Values:
    """The manifest of a small recogniser, to be changed at will."""
    return copy.deepcopy(plain_values)


def listed(path: str, content: bytes) -> Values:
    """The entry of a file in ``files``."""
    digest = hashlib.sha256(content).hexdigest()
    return {"path": path, "bytes": len(content), "sha256": digest}


@pytest.fixture(scope="session")
def change() -> Change:
    """Sets the value at a dotted path of manifest values; ``...`` removes it."""

    def set_value(values: Values, path: str, value: object) -> None:
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        part: Any = values
        for step in steps:
            part = part[step]
        if value is ...:
            del part[last]
        else:
            part[last] = value

    return set_value


@pytest.fixture
def list_file() -> ListFile:
    """Lists a further file in manifest values, or another content of one that is listed."""

    def change(values: Values, path: str, content: bytes) -> None:
        entries = {entry["path"]: entry for entry in values["files"]}
        values["files"] = list({**entries, path: listed(path, content)}.values())

    return change


@pytest.fixture(scope="session")
def release_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def other_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def make_bundle(
    tmp_path: Path, values: Values, model_bytes: bytes, golden_bytes: bytes
) -> MakeBundle:
    def make(
        name: str = "bundle",
        *,
        edit: Callable[[Values], object] = lambda _: None,
        files: Mapping[str, bytes] = MappingProxyType({}),
        raw: bytes | None = None,
        signed_by: Ed25519PrivateKey | None = None,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        edited = copy.deepcopy(values)
        edit(edited)
        content = {"fp32.onnx": model_bytes, "golden.npz": golden_bytes, **files}
        for path, data in content.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        raw = json.dumps(edited).encode() if raw is None else raw
        (folder / "manifest.json").write_bytes(raw)
        if signed_by is not None:
            (folder / "manifest.sig").write_bytes(sign_manifest(raw, signed_by))
        return folder

    return make
