"""Real small ONNX models that find one person and say whether they move, and films of that person.

In a bright picture there is a person at BODY. Who moves much falls, who is bright climbs, and
everybody else walks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edge.bundler import About, BundleRequest, make_bundle
from edge.fitting import Wishes
from tests.small_world import SIDE, Image, World, save_graph

BODY = (112, 96, 208, 256)
LABELS = ("walk", "fall", "climb")
STRIDE = 16


def person_model() -> bytes:
    """YOLOX's output for one person, with a score of 0.9 where the picture is bright."""
    cells = {stride: (SIDE // stride) ** 2 for stride in (8, 16, 32)}
    rows = np.zeros((1, sum(cells.values()), 6), np.float32)
    centre = np.asarray([BODY[0] + BODY[2], BODY[1] + BODY[3]]) / 2 / STRIDE
    corner = np.floor(centre)
    cell = cells[8] + int(corner[1]) * (SIDE // STRIDE) + int(corner[0])
    size = np.asarray([BODY[2] - BODY[0], BODY[3] - BODY[1]]) / STRIDE
    rows[0, cell] = [*(centre - corner), *np.log(size), 0.95, 0.95]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Greater", ["mean", "dark"], ["bright"]),
        helper.make_node("Cast", ["bright"], ["seen"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["seen", "flat"], ["seen3"]),
        helper.make_node("Mul", ["rows", "seen3"], ["output"]),
    ]
    values = [
        numpy_helper.from_array(rows, "rows"),
        numpy_helper.from_array(np.full((1, 1, 1, 1), 10, np.float32), "dark"),
        numpy_helper.from_array(np.asarray([1, 1, 1], np.int64), "flat"),
    ]
    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    found = helper.make_tensor_value_info("output", TensorProto.FLOAT, rows.shape)
    return save_graph(helper.make_graph(nodes, "person", [picture], [found], values))


def classifier_model(*, frames: int = 16, side: int = 48, batch: int | str = "N") -> bytes:
    """Logits of LABELS: 2; 40 times the mean difference of one frame to the next; 10 times the mean
    brightness less 4, of pixels in −1..1."""
    axes = [1, 2, 3, 4]
    ends = {"first": [0, 1], "last": [frames - 1, frames]}
    values = [numpy_helper.from_array(np.asarray([1], np.int64), "time")]
    nodes = []
    for place, name in enumerate(("before", "after")):
        start, end = f"{name}_start", f"{name}_end"
        values += [
            numpy_helper.from_array(np.asarray([ends["first"][place]], np.int64), start),
            numpy_helper.from_array(np.asarray([ends["last"][place]], np.int64), end),
        ]
        nodes.append(helper.make_node("Slice", ["clip", start, end, "time"], [name]))
    scalars = {"forty": 40, "ten": 10, "four": 4, "zero": 0, "two": 2}
    values += [
        numpy_helper.from_array(np.asarray(value, np.float32), name)
        for name, value in scalars.items()
    ]
    values.append(numpy_helper.from_array(np.asarray([-1, 1], np.int64), "column"))
    nodes += [
        helper.make_node("Sub", ["after", "before"], ["step"]),
        helper.make_node("Abs", ["step"], ["size"]),
        helper.make_node("ReduceMean", ["size"], ["motion"], axes=axes, keepdims=0),
        helper.make_node("ReduceMean", ["clip"], ["light"], axes=axes, keepdims=0),
        helper.make_node("Mul", ["motion", "forty"], ["falling"]),
        helper.make_node("Mul", ["light", "ten"], ["brightness"]),
        helper.make_node("Sub", ["brightness", "four"], ["climbing"]),
        helper.make_node("Mul", ["motion", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "two"], ["walking"]),
        *(
            helper.make_node("Reshape", [f"{name}ing", "column"], [name])
            for name in ("walk", "fall", "climb")
        ),
        helper.make_node("Concat", ["walk", "fall", "climb"], ["logits"], axis=1),
    ]
    clip = helper.make_tensor_value_info("clip", TensorProto.FLOAT, [batch, frames, 3, side, side])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, len(LABELS)])
    return save_graph(helper.make_graph(nodes, "acts", [clip], [logits], values))


def add_bundle(
    folder: Path, name: str, model: bytes, *, template: str, labels: tuple[str, ...]
) -> Path:
    """An unsigned bundle of a model in a folder."""
    path = folder / f"{name}.onnx"
    path.write_bytes(model)
    request = BundleRequest(
        model=path,
        template=template,
        about=About(name=name, source="tests"),
        wishes=Wishes(labels=labels),
    )
    return make_bundle(request, folder / f"{name}-bundle").path


def add_behaviour(world: World) -> None:
    """Let a small world find its person and recognise what they do."""
    add_bundle(world.folder, "person", person_model(), template="yolox", labels=("person",))
    add_bundle(world.folder, "acts", classifier_model(), template="clip-classifier", labels=LABELS)
    world.edit(
        'detector = "detector-bundle"\n',
        'detector = "detector-bundle"\nperson = "person-bundle"\nbehaviour = "acts-bundle"\n',
    )


def scenes(*parts: tuple[str, int]) -> list[Image]:
    """Pictures of somebody who is ``still``, ``moving`` or ``gone`` for so many frames each."""
    x1, y1, x2, y2 = BODY
    stripes = (np.arange(y2 - y1) // 20 % 2 * 160 + 40).astype(np.uint8)[:, None, None]
    pictures: list[Image] = []
    for kind, count in parts:
        for _ in range(count):
            picture: Image = np.full((SIDE, SIDE, 3), 0 if kind == "gone" else 60, np.uint8)
            if kind == "moving":
                turned = np.roll(stripes, 10 * len(pictures), axis=0)
                picture[y1:y2, x1:x2] = turned
            elif kind == "still":
                picture[y1:y2, x1:x2] = stripes
            pictures.append(picture)
    return pictures
