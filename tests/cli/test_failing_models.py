"""Models that load and then give nothing usable, or fail: some pictures later, or at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

# Between the brightest point of a dim face and that of a bright one, as the recogniser sees them.
_BRIGHT = 0.3
_BLACK = -0.9


def moody_model(path: Path, mood: str) -> Path:
    """The mean colours of 8 x 8 blocks of a face; of a dim one zeros, or a failure to run.

    mood: zeros, fails on the dim, or fails on all but the black.
    """
    bright = 2.0 if mood == "fails on all" else _BRIGHT
    nodes = [
        helper.make_node(
            "AveragePool", ["data"], ["mean"], kernel_shape=[14] * 2, strides=[14] * 2
        ),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("ReduceMax", ["data"], ["brightest"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Greater", ["brightest", "bright"], ["is_bright"]),
        helper.make_node("Less", ["brightest", "black"], ["is_black"]),
        helper.make_node("Or", ["is_bright", "is_black"], ["well"]),
    ]
    if mood == "zeros":
        nodes += [
            helper.make_node("Cast", ["well"], ["share"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["flat", "share"], ["embedding"]),
        ]
    else:
        # The row to take is the only one there is, or one that there is not.
        choice = ["well", "there", "nowhere"]
        nodes += [
            helper.make_node("Where", choice, ["row"]),
            helper.make_node("Gather", ["flat", "row"], ["embedding"], axis=0),
        ]
    inits = [
        numpy_helper.from_array(np.asarray([bright], np.float32), "bright"),
        numpy_helper.from_array(np.asarray([_BLACK], np.float32), "black"),
        numpy_helper.from_array(np.asarray([0], np.int64), "there"),
        numpy_helper.from_array(np.asarray([9], np.int64), "nowhere"),
    ]
    graph = helper.make_graph(
        nodes,
        mood,
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 192])],
        inits,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def moody(run: Any, world: Any, tmp_path: Path) -> Any:
    """Gives the world a recogniser with a mood."""

    def give(mood: str) -> Any:
        model = moody_model(tmp_path / "moody.onnx", mood)
        out = tmp_path / "moody-bundle"
        assert run("bundle", "new", model, "--template", "arcface-rgb", "--out", out) == 0
        world.edit("recogniser-bundle", "moody-bundle")
        return world

    return give


def dim(picture: Any) -> Any:
    return picture // 2


def test_one_view_without_an_embedding_ends_no_replay(
    run: Any, moody: Any, clip: Any, film: Any, portrait: Any, tmp_path: Path, caplog: Any
) -> None:
    world = moody("zeros")
    assert run("enrol", "anna", clip(1), "--config", world.site, "--consent", "yes") == 0
    face = portrait(1)
    path = film(tmp_path / "dims.mp4", [face] * 20 + [dim(face)] * 20 + [face] * 20)
    out = tmp_path / "out.jsonl"
    assert run("replay", path, "--config", world.site, "--events", out) == 0
    ended = json.loads(out.read_text().splitlines()[-1])["data"]
    assert (ended["phase"], ended["person"]) == ("ended", "anna")
    assert ended["track_frames"] >= 55


def test_a_face_of_which_nothing_is_made_is_told_of_once_and_judged_low_quality(
    run: Any, moody: Any, film: Any, portrait: Any, tmp_path: Path, caplog: Any
) -> None:
    world = moody("zeros")
    path = film(tmp_path / "dim.mp4", [dim(portrait(1))] * 60)
    out = tmp_path / "out.jsonl"
    assert run("replay", path, "--config", world.site, "--events", out) == 0
    ended = json.loads(out.read_text().splitlines()[-1])
    assert ended["type"] == "edgewarden.face.low_quality.v1"
    assert ended["data"]["reason"] == "the recogniser makes nothing of this face"
    assert sum("dropped" in record.message for record in caplog.records) == 1


def test_nobody_is_enrolled_from_a_picture_without_an_embedding(
    run: Any, moody: Any, film: Any, portrait: Any, tmp_path: Path, capsys: Any
) -> None:
    import av

    world = moody("zeros")
    path = tmp_path / "dim.png"
    frame = av.VideoFrame.from_ndarray(dim(portrait(1)), "bgr24").reformat(format="rgb24")
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "rgb24"
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    assert run("enrol", "anna", path, "--config", world.site, "--consent", "yes") == 2
    assert "makes nothing of a face" in capsys.readouterr().err
    assert not (world.folder / "state").exists()


def test_a_model_that_fails_while_running_is_no_bad_input(
    run: Any, moody: Any, film: Any, portrait: Any, tmp_path: Path, capsys: Any
) -> None:
    world = moody("fails on the dim")
    path = film(tmp_path / "dim.mp4", [dim(portrait(1))] * 30)
    assert run("replay", path, "--config", world.site) == 1
    error = capsys.readouterr().err
    assert "failed while running" in error
    assert "Traceback" not in error


def test_a_model_that_does_not_run_at_all_makes_no_bundle(
    run: Any, tmp_path: Path, capsys: Any
) -> None:
    model, out = moody_model(tmp_path / "moody.onnx", "fails on all"), tmp_path / "out"
    assert run("bundle", "new", model, "--template", "arcface-rgb", "--out", out) == 2
    assert "does not run here" in capsys.readouterr().err
    assert not out.exists()
