"""Faces cut out of pictures for models that take faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from calibration.dataset import open_set
from edge.bundle import Bundle
from edge.errors import DecoderMismatchError, MediaError, UsageError
from edge.manifest import AlignResize, Manifest
from edge.media import read_image, write_image
from edge.vision.crop import align_face, crop_box, expand_box
from tests.calibration.data.models import write
from tests.small_world import FACE, POINTS, SIDE, portrait


@pytest.fixture
def portraits(tmp_path: Path) -> Path:
    """Six people, and a picture too dark for a face to be seen."""
    folder = tmp_path / "people"
    folder.mkdir()
    for person in range(6):
        write_image(folder / f"{person}.png", portrait(person))
    write_image(folder / "dark.png", np.zeros((SIDE, SIDE, 3), np.uint8))
    return folder


def test_faces_are_aligned_as_the_camera_does(
    portraits: Path, recogniser: Manifest, detector: Bundle
) -> None:
    found: list[int] = []
    chosen = open_set([portraits], recogniser, count=20, detector=detector, watch=found.append)
    assert chosen.count == sum(found) == 6
    assert chosen.describe()["files_without_a_usable_picture"] == 1
    spec = recogniser.input
    assert spec is not None
    assert isinstance(spec.resize, AlignResize)
    for index, crop in enumerate(chosen.pictures()):
        picture = read_image(portraits / chosen.group_of(index))
        wanted = align_face(picture, POINTS, spec.resize.template, (112, 112))
        assert np.abs(crop.astype(int) - wanted.astype(int)).max() <= 1


def test_a_box_is_grown_by_the_factor_of_the_model(
    portraits: Path, liveness: Manifest, detector: Bundle
) -> None:
    chosen = open_set([portraits], liveness, count=20, detector=detector)
    assert chosen.count == 6
    for index, crop in enumerate(chosen.pictures()):
        picture = read_image(portraits / chosen.group_of(index))
        wanted = crop_box(picture, expand_box(FACE, 2.7), (80, 80))
        assert np.abs(crop.astype(int) - wanted.astype(int)).max() <= 1


def test_blurred_faces_are_left_out(tmp_path: Path, recogniser: Manifest, detector: Bundle) -> None:
    for person in range(3):
        flat = np.full((SIDE, SIDE, 3), 60 + 40 * person, np.uint8)
        write_image(tmp_path / f"{person}.png", flat)
    with pytest.raises(MediaError, match="3 files without a usable picture"):
        open_set([tmp_path], recogniser, count=20, detector=detector)


def test_faces_that_were_cut_out_before_need_no_detector(
    tmp_path: Path, recogniser: Manifest, scene: Callable[..., np.ndarray]
) -> None:
    for number in range(3):
        write_image(tmp_path / f"{number}.png", scene(number, size=(112, 112)))
    chosen = open_set([tmp_path], recogniser, count=3)
    for index, crop in enumerate(chosen.pictures()):
        assert np.array_equal(crop, read_image(tmp_path / chosen.group_of(index)))


def test_whole_pictures_without_a_detector_are_refused(
    portraits: Path, recogniser: Manifest
) -> None:
    with pytest.raises(UsageError, match="nothing finds them") as caught:
        open_set([portraits], recogniser, count=3)
    assert "112 × 112" in str(caught.value)
    assert "320 × 320" in str(caught.value)
    assert "--detector BUNDLE" in str(caught.value)


def test_a_detector_without_landmarks_cannot_align(
    portraits: Path, recogniser: Manifest, tmp_path: Path, bundle: Callable[..., Bundle]
) -> None:
    """Its one box covers the middle of the picture."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["m"]),
        helper.make_node("Mul", ["m", "zero"], ["none"]),
        helper.make_node("Add", ["none", "s"], ["scores"]),
        helper.make_node("Add", ["none", "b"], ["boxes"]),
    ]
    model = write(
        tmp_path / "bare.onnx",
        nodes,
        {"input": [1, 3, 240, 320]},
        {"scores": [1, 1, 2], "boxes": [1, 1, 4]},
        {
            "column": np.asarray([1, 1, 1]),
            "zero": np.float32(0),
            "s": np.asarray([[[0.1, 0.9]]], np.float32),
            "b": np.asarray([[[0.3, 0.3, 0.7, 0.7]]], np.float32),
        },
    )
    bare = bundle(model, "ultraface")
    with pytest.raises(UsageError, match="gives no landmarks"):
        open_set([portraits], recogniser, count=3, detector=bare)


def test_a_bundle_that_is_no_detector_is_refused(
    portraits: Path, recogniser: Manifest, detector: Bundle, bundle: Callable[..., Bundle]
) -> None:
    other = bundle(Path(detector.path).parent / "recogniser.onnx", "arcface-rgb")
    with pytest.raises(DecoderMismatchError, match="is no detector"):
        open_set([portraits], recogniser, count=3, detector=other)


def test_real_clips_give_faces_of_all_of_them(
    assets: Path, recogniser: Manifest, tmp_path: Path, bundle: Callable[..., Bundle]
) -> None:
    link = tmp_path / "yunet.onnx"
    link.write_bytes((assets / "models" / "yunet_n_dynamic.onnx").read_bytes())
    clips = sorted((assets / "videos").glob("asl_*.mkv"))[:3]
    chosen = open_set(clips, recogniser, count=24, detector=bundle(link, "yunet"))
    assert chosen.count == 24
    assert {chosen.group_of(index) for index in range(24)} == {clip.name for clip in clips}
    # A face fills its crop: skin in the middle is never black, as it is outside of a picture.
    assert all(crop[40:90, 40:70].mean() > 40 for crop in chosen.pictures())
