from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.bundle import Bundle, write_bundle
from edge.cuda import GpuFacts
from edge.device import gather
from edge.manifest import build_manifest
from export.engine_job import Workshop
from export.fake_tensorrt import make_fake_tensorrt

ORIN = GpuFacts(name="Orin", sm=87, driver="12.6", memory_total=8 << 30, integrated=True)


def model(*, quantised: bool = False, free: bool = True) -> bytes:
    """One convolution on a picture, with or without Q/DQ around its input."""
    axes: list[Any] = ["n", 3, "h", "w"] if free else [1, 3, 32, 32]
    weight = numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), "weight")
    inits = [weight]
    nodes = []
    source = "input"
    if quantised:
        inits.append(numpy_helper.from_array(np.asarray(1, np.float32), "scale"))
        inits.append(numpy_helper.from_array(np.asarray(0, np.int8), "zero"))
        nodes.append(helper.make_node("QuantizeLinear", ["input", "scale", "zero"], ["q"]))
        nodes.append(helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]))
        source = "dq"
    nodes.append(helper.make_node("Conv", [source, "weight"], ["output"], name="first_conv"))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [axes[0], 1, *axes[2:]])],
        inits,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Bundle]:
    """A bundle of an enhancer with these variants; those in ``refused`` did not pass the gate."""

    def make(
        variants: Sequence[str] = ("fp32", "fp16", "int8-trt", "int8-trt8"),
        *,
        refused: Sequence[str] = (),
        free: bool = True,
    ) -> Bundle:
        files = {
            f"{name}.onnx": model(quantised=name.startswith("int8"), free=free) for name in variants
        }
        axis: Any = {"min": 32, "opt": 64, "max": 128} if free else 32
        values = {
            "format": "1.0",
            "name": "brighter",
            "version": "1",
            "role": "enhancer",
            "decoder": {"name": "image"},
            "input": {
                "name": "input",
                "layout": "NCHW",
                "dtype": "float32",
                "color": "BGR",
                "mean": [0, 0, 0],
                "scale": [1, 1, 1],
                "resize": {"mode": "stretch"},
                "shape": [{"min": 1, "opt": 2, "max": 4} if free else 1, 3, axis, axis],
            },
            "outputs": [{"name": "output", "range": [0, 255]}],
            "files": [
                {"path": path, "bytes": len(data), "sha256": sha256(data).hexdigest()}
                for path, data in files.items()
            ],
            "variants": [
                {
                    "id": name,
                    "file": f"{name}.onnx",
                    "opset": 13,
                    "runner": "tensorrt" if "trt" in name else "onnxruntime",
                    "state": "refused" if name in refused else "accepted",
                    **({"reason": "too far from FP32"} if name in refused else {}),
                }
                for name in variants
            ],
            "training": "unverified",
            "license": "Apache-2.0",
            "provenance": {"source": "here", "created": "2026-01-01T00:00:00Z", "tool": "tests"},
        }
        return write_bundle(tmp_path / "bundle", build_manifest(values), dict(files))

    return make


@pytest.fixture
def make_workshop(tmp_path: Path) -> Callable[..., Workshop]:
    def make(version: str = "10.3.0", **fake: Any) -> Workshop:
        return Workshop(
            trt=make_fake_tensorrt(version, **fake),
            gpu=ORIN,
            device=gather(),
            cache_dir=tmp_path / "cache",
            state_dir=tmp_path / "state",
        )

    return make
