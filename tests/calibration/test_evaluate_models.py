"""``evaluate detection``, ``classification`` and ``image``, where the truth is known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.cli import main
from edge.media import write_image
from tests.calibration.conftest import PLACES, group_picture

Run = Callable[..., Any]


def run(*words: object) -> int:
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:  # argparse
        return int(stop.code or 0)


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Run:
    def ask(*words: object) -> Any:
        assert run("evaluate", *words, "--json") == 0
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def detector(tmp_path: Path, crowd_models: Path) -> Path:
    """Sees a face at each of PLACES in every bright picture."""
    out = tmp_path / "detector"
    model = crowd_models / "detector.onnx"
    assert run("bundle", "new", model, "--template", "yunet", "--out", out) == 0
    return out


def brightness_model() -> bytes:
    """Logits of dark and bright: the mean of a picture against 127."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["mean", "middle"], ["over"]),
        helper.make_node("Neg", ["over"], ["under"]),
        helper.make_node("Unsqueeze", ["under", "one"], ["a"]),
        helper.make_node("Unsqueeze", ["over", "one"], ["b"]),
        helper.make_node("Concat", ["a", "b"], ["logits"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, 224, 224])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [
            numpy_helper.from_array(np.asarray(0.2, np.float32), "middle"),
            numpy_helper.from_array(np.asarray([1], np.int64), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    model, out = tmp_path / "light.onnx", tmp_path / "light"
    model.write_bytes(brightness_model())
    words = ["--template", "frame-classifier", "--labels", "dark,bright", "--out", out]
    assert run("bundle", "new", model, *words) == 0
    return out


def save(path: Path, picture: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.asarray(picture, np.uint8))
    return path


def boxes_csv(folder: Path, rows: list[str], *, more: str = "") -> Path:
    path = folder / "boxes.csv"
    path.write_text("\n".join([f"file,label,x1,y1,x2,y2{more}", *rows]) + "\n")
    return path


def line(file: str, box: Any, label: str = "face") -> str:
    return ",".join([file, label, *(str(float(side)) for side in box)])


def test_a_detector_that_sees_every_box_has_an_average_precision_of_1(
    tmp_path: Path, detector: Path, answer: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "all.png", group_picture([0] * 6))
    save(tmp_path / "night.png", np.zeros((320, 320, 3)))
    truth = boxes_csv(tmp_path, [line("all.png", box) for box in PLACES] + ["night.png,,,,,"])
    capsys.readouterr()
    found = answer("detection", detector, "--truth", truth)
    assert (found["pictures"], found["boxes"]) == (2, 6)
    assert found["AP50"]["value"] == pytest.approx(1)
    assert found["AP75"]["value"] == pytest.approx(1)


def test_boxes_elsewhere_are_missed_and_half_of_them_is_half(
    tmp_path: Path, detector: Path, answer: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "all.png", group_picture([0] * 6))
    shifted = [(x1 + 60, y1 + 60, x2 + 60, y2 + 60) for x1, y1, x2, y2 in PLACES]
    truth = boxes_csv(tmp_path, [line("all.png", box) for box in shifted])
    capsys.readouterr()
    assert answer("detection", detector, "--truth", truth)["AP50"]["value"] == 0
    half = [line("all.png", box) for box in (*PLACES[:3], *shifted[3:])]
    truth.write_text("\n".join(["file,label,x1,y1,x2,y2", *half]))
    found = answer("detection", detector, "--truth", truth)
    # Equal scores enter together: 3 of 6 boxes at a precision of a half.
    assert found["AP50"]["value"] == pytest.approx(0.25)
    assert found["recall at 0.6"]["value"] == pytest.approx(0.5)


def test_what_need_not_be_found_counts_neither_way(
    tmp_path: Path, detector: Path, answer: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "all.png", group_picture([0] * 6))
    rows = [line("all.png", box) + f",{int(i > 0)}" for i, box in enumerate(PLACES)]
    truth = boxes_csv(tmp_path, rows, more=",ignored")
    capsys.readouterr()
    assert answer("detection", detector, "--truth", truth)["AP50"]["value"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["all.png,dog,1,1,9,9"], "a label that the detector does not know; expected face"),
        (["all.png,face,9,1,1,9"], "holds no box"),
        (["all.png,face,a,1,2,9"], "holds no box"),
        (["all.png,face,1,1,2,nan"], "holds no box"),
        ([",face,1,1,2,2"], "names no picture"),
        ([], "names no picture"),
        (["all.png,face"], "does not fit the headings"),
        (["absent.png,face,1,1,9,9"], "absent.png"),
    ],
)
def test_bad_lists_of_boxes(
    tmp_path: Path,
    detector: Path,
    rows: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(tmp_path / "all.png", group_picture([0] * 6))
    report = tmp_path / "report.html"
    words = ["--truth", boxes_csv(tmp_path, rows), "--report", report]
    assert run("evaluate", "detection", detector, *words) == 2
    assert said in capsys.readouterr().err
    assert not report.exists()


def test_a_classifier_is_no_detector(
    tmp_path: Path, classifier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = boxes_csv(tmp_path, ["all.png,,,,,"])
    assert run("evaluate", "detection", classifier, "--truth", truth) == 2
    assert "is no detector" in capsys.readouterr().err


def test_a_classifier_over_labelled_folders(
    tmp_path: Path, classifier: Path, answer: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, (label, level) in enumerate(
        [("dark", 10), ("dark", 40), ("dark", 250), ("bright", 250), ("bright", 200)]
    ):
        save(tmp_path / "set" / label / f"{number}.png", np.full((64, 64, 3), level))
    report = tmp_path / "report.html"
    capsys.readouterr()
    found = answer("classification", classifier, tmp_path / "set", "--report", report)
    assert found["pictures"] == 5
    assert found["accuracy"]["value"] == pytest.approx(0.8)
    assert found["confusion"] == [[2, 1], [0, 2]]
    dark, bright = found["labels"]
    assert (dark["precision"], dark["recall"]) == (1.0, pytest.approx(2 / 3))
    assert (bright["precision"], bright["recall"]) == (pytest.approx(2 / 3), 1.0)
    assert found["macro_f1"]["value"] == pytest.approx(0.8)
    text = report.read_text()
    assert "accuracy 0.800 over 5 pictures" in text
    assert "<svg" in text


def test_a_folder_of_no_label_is_not_left_out_in_silence(
    tmp_path: Path, classifier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("dark", "dim"):
        save(tmp_path / "set" / label / "1.png", np.full((64, 64, 3), 9))
    assert run("evaluate", "classification", classifier, tmp_path / "set") == 2
    error = capsys.readouterr().err
    assert "expected only folders named dark, bright; found dim." in error


def test_a_folder_without_labels_and_a_detector_in_a_classifiers_place(
    tmp_path: Path, classifier: Path, detector: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "set" / "cat" / "1.png", np.full((64, 64, 3), 9))
    assert run("evaluate", "classification", classifier, tmp_path / "set") == 2
    assert "no folder of labelled pictures; expected a folder in it for each of dark, bright" in (
        capsys.readouterr().err
    )
    assert run("evaluate", "classification", detector, tmp_path / "set") == 2
    assert "is no classifier" in capsys.readouterr().err


def test_the_page_of_a_detector_shows_its_pictures(tmp_path: Path, detector: Path) -> None:
    save(tmp_path / "all.png", group_picture([0] * 6))
    truth = boxes_csv(tmp_path, [line("all.png", box) for box in PLACES])
    report = tmp_path / "report.html"
    words = ["evaluate", "detection", detector, "--truth", truth, "--report", report]
    assert run(*words) == 0
    text = report.read_text()
    assert "AP50 1.000" in text
    assert 'alt="all.png"' in text
    assert run(*words) == 2  # what is there is not replaced


def test_pictures_that_differ_by_a_known_amount(tmp_path: Path, answer: Run) -> None:
    picture = np.tile(np.arange(64, dtype=np.uint8), (64, 1))[..., None].repeat(3, axis=2)
    for folder, added in (("first", 0), ("second", 10)):
        save(tmp_path / folder / "a.png", picture + added)
        save(tmp_path / folder / "b.png", picture)
    report = tmp_path / "report.html"
    found = answer("image", tmp_path / "first", tmp_path / "second", "--report", report)
    text = report.read_text()
    assert 'alt="a.png: should be"' in text
    assert "over 2 pictures" in text
    assert found["pictures"]["a.png"]["mse"] == pytest.approx(100)
    assert found["pictures"]["a.png"]["psnr"] == pytest.approx(10 * math.log10(255**2 / 100))
    assert found["pictures"]["b.png"] == {"mse": 0, "psnr": None, "ssim": pytest.approx(1)}
    assert found["mean"]["mse"]["value"] == pytest.approx(50)
    blurred = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), (7, 7), 2
    )
    save(tmp_path / "noise.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    save(tmp_path / "blurred.png", blurred)
    worse = answer("image", tmp_path / "noise.png", tmp_path / "blurred.png")
    assert worse["pictures"]["blurred.png"]["ssim"] < 0.5


def test_pictures_without_counterpart_or_of_another_size_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "first" / "a.png", np.zeros((16, 16, 3)))
    save(tmp_path / "second" / "b.png", np.zeros((16, 16, 3)))
    (tmp_path / "empty").mkdir()
    for other, said in (
        ("second", "without a counterpart: a.png, b.png"),
        ("empty", "without a counterpart: a.png"),
        ("absent", "is no folder"),
    ):
        assert run("evaluate", "image", tmp_path / "first", tmp_path / other) == 2
        assert said in capsys.readouterr().err
    assert run("evaluate", "image", tmp_path / "empty", tmp_path / "empty") == 2
    assert "no image" in capsys.readouterr().err
    save(tmp_path / "second" / "a.png", np.zeros((16, 12, 3)))
    words = [tmp_path / "first" / "a.png", tmp_path / "second" / "a.png"]
    assert run("evaluate", "image", *words) == 2
    assert "found 16 × 16 and 12 × 16" in capsys.readouterr().err
