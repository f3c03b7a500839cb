"""ONNX Runtime is kept from reporting to its makers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper

_CODE = """
import sys
from pathlib import Path
import numpy as np
from edge.runner.onnxruntime import OnnxRuntimeRunner
with OnnxRuntimeRunner(Path(sys.argv[1]).read_bytes()) as runner:
    runner.infer({"x": np.ones((1, 2), np.float32)})
"""


def test_a_session_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    opsets = [helper.make_opsetid("", 13)]
    model = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), model)
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    known = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))}
    environment = known | {"HOME": str(home), "TMPDIR": str(scratch)}
    command = [sys.executable, "-c", _CODE, str(model)]
    subprocess.run(command, check=True, env=environment, timeout=120)
    assert list(home.rglob("*")) == []
    assert list(scratch.rglob("*")) == []
