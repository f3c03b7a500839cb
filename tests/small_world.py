"""A small world in which the whole loop runs without any trained model.

The detector is a real ONNX file that sees one face, always in the same place, in every frame that
is not dark. The recogniser averages the face's colours in 8 x 8 blocks, so that a picture of
coloured blocks is a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge.cli import main
from edge.media import VideoWriter

SIDE = 320
FACE = (100, 80, 196, 176)  # a multiple of the detector's finest stride, so that no rounding shows
POINTS = ((130, 116), (166, 116), (148, 132), (134, 152), (162, 152))
STRIDE = 16

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class World:
    """A folder with models, bundles and a site file."""

    folder: Path
    site: Path

    def edit(self, old: str, new: str) -> None:
        text = self.site.read_text()
        assert old in text
        self.site.write_text(text.replace(old, new))


def _constant(name: str, value: NDArray[np.float32]) -> onnx.TensorProto:
    return numpy_helper.from_array(value, name)


def detector_model(faces: Sequence[Box] = (FACE,)) -> bytes:
    """YuNet's outputs for faces of FACE's size, with scores of 0.95 where the picture is bright."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Greater", ["mean", "dark"], ["bright"]),
        helper.make_node("Cast", ["bright"], ["seen"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["seen", "flat"], ["seen3"]),
    ]
    inits = [
        _constant("dark", np.full((1, 1, 1, 1), 10, np.float32)),
        numpy_helper.from_array(np.asarray([1, 1, 1], np.int64), "flat"),
    ]
    outputs = []
    size = (FACE[2] - FACE[0], FACE[3] - FACE[1])
    for stride in (8, 16, 32):
        columns = SIDE // stride
        cells = columns * columns
        score = np.zeros((1, cells, 1), np.float32)
        box = np.zeros((1, cells, 4), np.float32)
        points = np.zeros((1, cells, 10), np.float32)
        for face in faces if stride == STRIDE else ():
            centre = np.asarray([face[0] + face[2], face[1] + face[3]]) / 2 / stride
            corner = np.floor(centre)
            cell = int(corner[1]) * columns + int(corner[0])
            moved = np.asarray(POINTS) + np.asarray(face[:2]) - FACE[:2]
            score[0, cell] = 0.95
            box[0, cell, :2] = centre - corner
            box[0, cell, 2:] = np.log(np.asarray(size) / stride)
            points[0, cell] = (moved / stride - corner).reshape(-1)
        for kind, value in (("cls", score), ("obj", score), ("bbox", box), ("kps", points)):
            name = f"{kind}_{stride}"
            inits.append(_constant(f"{name}_value", value))
            nodes.append(helper.make_node("Mul", [f"{name}_value", "seen3"], [name]))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    return save_graph(helper.make_graph(nodes, "detector", [picture], outputs, inits))


def recogniser_model(*, side: int = 112, blocks: int = 8) -> bytes:
    """The mean colour of each of 8 x 8 blocks of a square face, as a vector of 192."""
    block = [side // blocks, side // blocks]
    nodes = [
        helper.make_node("AveragePool", ["data"], ["blocks"], kernel_shape=block, strides=block),
        helper.make_node("Flatten", ["blocks"], ["embedding"]),
    ]
    picture = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, side, side])
    vector = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 192])
    return save_graph(helper.make_graph(nodes, "recogniser", [picture], [vector]))


def save_graph(graph: onnx.GraphProto) -> bytes:
    """The bytes of a checked model with this graph."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def portrait(person: int, *, size: tuple[int, int] = (SIDE, SIDE)) -> Image:
    """A grey picture with the coloured blocks of one person where the face is."""
    picture: Image = np.full((size[1], size[0], 3), 90, np.uint8)
    blocks = np.random.default_rng(person).integers(0, 2, (8, 8, 3)) * 200 + 28
    x1, y1, x2, y2 = FACE
    face = blocks.astype(np.uint8).repeat((y2 - y1) // 8, axis=0).repeat((x2 - x1) // 8, axis=1)
    picture[y1:y2, x1:x2] = face
    return picture


def film(path: Path, frames: Sequence[Image], *, fps: float = 15.0) -> Path:
    """Write pictures as a video."""
    with VideoWriter(path, size=(frames[0].shape[1], frames[0].shape[0]), fps=fps) as writer:
        for frame in frames:
            writer.write(frame)
    return path


SITE = """[site]
id = "hq"
node = "gate"
state_dir = "state"
cache_dir = "cache"
[models]
detector = "detector-bundle"
recogniser = "recogniser-bundle"
require_signed = false
[recognition]
threshold = 0.6
margin = 0.05
"""


def make_world(folder: Path, models: Path) -> World:
    """Unsigned bundles of the small models in a folder, and a site file that uses them."""
    for name, template in (("detector", "yunet"), ("recogniser", "arcface-rgb")):
        model, bundle = models / f"{name}.onnx", folder / f"{name}-bundle"
        words = ["bundle", "new", str(model), "--template", template, "--out", str(bundle)]
        assert main(words) == 0
    site = folder / "site.toml"
    site.write_text(SITE)
    return World(folder, site)


def write_models(folder: Path) -> Path:
    """Write detector.onnx and recogniser.onnx to a folder."""
    (folder / "detector.onnx").write_bytes(detector_model())
    (folder / "recogniser.onnx").write_bytes(recogniser_model())
    return folder
