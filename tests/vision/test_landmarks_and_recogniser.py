"""Landmark finder and recogniser around models whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.errors import DecoderMismatchError, InferenceError
from edge.manifest import embedding_space
from edge.runner.base import Signature, Tensor, TensorSpec
from edge.runner.fake import FakeRunner
from edge.types import Detections
from edge.vision.landmarks import LandmarkFinder
from edge.vision.recogniser import Recogniser

if TYPE_CHECKING:
    from tests.vision.conftest import MakeManifest

Answer = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
FACE = [0.3, 0.35, 0.7, 0.35, 0.5, 0.6, 0.35, 0.8, 0.65, 0.8]
PICTURE = np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)


def fake(answer: Answer) -> FakeRunner:
    spec = TensorSpec("input", (None, 3, None, None), np.dtype(np.float32))
    runner = FakeRunner(Signature((spec,), ()), answer)
    runner.load()
    return runner


def always(row: object, name: str = "out") -> Answer:
    """One and the same row for each picture of the batch."""

    def answer(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: np.stack([np.asarray(row, np.float32)] * len(feeds["input"]))}

    return answer


def faces(*boxes: list[float]) -> Detections:
    n = len(boxes)
    return Detections(
        np.asarray(boxes, np.float32).reshape(n, 4),
        np.linspace(0.9, 0.5, n, dtype=np.float32),
        np.zeros(n, np.int64),
    )


@pytest.mark.parametrize("shape", [(10,), (10, 1, 1), (5, 2)])
def test_landmarks_are_fractions_of_the_box(
    make_manifest: MakeManifest, shape: tuple[int, ...]
) -> None:
    runner = fake(always(np.reshape(FACE, shape)))
    finder = LandmarkFinder(runner, make_manifest("landmarks-0009", ["out"]))
    given = faces([100, 50, 200, 150], [0, 0, 40, 80])
    found = finder.add(PICTURE, given)
    assert runner.batches == [2]
    assert found.landmarks is not None
    assert found.landmarks.dtype == np.float32
    # 100 + 0.3 · 100 = 130, 50 + 0.35 · 100 = 85; 0.3 · 40 = 12, 0.35 · 80 = 28.
    np.testing.assert_allclose(
        found.landmarks[0], [[130, 85], [170, 85], [150, 110], [135, 130], [165, 130]], atol=1e-4
    )
    np.testing.assert_allclose(
        found.landmarks[1], [[12, 28], [28, 28], [20, 48], [14, 64], [26, 64]], atol=1e-4
    )
    np.testing.assert_array_equal(found.boxes, given.boxes)
    np.testing.assert_array_equal(found.scores, given.scores)


def test_a_factor_widens_the_crop_and_the_way_back(make_manifest: MakeManifest) -> None:
    manifest = make_manifest("landmarks-0009", ["out"], resize={"mode": "crop", "factor": 2.0})
    found = LandmarkFinder(fake(always(FACE)), manifest).add(PICTURE, faces([100, 50, 200, 150]))
    assert found.landmarks is not None
    # The crop is (50, 0) to (250, 200).
    np.testing.assert_allclose(found.landmarks[0, 0], [50 + 0.3 * 200, 0.35 * 200], atol=1e-4)


def test_the_model_sees_each_box_cut_out_and_stretched(make_manifest: MakeManifest) -> None:
    seen: list[Tensor] = []

    def answer(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        seen.append(feeds["input"])
        return always(FACE)(feeds)

    finder = LandmarkFinder(fake(answer), make_manifest("landmarks-0009", ["out"]))
    finder.add(PICTURE, faces([10, 20, 58, 68]))
    np.testing.assert_array_equal(seen[0][0], PICTURE[20:68, 10:58].transpose(2, 0, 1))


def test_no_faces_need_no_model(make_manifest: MakeManifest) -> None:
    runner = fake(always(FACE))
    finder = LandmarkFinder(runner, make_manifest("landmarks-0009", ["out"]))
    found = finder.add(PICTURE, Detections.empty())
    assert runner.batches == []
    assert found.landmarks is not None
    assert found.landmarks.shape == (0, 5, 2)
    assert found.landmarks.dtype == np.float32


@pytest.mark.parametrize("row", [FACE[:9], [*FACE, 0.5], [0.5], []])
def test_another_number_of_points_is_a_mismatch(
    make_manifest: MakeManifest, row: list[float]
) -> None:
    finder = LandmarkFinder(fake(always(row)), make_manifest("landmarks-0009", ["out"]))
    with pytest.raises(DecoderMismatchError, match="decoder 'regression'"):
        finder.add(PICTURE, faces([0, 0, 50, 50]))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_points_that_are_no_numbers_are_an_error(make_manifest: MakeManifest, wrong: float) -> None:
    finder = LandmarkFinder(
        fake(always([*FACE[:9], wrong])), make_manifest("landmarks-0009", ["out"])
    )
    with pytest.raises(InferenceError, match="no usable points"):
        finder.add(PICTURE, faces([0, 0, 50, 50]))


@pytest.mark.parametrize("family", ["yunet", "reid-0095"])
def test_only_a_landmark_bundle_finds_landmarks(make_manifest: MakeManifest, family: str) -> None:
    with pytest.raises(DecoderMismatchError, match="gives no landmarks"):
        LandmarkFinder(fake(always(FACE)), make_manifest(family, ["out"]))


def channel_means(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A tiny embedding: the mean of each channel, as ``[N, 3, 1, 1]``."""
    return {"out": np.asarray(feeds["input"], np.float32).mean(axis=(2, 3), keepdims=True)}


def test_embeddings_are_unit_vectors_of_the_models_space(make_manifest: MakeManifest) -> None:
    manifest = make_manifest("reid-0095", ["out"])
    runner = fake(channel_means)
    recogniser = Recogniser(runner, manifest)
    crops = [np.full((128, 128, 3), color, np.uint8) for color in ((3, 0, 4), (0, 5, 0))]
    found = recogniser.embed(crops)
    assert runner.batches == [2]
    assert [embedding.vector.tolist() for embedding in found] == [
        pytest.approx([0.6, 0, 0.8]),
        pytest.approx([0, 1, 0]),
    ]
    assert {embedding.space for embedding in found} == {recogniser.space}
    assert recogniser.space == embedding_space(manifest)
    assert found[0].vector.dtype == np.float32


def test_alignment_uses_the_manifests_template_and_size(make_manifest: MakeManifest) -> None:
    manifest = make_manifest("arcface-rgb", ["out"])
    recogniser = Recogniser(fake(channel_means), manifest)
    template = np.asarray(manifest.input.resize.template)  # type: ignore[union-attr]  # align
    picture = np.zeros((200, 200, 3), np.uint8)
    x, y = np.round(template[2]).astype(int) + 30
    picture[y - 1 : y + 2, x - 1 : x + 2] = 255  # a dot on the nose of a face 30 px off
    crop = recogniser.align(picture, template + 30)
    assert crop.shape == (112, 112, 3)
    spot = np.argwhere(crop[..., 0] > 127).mean(axis=0)[::-1]
    np.testing.assert_allclose(spot, template[2], atol=0.5)
    with pytest.raises(ValueError, match="one place"):
        recogniser.align(picture, np.ones((5, 2)))


def test_the_colour_order_of_the_manifest_reaches_the_model(make_manifest: MakeManifest) -> None:
    blue = [np.full((112, 112, 3), (255, 0, 0), np.uint8)]
    (bgr,) = Recogniser(fake(channel_means), make_manifest("arcface-bgr", ["out"])).embed(blue)
    (rgb,) = Recogniser(fake(channel_means), make_manifest("arcface-rgb", ["out"])).embed(blue)
    # (x − 127.5) / 127.5 makes 255 to 1 and 0 to −1.
    third = 1 / np.sqrt(3)
    assert bgr.vector.tolist() == pytest.approx([third, -third, -third])
    assert rgb.vector.tolist() == pytest.approx([-third, -third, third])


def test_no_crops_need_no_model(make_manifest: MakeManifest) -> None:
    runner = fake(channel_means)
    assert Recogniser(runner, make_manifest("reid-0095", ["out"])).embed([]) == []
    assert runner.batches == []


@pytest.mark.parametrize("row", [[0.0, 0, 0], [1, np.nan, 0], [1, np.inf, 0], [3e38, 3e38, 3e38]])
def test_a_vector_that_has_no_direction_is_an_error(
    make_manifest: MakeManifest, row: list[float]
) -> None:
    recogniser = Recogniser(fake(always(row)), make_manifest("reid-0095", ["out"]))
    with pytest.raises(InferenceError, match="no usable vector"):
        recogniser.embed([np.zeros((128, 128, 3), np.uint8)])


def test_one_vector_that_has_no_direction_leaves_the_others(make_manifest: MakeManifest) -> None:
    recogniser = Recogniser(fake(channel_means), make_manifest("reid-0095", ["out"]))
    crops = [np.full((128, 128, 3), color, np.uint8) for color in ((3, 0, 4), (0, 0, 0))]
    first, second = recogniser.embed_usable(crops)
    assert first is not None
    assert first.vector.tolist() == [pytest.approx(one) for one in (0.6, 0, 0.8)]
    assert second is None


@pytest.mark.parametrize(
    "output",
    [
        np.zeros((1, 1)),
        np.zeros((1, 0)),
        np.ones((2, 256)),
        np.ones(256),
        np.ones(()),
        np.ones((1, 3549, 85)),
        np.ones((1, 256, 1)),
        np.ones((1, 1, 1, 256)),
        np.ones((1, 16, 4, 4)),
        np.ones((1, 256, 1, 1, 1)),
    ],
)
def test_an_output_that_is_not_one_vector_a_face_is_a_mismatch(
    make_manifest: MakeManifest, output: Tensor
) -> None:
    recogniser = Recogniser(
        fake(lambda feeds: {"out": output.astype(np.float32)}), make_manifest("reid-0095", ["out"])
    )
    with pytest.raises(DecoderMismatchError, match="decoder 'embedding'"):
        recogniser.embed([np.zeros((128, 128, 3), np.uint8)])


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint8, np.bool_])
def test_whole_numbers_are_no_embedding(
    make_manifest: MakeManifest, kind: type[np.generic]
) -> None:
    recogniser = Recogniser(
        fake(lambda feeds: {"out": np.ones((1, 256), kind)}), make_manifest("reid-0095", ["out"])
    )
    with pytest.raises(DecoderMismatchError, match="decoder 'embedding'"):
        recogniser.embed([np.zeros((128, 128, 3), np.uint8)])


@pytest.mark.parametrize("shape", [(1, 256), (1, 256, 1, 1)])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_vectors_of_any_precision_are_embeddings(
    make_manifest: MakeManifest, shape: tuple[int, ...], kind: type[np.generic]
) -> None:
    recogniser = Recogniser(
        fake(lambda feeds: {"out": np.ones(shape, kind)}), make_manifest("reid-0095", ["out"])
    )
    (embedding,) = recogniser.embed([np.zeros((128, 128, 3), np.uint8)])
    assert embedding.vector.dtype == np.float32
    np.testing.assert_allclose(embedding.vector, np.full(256, 1 / 16), atol=1e-6)


@pytest.mark.parametrize("family", ["yunet", "landmarks-0009"])
def test_only_a_recognisers_bundle_recognises(make_manifest: MakeManifest, family: str) -> None:
    with pytest.raises(DecoderMismatchError, match="is no recogniser"):
        Recogniser(fake(channel_means), make_manifest(family, ["out"]))


def test_an_output_that_the_model_lacks_is_a_mismatch(make_manifest: MakeManifest) -> None:
    recogniser = Recogniser(fake(channel_means), make_manifest("reid-0095", ["embedding"]))
    with pytest.raises(DecoderMismatchError, match="expected embedding; found out"):
        recogniser.embed([np.zeros((128, 128, 3), np.uint8)])
