"""Detector heads on arrays worked out by hand. Tensors are 32 × 32 unless said otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import DecoderMismatchError
from edge.manifest import (
    DetectorDecoder,
    ScrfdDecoder,
    UltrafaceDecoder,
    YoloxDecoder,
    YunetDecoder,
)
from edge.types import Detections
from edge.vision.heads import head_for
from edge.vision.heads.base import grid_of

Array = NDArray[np.float32]
STRIDES = (8, 16, 32)
YUNET = YunetDecoder(name="yunet", score=0.6, nms_iou=0.3, strides=STRIDES)
SCRFD = ScrfdDecoder(name="scrfd", score=0.5, nms_iou=0.4, strides=STRIDES, anchors=2)
YOLOX = YoloxDecoder(name="yolox", score=0.4, nms_iou=0.45, strides=STRIDES)
ULTRAFACE = UltrafaceDecoder(name="ultraface", score=0.7, nms_iou=0.3)
LN2 = math.log(2)
# Row by row: 4 × 4 cells of 8 pixels, 2 × 2 of 16, 1 of 32.
CELLS = (16, 4, 1)


def decode(
    decoder: DetectorDecoder,
    outputs: Sequence[Array],
    *,
    size: tuple[int, int] = (32, 32),
    pictures: int = 1,
    floor: float = 0.3,
) -> list[Detections]:
    return head_for(decoder).decode(outputs, size=size, pictures=pictures, floor=floor)


def filled(shape: tuple[int, int], rows: Mapping[int, Sequence[float]]) -> Array:
    array = np.zeros(shape, np.float32)
    for row, values in rows.items():
        array[row] = values
    return array


# One YuNet face a stride.
#
# Stride 8, cell 5 = column 1, row 1. score √(0.81 · 0.64) = 0.72. centre ((1 + 0.5) · 8,
# (1 + 0.25) · 8) = (12, 10), size (e^ln2 · 8, e^0 · 8) = (16, 8): (4, 6) to (20, 14).
# Landmarks (1 + k) · 8.
#
# Stride 16, cell 2 = column 0, row 1. score √(1 · 0.25) = 0.5. centre ((0 + 0.5) · 16,
# (1 − 0.5) · 16) = (8, 8), size 16: (0, 0) to (16, 16). Landmarks at k = 0: the corner (0, 16).
#
# Stride 32, the only cell. score √(0.4 · 0.4) = 0.4. centre (16, 16), size e^−ln2 · 32 = 16:
# (8, 8) to (24, 24). Landmarks at k = 1: (32, 32).
KEYPOINTS = [0.0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1]
YUNET_ROWS: list[tuple[int, list[list[float]]]] = [
    (5, [[0.81], [0.64], [0.5, 0.25, LN2, 0], KEYPOINTS]),
    (2, [[1.0], [0.25], [0.5, -0.5, 0, 0], [0.0] * 10]),
    (0, [[0.4], [0.4], [0.5, 0.5, -LN2, -LN2], [1.0] * 10]),
]
YUNET_BOXES = [[4, 6, 20, 14], [0, 0, 16, 16], [8, 8, 24, 24]]
YUNET_SCORES = [0.72, 0.5, 0.4]
YUNET_POINTS = [
    [[8, 8], [16, 8], [12, 12], [8, 16], [16, 16]],
    [[0, 16]] * 5,
    [[32, 32]] * 5,
]


def yunet_outputs() -> list[Array]:
    """cls of all strides, then obj, box and points, each ``[cells, columns]``."""
    kinds = []
    for kind, columns in enumerate((1, 1, 4, 10)):
        for cells, (row, values) in zip(CELLS, YUNET_ROWS, strict=True):
            kinds.append(filled((cells, columns), {row: values[kind]}))
    return kinds


# One face at every stride of a model with two anchors a cell. p = cell · s.
#
# Stride 8, row 11 = cell 5, second anchor: p = (8, 8). (l, t, r, b) · 8 = (4, 2, 8, 16):
# (4, 6) to (16, 24). Landmarks p + k · 8.
# Stride 16, row 6 = cell 3, first anchor: p = (16, 16). sides 8: (8, 8) to (24, 24).
# Stride 32, row 0: p = (0, 0). sides (0, 0, 16, 32): (0, 0) to (16, 32).
SCRFD_ROWS: list[tuple[int, list[list[float]]]] = [
    (11, [[0.9], [0.5, 0.25, 1, 2], KEYPOINTS]),
    (6, [[0.8], [0.5, 0.5, 0.5, 0.5], [-0.5] * 10]),
    (0, [[0.7], [0, 0, 0.5, 1], [0.25] * 10]),
]
SCRFD_BOXES = [[4, 6, 16, 24], [8, 8, 24, 24], [0, 0, 16, 32]]
SCRFD_POINTS = [
    [[8, 8], [16, 8], [12, 12], [8, 16], [16, 16]],
    [[8, 8]] * 5,
    [[8, 8]] * 5,
]


def scrfd_outputs(*, points: bool = True, anchors: int = 2) -> list[Array]:
    kinds = []
    for kind, columns in enumerate((1, 4, 10) if points else (1, 4)):
        for cells, (row, values) in zip(CELLS, SCRFD_ROWS, strict=True):
            place = row if anchors == 2 else row // 2
            kinds.append(filled((cells * anchors, columns), {place: values[kind]}))
    return kinds


# Three classes. Row 5: stride 8, cell (1, 1): as YuNet's first box, score 0.8 · 0.9 = 0.72.
# Row 16 + 2: stride 16, cell (0, 1): centre (8, 8), size 16, score 1 · 0.5, first class of equals.
# Row 20: stride 32: centre (16, 16), size 16, score 0.5 · 0.9 = 0.45.
YOLOX_ROWS = {
    5: [0.5, 0.25, LN2, 0, 0.8, 0.1, 0.9, 0.5],
    18: [0.5, -0.5, 0, 0, 1.0, 0.5, 0.5, 0.1],
    20: [0.5, 0.5, -LN2, -LN2, 0.5, 0, 0, 0.9],
}


def yolox_output() -> Array:
    return filled((21, 8), YOLOX_ROWS)


def same(found: Detections, boxes: object, scores: object, points: object = None) -> None:
    np.testing.assert_allclose(found.boxes, np.asarray(boxes), atol=1e-4)
    np.testing.assert_allclose(found.scores, np.asarray(scores), atol=1e-6)
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert found.labels.dtype == np.int64
    if points is None:
        assert found.landmarks is None
    else:
        assert found.landmarks is not None
        assert found.landmarks.dtype == np.float32
        np.testing.assert_allclose(found.landmarks, np.asarray(points), atol=1e-4)


def test_yunet_by_hand() -> None:
    (found,) = decode(YUNET, yunet_outputs())
    same(found, YUNET_BOXES, YUNET_SCORES, YUNET_POINTS)
    assert found.labels.tolist() == [0, 0, 0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_yunet_does_not_care_for_the_order_of_its_outputs(seed: int) -> None:
    outputs = yunet_outputs()
    np.random.default_rng(seed).shuffle(outputs)
    same(decode(YUNET, outputs)[0], YUNET_BOXES, YUNET_SCORES, YUNET_POINTS)


def test_scrfd_by_hand() -> None:
    (found,) = decode(SCRFD, scrfd_outputs())
    same(found, SCRFD_BOXES, [0.9, 0.8, 0.7], SCRFD_POINTS)
    assert found.labels.tolist() == [0, 0, 0]


def test_scrfd_with_one_anchor_a_cell() -> None:
    single = SCRFD.model_copy(update={"anchors": 1})
    (found,) = decode(single, scrfd_outputs(anchors=1))
    same(found, SCRFD_BOXES, [0.9, 0.8, 0.7], SCRFD_POINTS)


def test_scrfd_without_landmarks() -> None:
    (found,) = decode(SCRFD, scrfd_outputs(points=False))
    same(found, SCRFD_BOXES, [0.9, 0.8, 0.7])


def test_yolox_by_hand() -> None:
    (found,) = decode(YOLOX, [yolox_output()])
    same(found, YUNET_BOXES, [0.72, 0.5, 0.45])
    assert found.labels.tolist() == [1, 0, 2]


def test_ultraface_by_hand() -> None:
    # Fractions of a tensor 320 wide and 240 high.
    scores = np.asarray([[0.1, 0.9], [0.8, 0.2], [0.25, 0.75]], np.float32)
    boxes = np.asarray([[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1], [-0.05, 0, 0.25, 1.1]], np.float32)
    for outputs in ([scores, boxes], [boxes, scores]):
        (found,) = decode(ULTRAFACE, outputs, size=(320, 240))
        same(found, [[32, 48, 160, 144], [-16, 0, 80, 264]], [0.9, 0.75])


def test_cells_run_along_the_longer_side_first() -> None:
    # 64 wide and 32 high: row 10 of stride 8 is column 2 of row 1. centre (16, 8), size 8.
    cells = (32, 8, 2)
    rows = {0: {10: [1.0]}, 1: {10: [1.0]}, 2: {10: [0.0] * 4}, 3: {10: [0.0] * 10}}
    outputs = [
        filled((count, columns), rows[kind] if count == 32 else {})
        for kind, columns in enumerate((1, 1, 4, 10))
        for count in cells
    ]
    (found,) = decode(YUNET, outputs, size=(64, 32))
    same(found, [[12, 4, 20, 12]], [1.0], [[[16, 8]] * 5])


Case = tuple[DetectorDecoder, list[Array]]
ALL: list[Case] = [
    (YUNET, yunet_outputs()),
    (SCRFD, scrfd_outputs()),
    (SCRFD, scrfd_outputs(points=False)),
    (YOLOX, [yolox_output()]),
    (ULTRAFACE, [np.asarray([[0.1, 0.9]], "f"), np.asarray([[0, 0, 1, 1]], "f")]),
]
each_family = pytest.mark.parametrize(
    ("decoder", "outputs"), ALL, ids=[f"{d.name}-{len(o)}" for d, o in ALL]
)


def equal(one: Detections, other: Detections) -> bool:
    if one.landmarks is None or other.landmarks is None:
        same_points = one.landmarks is other.landmarks
    else:
        same_points = np.array_equal(one.landmarks, other.landmarks)
    return (
        same_points
        and np.array_equal(one.boxes, other.boxes)
        and np.array_equal(one.scores, other.scores)
        and np.array_equal(one.labels, other.labels)
    )


@each_family
def test_with_and_without_a_batch_axis(decoder: DetectorDecoder, outputs: list[Array]) -> None:
    (bare,) = decode(decoder, outputs)
    (batched,) = decode(decoder, [value[None] for value in outputs])
    assert len(bare) > 0
    assert equal(bare, batched)


@each_family
def test_a_batch_of_two_keeps_its_pictures_apart(
    decoder: DetectorDecoder, outputs: list[Array]
) -> None:
    (alone,) = decode(decoder, outputs)
    empty = [np.zeros_like(value) for value in outputs]
    stacked = [np.stack(pair) for pair in zip(empty, outputs, strict=True)]
    # Exporters that drop the batch axis give one picture's rows after the other's.
    joined = [np.concatenate(pair) for pair in zip(empty, outputs, strict=True)]
    for batch in (stacked, joined):
        first, second = decode(decoder, batch, pictures=2)
        assert len(first) == 0
        assert (first.landmarks is None) == (alone.landmarks is None)
        assert equal(second, alone)


@each_family
def test_half_precision_outputs_decode_alike(
    decoder: DetectorDecoder, outputs: list[Array]
) -> None:
    (full,) = decode(decoder, outputs)
    (half,) = decode(decoder, [value.astype(np.float16).astype(np.float32) for value in outputs])
    np.testing.assert_allclose(full.boxes, half.boxes, atol=0.05)
    raw: list[NDArray[np.float16]] = [value.astype(np.float16) for value in outputs]
    (direct,) = head_for(decoder).decode(raw, size=(32, 32), pictures=1, floor=0.3)
    assert equal(half, direct)


@each_family
def test_scores_under_the_floor_are_left_out_and_those_on_it_are_not(
    decoder: DetectorDecoder, outputs: list[Array]
) -> None:
    (every,) = decode(decoder, outputs, floor=0.01)
    best = float(every.scores.max())
    (on_it,) = decode(decoder, outputs, floor=best)
    assert on_it.scores.tolist() == [best]
    (none,) = decode(decoder, outputs, floor=best + 1e-4)
    assert len(none) == 0
    assert none.boxes.shape == (0, 4)


@each_family
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_dropped_alone(
    decoder: DetectorDecoder, outputs: list[Array], poison: float
) -> None:
    (clean,) = decode(decoder, outputs, floor=0.01)
    for place, value in enumerate(outputs):
        row = int(np.abs(value).sum(axis=1).argmax())  # the row that makes a face
        for column in range(value.shape[1]):
            poisoned = [array.copy() for array in outputs]
            poisoned[place][row, column] = poison
            (found,) = decode(decoder, poisoned, floor=0.01)
            assert np.isfinite(found.boxes).all()
            assert np.isfinite(found.scores).all()
            assert found.landmarks is None or np.isfinite(found.landmarks).all()
            assert len(found) >= len(clean) - 1
            assert found.scores.max(initial=0) <= 1


def test_objectness_on_the_floor_is_enough_for_a_certain_class() -> None:
    (found,) = decode(YOLOX, [filled((21, 6), {3: [0, 0, 0, 0, 0.25, 1]})], floor=0.25)
    assert found.scores.tolist() == [0.25]


def test_a_poisoned_row_takes_its_face_with_it_and_no_other() -> None:
    outputs = yunet_outputs()
    outputs[-3][5, 7] = np.nan  # one landmark of the face of stride 8
    same(decode(YUNET, outputs)[0], YUNET_BOXES[1:], YUNET_SCORES[1:], YUNET_POINTS[1:])
    outputs = yunet_outputs()
    outputs[1][2] = np.inf  # an endless score is no certain face
    same(
        decode(YUNET, outputs)[0],
        [YUNET_BOXES[0], YUNET_BOXES[2]],
        [YUNET_SCORES[0], YUNET_SCORES[2]],
        [YUNET_POINTS[0], YUNET_POINTS[2]],
    )


@pytest.mark.parametrize("decoder", [YUNET, YOLOX], ids=["yunet", "yolox"])
def test_an_absurd_size_stays_a_number(decoder: DetectorDecoder) -> None:
    outputs = yunet_outputs() if decoder is YUNET else [yolox_output()]
    sizes = outputs[6] if decoder is YUNET else outputs[0]
    sizes[5, 2:4] = 3e38
    (found,) = decode(decoder, outputs)
    assert len(found) == 3
    assert np.isfinite(found.boxes).all()
    assert found.boxes[0, 2] > 1e6


@each_family
@pytest.mark.parametrize("wrong", [-3.0, 4.0])
def test_scores_that_are_no_probabilities_are_a_mismatch(
    decoder: DetectorDecoder, outputs: list[Array], wrong: float
) -> None:
    logits = [value.copy() for value in outputs]
    if decoder is YOLOX:
        logits[0][5, 4] = wrong
    elif decoder is ULTRAFACE:
        logits[0][0, 1] = wrong
    else:
        logits[0][3, 0] = wrong
    with pytest.raises(DecoderMismatchError, match=r"expected scores in 0\.\.1") as caught:
        decode(decoder, logits)
    assert f"{wrong:.3g}" in caught.value.found


def test_class_scores_that_are_no_probabilities_are_a_mismatch_too() -> None:
    output = yolox_output()
    output[5, 6] = 7
    with pytest.raises(DecoderMismatchError, match="scores"):
        decode(YOLOX, [output])


def test_a_score_that_rounding_lifted_above_one_is_one() -> None:
    outputs = yunet_outputs()
    outputs[0][5], outputs[3][5] = 1.02, 1.02
    assert decode(YUNET, outputs)[0].scores.tolist() == pytest.approx([1.0, 0.5, 0.4])


def zeros(*shapes: tuple[int, ...]) -> list[Array]:
    return [np.zeros(shape, np.float32) for shape in shapes]


@pytest.mark.parametrize(
    ("decoder", "outputs"),
    [
        (YUNET, []),
        (YUNET, yunet_outputs()[:-1]),
        (YUNET, [*yunet_outputs(), yunet_outputs()[0]]),
        (YUNET, [*yunet_outputs(), *zeros((7, 3))]),
        (YUNET, scrfd_outputs(anchors=1)),  # one score a cell where YuNet has two
        (YUNET, [yolox_output()]),
        (YUNET, [*yunet_outputs()[:-1], *zeros((1, 8))]),
        (YUNET, [*yunet_outputs()[:-1], *zeros((1, 1, 1, 10))]),
        (YUNET, [*yunet_outputs()[:-1], *zeros((10,))]),
        (YUNET, [*yunet_outputs()[:-1], *zeros(())]),
        (SCRFD, yunet_outputs()),
        (SCRFD, scrfd_outputs(anchors=1)),
        (SCRFD, scrfd_outputs()[:-1]),  # landmarks at some strides only
        (SCRFD, scrfd_outputs()[3:]),
        (SCRFD, [*scrfd_outputs(), *zeros((2, 10))]),
        (YOLOX, []),
        (YOLOX, zeros((20, 8))),
        (YOLOX, zeros((21, 5))),  # no class at all
        (YOLOX, zeros((21, 8), (21, 8))),
        (YOLOX, zeros((21,))),
        (YOLOX, zeros((1, 21, 8, 1))),
        (ULTRAFACE, zeros((7, 2))),
        (ULTRAFACE, zeros((7, 2), (6, 4))),
        (ULTRAFACE, zeros((7, 2), (7, 5))),
        (ULTRAFACE, zeros((7, 2), (7, 4), (7, 10))),
        (ULTRAFACE, zeros((7, 2), (7, 2))),
    ],
)
def test_outputs_of_another_family_are_a_mismatch(
    decoder: DetectorDecoder, outputs: list[Array]
) -> None:
    with pytest.raises(
        DecoderMismatchError, match=f"do not fit decoder '{decoder.name}'"
    ) as caught:
        decode(decoder, outputs)
    assert caught.value.expected
    assert caught.value.found
    assert "template" in caught.value.remedy


@each_family
def test_outputs_of_another_batch_are_a_mismatch(
    decoder: DetectorDecoder, outputs: list[Array]
) -> None:
    with pytest.raises(DecoderMismatchError):
        decode(decoder, [value[None] for value in outputs], pictures=2)
    with pytest.raises(DecoderMismatchError):
        decode(decoder, [np.stack([value, value]) for value in outputs], pictures=1)
    mixed = [np.stack([value] * (2 if place else 3)) for place, value in enumerate(outputs)]
    with pytest.raises(DecoderMismatchError):
        decode(decoder, mixed, pictures=3 if len(mixed) > 1 else 2)


def test_a_tensor_of_another_size_than_the_outputs_is_a_mismatch() -> None:
    with pytest.raises(DecoderMismatchError, match="cells"):
        decode(YUNET, yunet_outputs(), size=(64, 32))
    with pytest.raises(DecoderMismatchError, match="84"):
        decode(YOLOX, [yolox_output()], size=(64, 64))


def test_a_tensor_smaller_than_a_stride_has_no_cells_there() -> None:
    # 16 × 16: four cells of 8, one of 16, none of 32.
    score, box, points = [0.81], [0.0] * 4, [0.0] * 10
    shapes = [(4, 1), (1, 1), (0, 1)]
    outputs = [filled(shape, {1: score} if shape[0] == 4 else {}) for shape in shapes] * 2
    outputs += [filled((n, 4), {1: box} if n == 4 else {}) for n, _ in shapes]
    outputs += [filled((n, 10), {1: points} if n == 4 else {}) for n, _ in shapes]
    (found,) = decode(YUNET, outputs, size=(16, 16))
    # Cell 1 = column 1, row 0: centre (8, 0), size 8.
    same(found, [[4, -4, 12, 4]], [0.81], [[[8, 0]] * 5])
    rows = filled((5, 6), {4: [0, 0, 0, 0, 1, 1]})
    (person,) = decode(YOLOX, [rows], size=(16, 16))
    same(person, [[-8, -8, 8, 8]], [1.0])


def test_the_grid_of_a_size_is_made_once_and_cannot_be_written_to() -> None:
    grid = grid_of((64, 32), STRIDES)
    assert grid_of((64, 32), STRIDES) is grid
    assert grid.lengths == (32, 8, 2)
    assert grid.corners[10].tolist() == [2, 1]
    assert grid.corners[-1].tolist() == [1, 0]
    assert grid.strides[[0, 31, 32, 40, 41], 0].tolist() == [8, 8, 16, 32, 32]
    assert grid_of((64, 32), STRIDES, 2).corners[20:23].tolist() == [[2, 1], [2, 1], [3, 1]]
    with pytest.raises(ValueError, match="read-only"):
        grid.corners[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        grid.strides[0] = 1
