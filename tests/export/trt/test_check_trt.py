"""``edgewarden bundle check-trt``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

Make = Callable[..., onnx.ModelProto]


def check(*words: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from edge.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "bundle", "check-trt", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def good(valid: Make, tmp_path: Path) -> Path:
    path = tmp_path / "good.onnx"
    onnx.save(valid(17, stored_int8=False), path)
    return path


@pytest.fixture
def bad(valid: Make, tmp_path: Path) -> Path:
    model = valid(17, stored_int8=False)
    for tensor in model.graph.initializer:
        if tensor.name == "g_scale":
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(-1, np.float32), "g_scale"))
    path = tmp_path / "bad.onnx"
    onnx.save(model, path)
    return path


def test_a_clean_file_ends_with_0(good: Path) -> None:
    done = check(good)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing against TensorRT 10" in done.stdout


def test_a_broken_one_ends_with_2_and_names_node_and_rule(good: Path, bad: Path) -> None:
    done = check(good, bad, "--for", "8")
    assert done.returncode == 2
    assert f"{good}: nothing against TensorRT 8" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("g_q"))
    assert row.split()[:3] == ["g_q", "QuantizeLinear", "scale"]
    assert "scale: scales are constant, finite and above 0" in done.stdout


def test_the_findings_can_be_read_by_a_program(good: Path, bad: Path) -> None:
    done = check(good, bad, "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert found[str(good)] == []
    assert [(one["node"], one["rule"]) for one in found[str(bad)]] == [
        ("g_q", "scale"),
        ("g_dq", "scale"),
    ]


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x08\x08\x3a\x02\x0a\x00"])
def test_what_is_no_model_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    done = check(path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr


def test_a_missing_file_and_an_unknown_generation_are_refused(good: Path, tmp_path: Path) -> None:
    done = check(tmp_path / "none.onnx")
    assert done.returncode == 2
    assert "none.onnx" in done.stderr
    assert check(good, "--for", "9").returncode == 2


def test_the_help_has_an_example() -> None:
    done = check("--help")
    assert done.returncode == 0
    assert "edgewarden bundle check-trt int8-trt.onnx" in done.stdout
