"""A framework that is not installed is named, with what to install."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import pytest

from edge.errors import MissingExtraError
from export.sources.base import SourceRequest
from export.sources.loading import load_source


def archive(path: Path, *names: str) -> Path:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, "{}")
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.parametrize("missing", ["torch", "onnxscript"])
def test_pytorch(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    program = archive(tmp_path / "model.pt2", "model/archive_format", "model/models/model.json")
    keras = archive(tmp_path / "model.keras", "config.json", "metadata.json", "model.weights.h5")
    for request in (
        SourceRequest(path=program),
        SourceRequest(path=keras),
        SourceRequest(factory="a:b", weights=tmp_path / "a.pt", inputs={"z": (None, 4)}),
    ):
        with pytest.raises(MissingExtraError, match=r"PyTorch.*edgewarden\[export,train\]"):
            load_source(request)


def test_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"onnx.*edgewarden\[export\]"):
        load_source(SourceRequest(path=tmp_path / "model.onnx"))
