"""The detector around a model: batches, sizes, the way back to the picture, suppression.

The model here finds the bright rectangle of each picture, so that what must come out is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import ClosedError, DecoderMismatchError, ModelError
from edge.runner.base import Signature, Tensor, TensorSpec
from edge.runner.fake import FakeRunner
from edge.types import ByteImage
from edge.vision.detector import Detector

if TYPE_CHECKING:
    from tests.vision.conftest import MakeManifest

FLOAT = np.dtype(np.float32)
LETTERBOX = {"mode": "letterbox", "pad": 0, "multiple_of": 32}
FREE: list[Any] = [
    {"min": 1, "opt": 1, "max": 8},
    3,
    {"min": 32, "opt": 480, "max": 960},
    {"min": 32, "opt": 640, "max": 960},
]
Answer = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


def fake(answer: Answer, *, name: str = "input", max_batch: int | None = None) -> FakeRunner:
    signature = Signature((TensorSpec(name, (None, 3, None, None), FLOAT),), ())
    runner = FakeRunner(signature, answer, max_batch=max_batch)
    runner.load()
    return runner


def bright_box(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """In UltraFace's form: the box of what is bright, twice, and a row for the whole picture."""
    scores, boxes = [], []
    for picture in np.asarray(feeds["input"], np.float32):
        _, height, width = picture.shape
        y, x = np.nonzero(picture.max(axis=0) > 127)
        box = [0.0] * 4
        if len(x):
            box = [x.min() / width, y.min() / height, (x.max() + 1) / width, (y.max() + 1) / height]
        sure = 0.9 if len(x) else 0.0
        boxes.append([box, box, [0, 0, 1, 1]])
        scores.append([[0, sure - 0.1], [0, sure], [0, 0.2]])
    clipped = np.maximum(np.asarray(scores, np.float32), 0)
    return {"scores": clipped, "boxes": np.asarray(boxes, np.float32)}


def picture_with(box: tuple[int, int, int, int], size: tuple[int, int]) -> ByteImage:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[box[1] : box[3], box[0] : box[2]] = 255
    return picture


@pytest.fixture
def make_detector(make_manifest: MakeManifest) -> Callable[..., Detector]:
    """A detector of bright rectangles around the given runner."""

    def make(runner: FakeRunner, *, floor: float | None = None, **changes: Any) -> Detector:
        wanted = {"resize": LETTERBOX, "shape": FREE, "mean": [0] * 3, "scale": [1] * 3, **changes}
        manifest = make_manifest("ultraface", ["scores", "boxes"], **wanted)
        return Detector(runner, manifest, floor=floor)

    return make


MakeDetector = Callable[..., Detector]


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((640, 480), (100, 50, 180, 170)),
        ((300, 200), (10, 20, 70, 90)),  # padded
        ((1280, 720), (400, 200, 600, 500)),  # halved and padded
        ((480, 640), (20, 400, 220, 600)),  # upright
    ],
)
def test_a_box_comes_back_in_the_pixels_of_its_picture(
    make_detector: MakeDetector, size: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    (found,) = make_detector(fake(bright_box)).detect([picture_with(box, size)])
    # Both candidate rows are one box, and the better one stands.
    np.testing.assert_allclose(found.boxes, [box], atol=2 * max(1, size[0] / 640))
    assert found.scores.tolist() == pytest.approx([0.9])
    assert found.labels.tolist() == [0]
    assert found.landmarks is None


def test_pictures_of_several_sizes_are_found_as_they_are_one_by_one(
    make_detector: MakeDetector,
) -> None:
    pictures = [
        picture_with((10, 10, 90, 90), (640, 480)),
        picture_with((100, 60, 300, 200), (1280, 720)),
        picture_with((300, 10, 390, 90), (640, 480)),
        np.zeros((100, 90, 3), np.uint8),
        picture_with((200, 200, 300, 300), (640, 470)),  # the same tensor as 640 × 480
    ]
    runner = fake(bright_box)
    detector = make_detector(runner)
    together = detector.detect(pictures)
    assert sorted(runner.batches) == [1, 1, 3]
    for picture, found in zip(pictures, together, strict=True):
        (alone,) = detector.detect([picture])
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        np.testing.assert_array_equal(found.scores, alone.scores)
    assert [len(found) for found in together] == [1, 1, 1, 0, 1]


def test_a_batch_larger_than_the_models_is_split(make_detector: MakeDetector) -> None:
    runner = fake(bright_box, max_batch=2)
    pictures = [picture_with((x, 10, x + 50, 60), (640, 480)) for x in (0, 100, 200, 300, 400)]
    found = make_detector(runner).detect(pictures)
    assert runner.batches == [2, 2, 1]
    assert [round(float(each.boxes[0, 0])) for each in found] == [0, 100, 200, 300, 400]


def test_no_pictures_ask_nothing_of_the_model(make_detector: MakeDetector) -> None:
    runner = fake(bright_box)
    assert make_detector(runner).detect([]) == []
    assert runner.batches == []


def test_a_picture_one_pixel_high_has_no_faces_and_no_error(make_detector: MakeDetector) -> None:
    (found,) = make_detector(fake(bright_box)).detect([np.zeros((1, 640, 3), np.uint8)])
    assert len(found) == 0


def test_the_floor_is_the_manifests_unless_another_is_asked_for(
    make_detector: MakeDetector,
) -> None:
    picture = np.zeros((480, 640, 3), np.uint8)  # only the row with score 0.2 is there
    runner = fake(bright_box)
    assert len(make_detector(runner).detect([picture])[0]) == 0
    low = make_detector(runner, floor=0.1)
    (found,) = low.detect([picture])
    assert found.scores.tolist() == pytest.approx([0.2])
    assert low.score == 0.7


def fixed_answer(scores: list[float], boxes: list[list[float]]) -> Answer:
    """UltraFace's form for a tensor of 640 × 480, boxes in its pixels."""

    def answer(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        fractions = np.asarray(boxes, np.float32) / np.asarray([640, 480, 640, 480], np.float32)
        both = np.stack([1 - np.asarray(scores), scores], axis=1).astype(np.float32)
        return {"scores": both[None], "boxes": fractions[None]}

    return answer


def test_boxes_are_cut_at_the_pictures_edge_and_dropped_in_the_padding(
    make_detector: MakeDetector,
) -> None:
    # The picture is 600 × 450 in a tensor of 608 × 480.
    boxes = [
        [-20, -30, 50, 60],
        [550, 400, 700, 500],
        [601, 10, 640, 90],  # beside the picture
        [300, 451, 400, 479],  # below it
        [599.5, 200, 640, 201],  # half a square pixel inside
    ]
    tensor = np.asarray([608, 480, 608, 480], np.float32)

    def answer(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        assert feeds["input"].shape == (1, 3, 480, 608)
        scores = np.tile(np.asarray([0.1, 0.9], np.float32), (1, len(boxes), 1))
        return {"scores": scores, "boxes": (np.asarray(boxes, np.float32) / tensor)[None]}

    (found,) = make_detector(fake(answer)).detect([np.zeros((450, 600, 3), np.uint8)])
    expected = [[0, 0, 50, 60], [550, 400, 600, 450]]
    np.testing.assert_allclose(found.boxes, expected, atol=1e-3)


def test_overlaps_are_suppressed_and_the_best_comes_first(make_detector: MakeDetector) -> None:
    boxes: list[list[float]] = [
        [100, 100, 200, 200],
        [300, 300, 400, 400],
        [110, 100, 210, 200],  # IoU 9/11 with the first
        [320, 300, 420, 400],  # IoU 2/3 with the second
        [500, 10, 560, 70],
    ]
    answer = fixed_answer([0.8, 0.95, 0.9, 0.75, 0.85], boxes)
    (found,) = make_detector(fake(answer)).detect([np.zeros((480, 640, 3), np.uint8)])
    assert found.scores.tolist() == pytest.approx([0.95, 0.9, 0.85])
    np.testing.assert_allclose(found.boxes, [boxes[1], boxes[2], boxes[4]], atol=1e-3)


def two_classes(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """YOLOX's form for 64 × 64 (64 + 16 + 4 rows): two labels in one place, one elsewhere."""
    output: NDArray[np.float32] = np.zeros((1, 84, 7), np.float32)
    # Rows 80 to 83 are the cells of stride 32: centre (16, 16) twice by shifting, then (48, 48).
    output[0, 80] = [0.5, 0.5, 0, 0, 1, 0.6, 0]
    output[0, 81] = [-0.5, 0.5, 0, 0, 1, 0, 0.9]
    output[0, 83] = [0.5, 0.5, 0, 0, 1, 0.8, 0]
    return {"output": output}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (None, [(1, 0.9), (0, 0.8), (0, 0.6)]),
        (("person",), [(0, 0.8), (0, 0.6)]),
        (("dog",), [(1, 0.9)]),
        (("dog", "person"), [(1, 0.9), (0, 0.8), (0, 0.6)]),
        ((), []),
    ],
)
def test_labels_are_chosen_and_do_not_suppress_each_other(
    make_manifest: MakeManifest,
    labels: tuple[str, ...] | None,
    expected: list[tuple[int, float]],
) -> None:
    manifest = make_manifest("yolox", ["output"], labels=["person", "dog"], shape=[1, 3, 64, 64])
    detector = Detector(fake(two_classes), manifest, labels=labels)
    (found,) = detector.detect([np.zeros((64, 64, 3), np.uint8)])
    assert found.labels.tolist() == [label for label, _ in expected]
    assert found.scores.tolist() == pytest.approx([score for _, score in expected])


def test_a_label_that_the_bundle_does_not_know_is_refused(make_manifest: MakeManifest) -> None:
    manifest = make_manifest("yolox", ["output"], labels=["person", "dog"])
    with pytest.raises(DecoderMismatchError, match="does not know 'cat'") as caught:
        Detector(fake(two_classes), manifest, labels=("person", "cat"))
    assert caught.value.found == "person, dog"


@pytest.mark.parametrize("family", ["reid-0095", "landmarks-0009"])
def test_a_bundle_of_another_role_is_refused(make_manifest: MakeManifest, family: str) -> None:
    with pytest.raises(DecoderMismatchError, match="is no detector"):
        Detector(fake(bright_box), make_manifest(family, ["out"]))


def test_outputs_of_another_family_are_a_mismatch(make_manifest: MakeManifest) -> None:
    manifest = make_manifest("yunet", ["scores", "boxes"])
    with pytest.raises(DecoderMismatchError, match="do not fit decoder 'yunet'"):
        Detector(fake(bright_box), manifest).detect([np.zeros((64, 64, 3), np.uint8)])


def test_an_output_that_the_model_lacks_is_a_mismatch(make_manifest: MakeManifest) -> None:
    manifest = make_manifest("ultraface", ["scores", "corners"])
    with pytest.raises(DecoderMismatchError, match=r"expected corners; found scores, boxes"):
        Detector(fake(bright_box), manifest).detect([np.zeros((64, 64, 3), np.uint8)])


def test_an_input_of_another_name_is_a_model_error(make_detector: MakeDetector) -> None:
    detector = make_detector(fake(bright_box, name="data"))
    with pytest.raises(ModelError, match="wrong inputs"):
        detector.detect([np.zeros((64, 64, 3), np.uint8)])


def test_a_closed_runner_says_so(make_detector: MakeDetector) -> None:
    runner = fake(bright_box)
    detector = make_detector(runner)
    runner.close()
    with pytest.raises(ClosedError):
        detector.detect([np.zeros((64, 64, 3), np.uint8)])
