"""``edgewarden demo``: what it may replace, what it reads, and when it has failed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge.demo.folder import begin_anew
from tests.small_world import recogniser_model

Demo = Callable[..., int]


def centred(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with 127.5 taken from its input, for a template that takes pixels as they are."""
    model.graph.node[0].input[0] = "centred"
    model.graph.node.insert(0, helper.make_node("Sub", ["data", "grey"], ["centred"]))
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(127.5, np.float32), "grey"))
    return model


@pytest.fixture
def demo(run: Any, models: Path, clip: Any, tmp_path: Path) -> Demo:
    """Runs the demo on two people with two clips each: ``demo(out, table)``."""
    clips, folder = tmp_path / "clips", tmp_path / "models"
    clips.mkdir()
    folder.mkdir()
    shutil.copy(models / "detector.onnx", folder / "yunet_n_dynamic.onnx")
    reid = centred(onnx.load_from_string(recogniser_model(side=128)))
    onnx.save(reid, folder / "face-reidentification-retail-0095.onnx")
    for name, person in (("a-1", 1), ("a-2", 1), ("b-1", 2), ("b-2", 2)):
        shutil.move(clip(person, name=name), clips)

    def act(out: Path, table: bytes | None = None) -> int:
        right = b"file,person\na-1.mp4,a\na-2.mp4,a\nb-1.mp4,b\nb-2.mp4,b\n"
        (clips / "clips.csv").write_bytes(right if table is None else table)
        return int(run("demo", folder, clips, "--unsigned", "--out", out))

    return act


def test_a_demo_succeeds_twice_in_the_same_place(demo: Demo, tmp_path: Path) -> None:
    assert demo(tmp_path / "out") == 0
    (tmp_path / "out" / "yunet_n_dynamic" / "left").touch()
    assert demo(tmp_path / "out") == 0
    assert not (tmp_path / "out" / "yunet_n_dynamic" / "left").exists()


def test_the_other_demo_may_take_its_place(demo: Demo, tmp_path: Path) -> None:
    """Both go to the same folder unless they are told another."""
    assert demo(tmp_path / "out") == 0
    begin_anew(tmp_path / "out")
    assert not (tmp_path / "out" / "yunet_n_dynamic").exists()


def test_a_wrong_identity_is_a_failure(demo: Demo, tmp_path: Path, capsys: Any) -> None:
    swapped = b"file,person\na-1.mp4,a\nb-1.mp4,b\na-2.mp4,b\nb-2.mp4,a\n"
    assert demo(tmp_path / "out", swapped) == 1
    told = capsys.readouterr()
    assert "WRONG" in told.out
    assert "not every identity is right" in told.err


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_no_demo_made_is_never_replaced(
    demo: Demo, tmp_path: Path, capsys: Any, kind: str
) -> None:
    place, mine = tmp_path / "out" / "yunet_n_dynamic", tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    place.parent.mkdir()
    if kind == "folder":
        mine.rename(place)
    elif kind == "file":
        (mine / "thesis.txt").rename(place)
    else:
        place.symlink_to(mine)
    assert demo(tmp_path / "out") == 2
    assert "no demo made it" in capsys.readouterr().err
    kept = place if kind == "file" else place / "thesis.txt"
    assert kept.read_text() == "years of work"


@pytest.mark.parametrize(
    "table",
    [
        b"",
        b"file,person\na-1.mp4\n",
        b"file,person\na-1.mp4,\n",
        b"clip,who\na-1.mp4,a\nb-1.mp4,b\n",
        b"file,person\na-1.mp4,\xff\n",
        b"file,person\na-1.mp4,a,,\n",
    ],
    ids=["empty", "short row", "nobody", "other headings", "no text", "one person"],
)
def test_a_list_that_names_nobody_is_refused(
    demo: Demo, tmp_path: Path, capsys: Any, table: bytes
) -> None:
    assert demo(tmp_path / "out", table) == 2
    assert "clips.csv" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_refused(demo: Demo, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").touch()
    assert demo(tmp_path / "file" / "out") == 2
    assert demo(tmp_path / ("x" * 300)) == 2
    assert "Traceback" not in capsys.readouterr().err
