"""Small real ONNX models, bundles made from them, and site files that name bundles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.bundler import About, BundleRequest, make_bundle
from edge.config import Site, load_site
from edge.fitting import Wishes

Bundler = Callable[..., Path]
SiteOf = Callable[..., Site]
SCRFD_CELLS = {8: 32, 16: 8, 32: 2}  # two anchors a cell of a 32 × 32 picture


def save(graph: onnx.GraphProto) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def scrfd_model(columns: tuple[int, ...]) -> bytes:
    """A detector that finds nothing: for each stride one output for each number of columns."""
    nodes, outputs, values = [], [], []
    for stride, cells in SCRFD_CELLS.items():
        for width in columns:
            name = f"out_{stride}_{width}"
            shape = (1, cells, width)
            nodes.append(helper.make_node("Identity", [f"{name}_value"], [name]))
            values.append(numpy_helper.from_array(np.zeros(shape, np.float32), f"{name}_value"))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 32, 32])
    return save(helper.make_graph(nodes, "scrfd", [picture], outputs, values))


def ultraface_model() -> bytes:
    """A detector without landmarks that finds nothing."""
    scores, boxes = np.zeros((1, 4, 2), np.float32), np.zeros((1, 4, 4), np.float32)
    values = {"scores": scores, "boxes": boxes}
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 240, 320])
    return save(
        helper.make_graph(
            [helper.make_node("Identity", [f"{name}_value"], [name]) for name in values],
            "ultraface",
            [picture],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, values[n].shape) for n in values],
            [numpy_helper.from_array(value, f"{name}_value") for name, value in values.items()],
        )
    )


def pooling_model(kind: str, kernel: int, side: int) -> bytes:
    """Mean colours of square blocks, flattened: a vector, or the ten numbers of five points."""
    nodes = [
        helper.make_node("AveragePool", ["data"], ["m"], kernel_shape=[kernel] * 2,
                         strides=[kernel] * 2),
        helper.make_node("Flatten", ["m"], ["flat"]),
        helper.make_node("Slice", ["flat", "first", "last", "axis"], ["out"]),
    ]  # fmt: skip
    length = 10 if kind == "landmarks" else 3 * (side // kernel) ** 2
    ends = {"first": 0, "last": length, "axis": 1}
    values = [numpy_helper.from_array(np.asarray([v], np.int64), name) for name, v in ends.items()]
    picture = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, side, side])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, length])
    return save(helper.make_graph(nodes, kind, [picture], [out], values))


MODELS = {
    "ultraface": ("ultraface", ultraface_model()),
    "scrfd": ("scrfd", scrfd_model((1, 4, 10))),
    "scrfd-bare": ("scrfd", scrfd_model((1, 4))),
    "recogniser": ("arcface-rgb", pooling_model("recogniser", 14, 112)),
    "landmarks": ("landmarks-0009", pooling_model("landmarks", 12, 48)),
}


@pytest.fixture
def bundle_of(tmp_path: Path) -> Bundler:
    """``bundle_of("scrfd", labels=("face",))``: the folder of a bundle of a small model."""

    def make(name: str, *, labels: tuple[str, ...] = ()) -> Path:
        template, data = MODELS[name]
        model = tmp_path / f"{name}.onnx"
        model.write_bytes(data)
        request = BundleRequest(
            model=model,
            template=template,
            about=About(name=name, source="tests"),
            wishes=Wishes(labels=labels),
        )
        return make_bundle(request, tmp_path / f"{name}-bundle").path

    return make


@pytest.fixture
def site_of(tmp_path: Path) -> SiteOf:
    """``site_of(detector=folder, …)``: a site with these bundles, unsigned, threshold 0.5."""

    def make(**folders: Path) -> Site:
        lines = [f'{role} = "{folder}"' for role, folder in folders.items()]
        path = tmp_path / "site.toml"
        path.write_text(
            '[site]\nid = "hq"\nnode = "gate"\nstate_dir = "state"\ncache_dir = "cache"\n[models]\n'
            + "\n".join(lines)
            + "\nrequire_signed = false\n[recognition]\nthreshold = 0.5\n"
        )
        return load_site(path)

    return make
