"""SavedModels, in a Python that has TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.errors import InferenceError, MissingExtraError, ModelError, UsageError
from edge.runner.base import Signature
from export.sources.base import Source, SourceRequest
from export.sources.loading import load_source

MAKER = Path(__file__).with_name("make_savedmodels.py")

RequireParity = Callable[[Source], Signature]


@pytest.fixture(scope="session")
def models(tensorflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("savedmodels")
    subprocess.run([tensorflow, MAKER, folder], check=True, capture_output=True)
    return folder


def test_the_only_signature_computes_the_same_in_onnx(
    models: Path, tensorflow: Path, require_parity: RequireParity
) -> None:
    with load_source(SourceRequest(path=models / "one", python=tensorflow)) as source:
        signature = require_parity(source)
        assert source.framework.startswith("TensorFlow 2.")
        assert source.notes[0] == "signature serving_default"
    assert str(signature.inputs[0]) == "z float32[?, 16]"
    assert str(signature.outputs[0]) == "picture float32[?, 8, 8, 3]"


def test_one_of_two_signatures_has_to_be_chosen(
    models: Path, tensorflow: Path, require_parity: RequireParity
) -> None:
    request = SourceRequest(path=models / "two", python=tensorflow)
    with pytest.raises(UsageError, match=r"2 signatures.*generate, score.*--signature generate"):
        load_source(request)
    with pytest.raises(UsageError, match=r"no signature 'paint'; expected one of generate, score"):
        load_source(SourceRequest(path=models / "two", python=tensorflow, signature="paint"))
    chosen = SourceRequest(
        path=models / "two", python=tensorflow, signature="score", output_names=("mean",)
    )
    with load_source(chosen) as source:
        assert require_parity(source).outputs[0].name == "mean"


def test_one_function_under_two_names_needs_no_choice(
    models: Path, tensorflow: Path, require_parity: RequireParity
) -> None:
    """Keras writes ``serve`` and ``serving_default``."""
    with load_source(SourceRequest(path=models / "keras", python=tensorflow)) as source:
        require_parity(source)
        assert source.notes[0] == "signature serving_default"


def test_a_model_without_a_signature(models: Path, tensorflow: Path) -> None:
    with pytest.raises(UsageError, match=r"no signature.*signatures="):
        load_source(SourceRequest(path=models / "none", python=tensorflow))


@pytest.mark.parametrize(("model", "operator"), [("python", "PyFunc"), ("file", "ReadFile")])
def test_a_model_that_does_more_than_compute(
    model: str, operator: str, models: Path, tensorflow: Path
) -> None:
    with pytest.raises(ModelError, match=f"runs code or touches files.*{operator}"):
        load_source(SourceRequest(path=models / model, python=tensorflow))


def test_a_model_that_is_cut_off(models: Path, tensorflow: Path, tmp_path: Path) -> None:
    graph = (models / "one" / "saved_model.pb").read_bytes()
    (tmp_path / "saved_model.pb").write_bytes(graph[: len(graph) // 2])
    with pytest.raises(ModelError, match="no whole SavedModel"):
        load_source(SourceRequest(path=tmp_path, python=tensorflow))
    (tmp_path / "saved_model.pb").write_bytes(graph)  # and no variables
    with pytest.raises(ModelError, match="does not load"):
        load_source(SourceRequest(path=tmp_path, python=tensorflow))


def test_a_closed_source_fails_and_its_process_is_gone(models: Path, tensorflow: Path) -> None:
    before = set(children())
    source = load_source(SourceRequest(path=models / "one", python=tensorflow))
    (worker,) = set(children()) - before
    z = np.zeros((1, 16), np.float32)
    with pytest.raises(InferenceError, match="TensorFlow failed"):
        source.run({"z": np.zeros((1, 9), np.float32)})
    assert source.run({"z": z})["picture"].shape == (1, 8, 8, 3)
    source.close()
    source.close()
    assert worker not in children()
    with pytest.raises(InferenceError, match="TensorFlow has ended"):
        source.run({"z": z})


def children() -> list[int]:
    """The processes that this one started and has not reaped."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            status = entry.joinpath("stat").read_text() if entry.name.isdigit() else ""
        except OSError:
            continue
        if status and int(status.rpartition(")")[2].split()[1]) == os.getpid():
            found.append(int(entry.name))
    return found


def test_a_python_without_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(UsageError, match=r"an environment of its own.*--python"):
        load_source(SourceRequest(path=tmp_path))
    with pytest.raises(UsageError, match="cannot be run"):
        load_source(SourceRequest(path=tmp_path, python=tmp_path / "python"))
    with pytest.raises(MissingExtraError, match="pip install tensorflow tf2onnx"):
        load_source(SourceRequest(path=tmp_path, python=Path(sys.executable)))
    with pytest.raises(MissingExtraError, match="does not run TensorFlow"):
        load_source(SourceRequest(path=tmp_path, python=Path("/bin/true")))


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(UsageError, match=r"a folder without a model.*weights\.h5"):
        load_source(SourceRequest(path=tmp_path))
