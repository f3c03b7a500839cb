"""A classifier of clips, behind a runner that computes with a plain function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge.errors import DecoderMismatchError
from edge.manifest import Manifest
from edge.runner.base import Signature, Tensor, TensorSpec
from edge.runner.fake import FakeRunner
from edge.vision.behaviour import ClipClassifier
from edge.vision.clips import DueClip

if TYPE_CHECKING:
    from tests.vision.conftest import MakeManifest

LABELS = ["walk", "run", "fall"]


@pytest.fixture
def manifest(make_manifest: MakeManifest) -> Manifest:
    return make_manifest("clip-classifier", ["logits"], labels=LABELS)


def runner_of(function: Callable[[Tensor], Tensor], **options: Any) -> FakeRunner:
    signature = Signature(
        (TensorSpec("input", (None, 16, 3, 48, 48), np.dtype(np.float32)),),
        (TensorSpec("logits", (None, 3), np.dtype(np.float32)),),
    )
    runner = FakeRunner(signature, lambda feeds: {"logits": function(feeds["input"])}, **options)
    runner.load()
    return runner


def clip(track_id: int, shade: tuple[int, int, int] = (0, 0, 0)) -> DueClip:
    return DueClip(track_id, np.tile(np.asarray(shade, np.uint8), (16, 48, 48, 1)))


def test_the_likeliest_label_and_its_probability_come_back(manifest: Manifest) -> None:
    logits = np.asarray([[0, 2, 1], [5, 0, 0]], np.float32)
    classifier = ClipClassifier(runner_of(lambda batch: logits[: len(batch)]), manifest)
    first, second = classifier.classify([clip(7), clip(9)])
    assert first is not None
    assert second is not None
    assert (first.track_id, first.label) == (7, "run")
    assert first.confidence == pytest.approx(np.exp(2) / (1 + np.exp(2) + np.exp(1)))
    assert (second.track_id, second.label) == (9, "walk")
    assert classifier.classify([]) == []


def test_the_input_is_what_the_manifest_says(manifest: Manifest) -> None:
    seen: list[Tensor] = []

    def look(batch: Tensor) -> Tensor:
        seen.append(batch)
        return np.zeros((len(batch), 3), np.float32)

    ClipClassifier(runner_of(look), manifest).classify([clip(1, (255, 0, 127))])
    assert seen[0].shape == (1, 16, 3, 48, 48)
    red, green, blue = (float(seen[0][0, 3, plane, 5, 5]) for plane in range(3))
    assert (red, green, blue) == pytest.approx((127 / 127.5 - 1, -1, 1))


def test_many_clips_go_in_batches_of_the_models_largest(manifest: Manifest) -> None:
    runner = runner_of(lambda batch: np.zeros((len(batch), 3), np.float32), max_batch=8)
    assert len(ClipClassifier(runner, manifest).classify([clip(i) for i in range(19)])) == 19
    assert runner.batches == [8, 8, 3]


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_clip_without_finite_logits_has_no_verdict(manifest: Manifest, odd: float) -> None:
    logits = np.asarray([[0, odd, 1], [0, 9, 0]], np.float32)
    first, second = ClipClassifier(runner_of(lambda _: logits), manifest).classify(
        [clip(1), clip(2)]
    )
    assert first is None
    assert second is not None
    assert second.label == "run"


@pytest.mark.parametrize(
    "output",
    [
        np.zeros((1, 4), np.float32),
        np.zeros((1, 3, 1), np.float32),
        np.zeros((1, 3), np.int64),
        np.zeros((2, 3), np.float32),
    ],
)
def test_an_output_that_is_not_one_logit_a_label_is_refused(
    manifest: Manifest, output: Tensor
) -> None:
    classifier = ClipClassifier(runner_of(lambda _: output), manifest)
    with pytest.raises(DecoderMismatchError, match="does not fit decoder 'clip_logits'") as caught:
        classifier.classify([clip(1)])
    assert "walk, run, fall" in str(caught.value)


def test_a_classifier_of_single_pictures_is_refused(make_manifest: MakeManifest) -> None:
    pictures = make_manifest("frame-classifier", ["logits"], labels=LABELS)
    runner = runner_of(lambda batch: batch)
    with pytest.raises(DecoderMismatchError, match="does not classify clips"):
        ClipClassifier(runner, pictures)
