from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calibration.detection import Boxes
from edge.manifest import Manifest
from edge.runner.base import Runner, Signature, Tensor, TensorSpec
from edge.types import ByteImage
from export.gate import Gate
from tests.export.gate.samples import PictureSamples

Answering = Callable[..., Runner]
MakeManifest = Callable[..., Manifest]
Numbered = Callable[..., list[ByteImage]]
FACES = 4
WIDTH, HEIGHT = 320, 240


def answer(
    score: Callable[[int, int], float], shift: float = 0.0, extra: float = 0.0
) -> Callable[[Tensor], Any]:
    """UltraFace outputs: four faces 40 pixels wide, ``score(picture, face)`` each,
    ``shift`` pixels off in every other picture; a fifth box with score ``extra`` is no face.
    """

    def run(pictures: Tensor) -> Any:
        # UltraFace's (x - 127) / 128 undone.
        corner = np.rint(np.asarray(pictures, np.float64)[:, 1:, 0, 0] * 128 + 127)
        index = (corner[:, 1] * 256 + corner[:, 0]).astype(np.int64)
        out = np.zeros((len(index), FACES + 1, 6), np.float32)
        for row, number in enumerate(index):
            for face in range(FACES):
                left = 20 + 70 * face + shift * (number % 2)
                box = [left / WIDTH, 50 / HEIGHT, (left + 40) / WIDTH, 100 / HEIGHT]
                confidence = score(int(number), face)
                out[row, face] = [1 - confidence, confidence, *box]
            away = [100 / WIDTH, 180 / HEIGHT, 140 / WIDTH, 220 / HEIGHT]
            out[row, FACES] = [1 - extra, extra, *away]
        return out

    return run


class Ultraface(Runner):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self._function = function

    def _load(self) -> Signature:
        single = np.dtype(np.float32)
        return Signature(
            (TensorSpec("input", (None, 3, 240, 320), single),),
            (
                TensorSpec("scores", (None, None, 2), single),
                TensorSpec("boxes", (None, None, 4), single),
            ),
        )

    def _infer(self, feeds: Any) -> dict[str, Tensor]:
        both = self._function(feeds["input"])
        return {"scores": both[..., :2], "boxes": both[..., 2:]}

    def _close(self) -> None: ...


def model(score: Callable[[int, int], float], shift: float = 0.0, extra: float = 0.0) -> Runner:
    runner = Ultraface(answer(score, shift, extra))
    runner.load()
    return runner


def sure(picture: int, face: int) -> float:
    return 0.99 - (picture + face) % 7 / 100


@pytest.fixture
def manifest(manifest_of: MakeManifest) -> Manifest:
    return manifest_of("ultraface", outputs=["scores", "boxes"])


@pytest.fixture
def gate(manifest: Manifest, numbered: Numbered) -> Callable[..., Gate]:
    def make(count: int = 160, groups: list[int] | None = None, **more: Any) -> Gate:
        samples = PictureSamples(manifest, numbered(count, (WIDTH, HEIGHT)), groups)
        return Gate(manifest, model(sure), samples, **more)

    return make


def known(count: int) -> list[Boxes]:
    left = 20 + 70 * np.arange(FACES, dtype=np.float32)
    boxes = np.stack([left, np.full(4, 50, "f"), left + 40, np.full(4, 100, "f")], axis=1)
    return [Boxes(boxes, np.zeros(FACES, np.int64))] * count


def test_the_same_detections_agree(gate: Callable[..., Gate]) -> None:
    found = gate().judge(model(sure))

    assert found.passed is True
    assert found.kind == "agreement"
    assert found.figures["ap50_agreement"] == 1
    assert found.figures["reference_boxes"] == 640
    assert "agreement" in found.text


def test_agreement_on_few_boxes_is_not_resolvable(gate: Callable[..., Gate]) -> None:
    """400 boxes, half of them moved as far as they may: 3 in 400 may be lost, more than half a
    point.
    """
    found = gate(100).judge(model(sure, shift=12))

    assert found.passed is None
    assert found.figures["ap50_agreement"] == 1
    assert found.bounds[0].needed == 150  # pictures of four faces each


def test_few_boxes_resolve_what_is_nearly_exact(gate: Callable[..., Gate]) -> None:
    """As of FP16: no box is anywhere near to being another."""
    assert gate(12).judge(model(lambda n, face: sure(n, face) + 1e-4)).passed is True


def test_faces_that_are_lost_fail(gate: Callable[..., Gate]) -> None:
    found = gate().judge(model(lambda n, face: 0.0 if n % 10 == 0 else sure(n, face)))

    assert found.passed is False
    assert found.figures["ap50_agreement"] == pytest.approx(0.9, abs=0.01)


def test_boxes_that_move_too_far_fail(gate: Callable[..., Gate]) -> None:
    assert gate().judge(model(sure, shift=5)).passed is True
    assert gate().judge(model(sure, shift=16)).passed is False


def test_false_faces_fail_where_they_rank_high(gate: Callable[..., Gate]) -> None:
    found = gate().judge(model(sure, extra=0.98))

    assert found.passed is False
    assert found.figures["ap50_agreement"] < 0.95


def test_scores_that_sink_alike_fail_though_the_ranking_stays(gate: Callable[..., Gate]) -> None:
    """All faces are still found best, but the camera would report none of them."""
    found = gate().judge(model(lambda n, face: sure(n, face) - 0.45))

    assert found.figures["ap50_agreement"] == 1
    assert found.figures["reported"] == 0
    assert found.passed is False
    assert "score shift 0.45 > 0.02" in found.text


def test_what_the_reference_holds_possible_may_be_found(
    manifest: Manifest, numbered: Numbered
) -> None:
    """A face at 0.65 is below the detector's own 0.7: neither demanded nor forbidden."""

    def doubtful(picture: int, face: int) -> float:
        return 0.65 if face == 0 else sure(picture, face)

    samples = PictureSamples(manifest, numbered(220, (WIDTH, HEIGHT)))
    gate = Gate(manifest, model(doubtful), samples)

    bolder = gate.judge(model(lambda n, face: 0.75 if face == 0 else sure(n, face)))
    shyer = gate.judge(model(lambda n, face: 0.0 if face == 0 else sure(n, face)))

    assert bolder.passed is True
    assert shyer.passed is True


def test_against_known_boxes_the_loss_counts(gate: Callable[..., Gate]) -> None:
    strict = gate(160, truth=known(160))

    same = strict.judge(model(sure))
    worse = strict.judge(model(lambda n, face: 0.0 if n % 20 == 0 else sure(n, face)))

    assert same.kind == "accuracy"
    assert same.passed is True
    assert same.figures["ap50"] == same.figures["ap50_reference"] == 1
    assert worse.passed is False
    assert worse.figures["ap50"] == pytest.approx(0.95, abs=0.01)
    assert "accuracy" in worse.text


def test_a_variant_may_be_better_than_its_reference(manifest: Manifest, numbered: Numbered) -> None:
    """The reference misses every fifth picture's last face; the variant finds it."""
    samples = PictureSamples(manifest, numbered(160, (WIDTH, HEIGHT)))
    misses = model(lambda n, face: 0.0 if n % 5 == 0 and face == 3 else sure(n, face))
    gate = Gate(manifest, misses, samples, truth=known(160))

    found = gate.judge(model(sure))

    assert found.figures["ap50"] > found.figures["ap50_reference"]
    assert found.bounds[0].passed is True


def test_pictures_without_faces_resolve_nothing(manifest: Manifest, numbered: Numbered) -> None:
    samples = PictureSamples(manifest, numbered(20, (WIDTH, HEIGHT)))
    blind = model(lambda n, face: 0.0)

    found = Gate(manifest, blind, samples).judge(blind)

    assert found.passed is None
    assert found.figures["reference_boxes"] == 0


def test_scores_that_are_none_fail_by_name(gate: Callable[..., Gate]) -> None:
    found = gate().judge(model(lambda n, face: 3.0))

    assert found.passed is False
    assert "scores do not fit decoder 'ultraface'" in found.text


def test_frames_of_one_clip_widen_the_bound(gate: Callable[..., Gate]) -> None:
    groups = [index // 20 for index in range(160)]

    def one_bad_clip(number: int, face: int) -> float:
        return 0.0 if number < 20 and face == 0 else sure(number, face)

    alone = gate(160).judge(model(one_bad_clip)).bounds[0]
    grouped = gate(160, groups=groups).judge(model(one_bad_clip)).bounds[0]

    assert grouped.value == alone.value
    assert grouped.low < alone.low
