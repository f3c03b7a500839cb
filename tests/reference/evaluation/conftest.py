"""A pack of small models that were never trained: everything runs, and no goal is reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge.bundler import About, BundleRequest, make_bundle_of
from edge.fitting import Wishes
from edge.pack import PackedBundle, PackList
from export.reference.evaluation.bundles import Pack
from export.reference.evaluation.held_out import Sizes
from export.reference.world.truth import BEHAVIOURS
from tests.small_world import detector_model

LATENT = 8


def _model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[int | str]],
    output: list[int | str],
    **constants: NDArray[np.generic],
) -> bytes:
    def tensor(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "small",
        [tensor(name, shape) for name, shape in inputs.items()],
        [tensor("output", output)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made)
    data: bytes = made.SerializeToString()
    return data


def _random(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).normal(0, 1, shape).astype(np.float32)


def _whole(*values: int) -> NDArray[np.int64]:
    return np.asarray(values, np.int64)


def recogniser() -> bytes:
    """The mean colours of 8 × 8 blocks."""
    nodes = [
        helper.make_node("AveragePool", ["input"], ["b"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["b"], ["output"]),
    ]
    return _model(nodes, {"input": ["n", 3, 64, 64]}, ["n", 192])


def classifier() -> bytes:
    """Seven values of how bright each frame is."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["m"], axes=[2, 3, 4], keepdims=0),
        helper.make_node("Gemm", ["m", "w"], ["output"]),
    ]
    return _model(nodes, {"input": ["n", 16, 3, 48, 48]}, ["n", 7], w=_random(16, 7))


def faces() -> bytes:
    """8 × 8 blocks of any colour."""
    nodes = [
        helper.make_node("Gemm", ["z", "w"], ["flat"]),
        helper.make_node("Tanh", ["flat"], ["t"]),
        helper.make_node("Reshape", ["t", "small"], ["p"]),
        helper.make_node("Resize", ["p", "", "by"], ["output"], mode="nearest"),
    ]
    return _model(
        nodes,
        {"z": ["n", LATENT]},
        ["n", 3, 64, 64],
        w=_random(LATENT, 192),
        small=_whole(-1, 3, 8, 8),
        by=np.asarray([1, 1, 8, 8], np.float32),
    )


def clips() -> bytes:
    """6 × 6 blocks that change from frame to frame."""
    nodes = [
        helper.make_node("Concat", ["z", "behaviour"], ["whole"], axis=1),
        helper.make_node("Gemm", ["whole", "w"], ["flat"]),
        helper.make_node("Tanh", ["flat"], ["t"]),
        helper.make_node("Reshape", ["t", "small"], ["p"]),
        helper.make_node("Resize", ["p", "", "by"], ["large"], mode="nearest"),
        helper.make_node("Reshape", ["large", "clip"], ["output"]),
    ]
    return _model(
        nodes,
        {"z": ["n", LATENT], "behaviour": ["n", 7]},
        ["n", 16, 3, 48, 48],
        w=_random(LATENT + 7, 16 * 3 * 36),
        small=_whole(-1, 48, 6, 6),
        by=np.asarray([1, 1, 8, 8], np.float32),
        clip=_whole(-1, 16, 3, 48, 48),
    )


def scenes() -> bytes:
    """Every picture a little blurred."""
    node = helper.make_node(
        "AveragePool", ["input"], ["output"], kernel_shape=[9, 9], pads=[4, 4, 4, 4]
    )
    shape: list[int | str] = ["n", 3, 96, 160]
    return _model([node], {"input": shape}, shape)


def people() -> bytes:
    """Nobody, wherever one looks."""
    cells = (320 // 8) * (192 // 8) + (320 // 16) * (192 // 16) + (320 // 32) * (192 // 32)
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["m"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Reshape", ["m", "flat"], ["m3"]),
        helper.make_node("Mul", ["m3", "nothing"], ["output"]),
    ]
    return _model(
        nodes,
        {"input": ["n", 3, 192, 320]},
        ["n", cells, 6],
        flat=_whole(-1, 1, 1),
        nothing=np.zeros((1, cells, 6), np.float32),
    )


_MODELS: dict[str, tuple[Callable[[], bytes], str, Wishes]] = {
    "world-face": (detector_model, "yunet", Wishes()),
    "world-person": (people, "yolox", Wishes(labels=("person",))),
    "world-recogniser": (recogniser, "world-recogniser", Wishes()),
    "world-behaviour": (classifier, "clip-classifier", Wishes(labels=BEHAVIOURS)),
    "world-faces": (faces, "generator", Wishes(latent="z")),
    "world-clips": (
        clips,
        "generator",
        Wishes(latent="z", condition="behaviour", condition_labels=BEHAVIOURS),
    ),
    "world-scenes": (scenes, "autoencoder", Wishes()),
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pack with every bundle."""
    root = tmp_path_factory.mktemp("pack")
    (root / "bundles").mkdir()
    listed: dict[str, PackedBundle] = {}
    for name, (model, template, wishes) in _MODELS.items():
        about = About(name=name, source="a test", created="2026-01-01T00:00:00+00:00")
        request = BundleRequest(
            model=Path(f"{name}.onnx"), template=template, about=about, wishes=wishes
        )
        made = make_bundle_of(model(), request, root / "bundles" / name)
        listed[name] = PackedBundle(
            sha256=made.sha256, bytes=1, recipe="none", recipe_sha256="0" * 64,
            data_sha256="0" * 64, weights_sha256="0" * 64, figures={},
        )  # fmt: skip
    (root / "pack.json").write_text(PackList(bundles=listed).model_dump_json())
    return root


@pytest.fixture(scope="session")
def pack(folder: Path) -> Pack:
    return Pack(folder)


@pytest.fixture(scope="session")
def tiny() -> Sizes:
    """As little as every measure can be taken on."""
    return Sizes(
        scenes=2, people=80, clips=1, faces=20, crowd=30, views=20, films=2, examples=1,
        resamples=20,
    )  # fmt: skip
