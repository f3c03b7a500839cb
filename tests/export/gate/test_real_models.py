"""The gate on real models and clips: what is nearly exact passes, what is broken does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import av
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge.manifest import Manifest
from edge.runner.base import Runner
from edge.runner.onnxruntime import OnnxRuntimeRunner, SessionSettings
from edge.types import ByteImage
from export.gate import Gate
from tests.export.gate.samples import PictureSamples

MakeManifest = Callable[..., Manifest]
Load = Callable[[bytes], Runner]
CLIPS = ("asl_again.mkv", "asl_bird.mkv", "asl_book.mkv", "asl_please.mkv", "asl_sorry.mkv")


@pytest.fixture(scope="module")
def frames(assets: Path) -> tuple[list[ByteImage], list[str]]:
    """Every tenth frame of a few clips, and the clip that each is from."""
    found: list[ByteImage] = []
    clips: list[str] = []
    for clip in CLIPS:
        with av.open(str(assets / "videos" / clip)) as container:
            for place, frame in enumerate(container.decode(video=0)):
                if place % 10 == 0:
                    picture = frame.to_ndarray(format="bgr24")
                    found.append(np.ascontiguousarray(picture, np.uint8))
                    clips.append(clip)
    return found, clips


@pytest.fixture
def load() -> Iterator[Load]:
    with ExitStack() as stack:
        settings = SessionSettings(threads=1)
        yield lambda data: stack.enter_context(OnnxRuntimeRunner(data, settings=settings))


def rounded(data: bytes, steps: int) -> bytes:
    """The model with each weight rounded to ``steps`` levels either side of zero, per channel."""
    model = onnx.load_from_string(data)
    for held in model.graph.initializer:
        weights = numpy_helper.to_array(held)
        if weights.ndim < 2 or weights.dtype != np.float32:
            continue
        peaks = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
        scale = np.where(peaks > 0, peaks, 1) / steps
        again = (np.rint(weights / scale) * scale).astype(np.float32)
        held.CopyFrom(numpy_helper.from_array(again, held.name))
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("steps", "passed"),
    [(2**15, True), (3, False)],
    ids=["16 bits", "3 bits"],
)
def test_yunet_s_detections_are_judged(
    assets: Path,
    frames: tuple[list[ByteImage], list[str]],
    manifest_of: MakeManifest,
    load: Load,
    steps: int,
    passed: bool,
) -> None:
    data = (assets / "models" / "yunet_n_dynamic.onnx").read_bytes()
    reference = load(data)
    names = [spec.name for spec in reference.signature.outputs]
    manifest = manifest_of("yunet", outputs=names)
    gate = Gate(manifest, reference, PictureSamples(manifest, frames[0], frames[1]))

    found = gate.judge(load(rounded(data, steps)))

    assert found.kind == "agreement"
    assert found.figures["reference_boxes"] >= 20
    assert found.passed is passed


@pytest.mark.parametrize(
    ("steps", "passed"),
    [(2**15, True), (7, False)],
    ids=["16 bits", "4 bits"],
)
def test_the_recogniser_s_embeddings_are_judged(
    assets: Path,
    frames: tuple[list[ByteImage], list[str]],
    manifest_of: MakeManifest,
    load: Load,
    steps: int,
    passed: bool,
) -> None:
    data = (assets / "models" / "face-reidentification-retail-0095.onnx").read_bytes()
    reference = load(data)
    spec = manifest_of("reid-0095", outputs=["embedding"]).input
    assert spec is not None
    values = {**spec.model_dump(mode="json"), "name": "data", "shape": [1, 3, 128, 128]}
    manifest = manifest_of("reid-0095", outputs=["embedding"], input=values)
    crops = [np.ascontiguousarray(frame[100:228, 250:378]) for frame in frames[0]]
    gate = Gate(manifest, reference, PictureSamples(manifest, crops, frames[1]))

    found = gate.judge(load(rounded(data, steps)))

    assert found.passed is passed
    assert found.groups == len(set(frames[1]))
