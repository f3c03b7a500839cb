"""Boxes: area, IoU, suppression and clipping, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edge.geometry import area, clip_boxes, iou_matrix, nms

EMPTY = np.zeros((0, 4), np.float32)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        (EMPTY, []),
        ([], []),
        ([[0, 0, 10, 5]], [50]),
        ([[2, 3, 4, 7], [-1, -1, 1, 1]], [8, 4]),
        ([[5, 5, 5, 9]], [0]),  # no width
        ([[9, 9, 4, 4]], [0]),  # both corners out of order: minus times minus is no area
        ([[0.5, 0.5, 1.0, 1.0]], [0.25]),
    ],
)
def test_area(boxes: object, expected: list[float]) -> None:
    found = area(np.asarray(boxes, np.float32))
    assert found.dtype == np.float32
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (EMPTY, EMPTY, np.zeros((0, 0))),
        (EMPTY, [[0, 0, 1, 1]], np.zeros((0, 1))),
        ([[0, 0, 1, 1]], EMPTY, np.zeros((1, 0))),
        ([[0, 0, 10, 10]], [[0, 0, 10, 10]], [[1]]),
        # 5 × 10 shared of 100 + 100 − 50.
        ([[0, 0, 10, 10]], [[5, 0, 15, 10]], [[50 / 150]]),
        # 5 × 5 shared of 100 + 100 − 25; a small one inside: 4 of 100; side by side: none.
        (
            [[0, 0, 10, 10]],
            [[5, 5, 15, 15], [4, 4, 6, 6], [10, 0, 20, 10]],
            [[25 / 175, 0.04, 0]],
        ),
        # Apart on both axes: two negative sides do not make an overlap.
        ([[0, 0, 2, 2]], [[5, 5, 9, 9]], [[0]]),
        # Without area there is no union to divide by.
        ([[3, 3, 3, 3]], [[3, 3, 3, 3], [0, 0, 9, 9]], [[0, 0]]),
        ([[9, 9, 0, 0]], [[0, 0, 9, 9]], [[0]]),
    ],
)
def test_iou_matrix(a: object, b: object, expected: object) -> None:
    found = iou_matrix(np.asarray(a, np.float32), np.asarray(b, np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(expected, np.float32), rtol=1e-6)


def test_iou_matrix_is_the_transpose_with_its_arguments_turned_round() -> None:
    random = np.random.default_rng(3)
    corners = random.uniform(0, 50, (2, 9, 2))
    a, b = (np.concatenate([c, c + random.uniform(1, 40, (9, 2))], axis=1) for c in corners)
    assert (iou_matrix(a, b) > 0.05).any()
    np.testing.assert_array_equal(iou_matrix(a, b), iou_matrix(b, a).T)


@pytest.mark.parametrize(
    ("boxes", "scores", "iou", "kept"),
    [
        (EMPTY, [], 0.5, []),
        ([[0, 0, 10, 10]], [0.1], 0.5, [0]),
        # Best score first, whatever the order of the rows.
        ([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]], [0.2, 0.9, 0.5], 0.5, [1, 2, 0]),
        # IoU 1/3 with the better one: dropped below that, kept at it, as only above is dropped.
        ([[0, 0, 10, 10], [5, 0, 15, 10]], [0.8, 0.9], 0.33, [1]),
        ([[0, 0, 10, 10], [5, 0, 15, 10]], [0.8, 0.9], np.float32(1 / 3), [1, 0]),
        # A chain: 1 overlaps 0 and 2 by 1/3, which do not touch. 1 is dropped by 0 and so cannot
        # drop 2.
        ([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10]], [0.9, 0.8, 0.7], 0.3, [0, 2]),
        # The middle one best: it drops both.
        ([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10]], [0.8, 0.9, 0.7], 0.3, [1]),
        # Equal scores: the earlier row wins.
        ([[0, 0, 10, 10], [1, 0, 11, 10], [2, 0, 12, 10]], [0.5, 0.5, 0.5], 0.3, [0]),
        ([[40, 0, 50, 10], [0, 0, 10, 10], [20, 0, 30, 10]], [0.5, 0.5, 0.5], 0.3, [0, 1, 2]),
        # The same box twice is one box, unless every overlap is allowed.
        ([[0, 0, 10, 10], [0, 0, 10, 10]], [0.5, 0.6], 0.99, [1]),
        ([[0, 0, 10, 10], [0, 0, 10, 10]], [0.5, 0.6], 1.0, [1, 0]),
    ],
)
def test_nms(boxes: object, scores: list[float], iou: float, kept: list[int]) -> None:
    found = nms(np.asarray(boxes, np.float32), np.asarray(scores, np.float32), iou)
    assert found.dtype == np.intp
    assert found.tolist() == kept


def test_many_equal_scores_keep_the_order_of_their_rows() -> None:
    corner = 20.0 * np.arange(100)
    boxes = np.stack([corner, corner, corner + 10, corner + 10], axis=1)
    assert nms(boxes, np.full(100, 0.5), 0.3).tolist() == list(range(100))


def test_what_suppression_keeps_never_overlaps_and_covers_what_it_drops() -> None:
    random = np.random.default_rng(7)
    corner = random.uniform(0, 60, (200, 2))
    boxes = np.concatenate([corner, corner + random.uniform(10, 40, (200, 2))], axis=1)
    scores = random.random(200)
    kept = nms(boxes, scores, 0.4)
    overlap = iou_matrix(boxes, boxes)
    assert 1 < len(kept) < 200
    assert (overlap[np.ix_(kept, kept)][~np.eye(len(kept), dtype=bool)] <= 0.4).all()
    for dropped in set(range(200)) - set(kept.tolist()):
        assert any(overlap[dropped, k] > 0.4 and scores[k] >= scores[dropped] for k in kept)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        (EMPTY, np.zeros((0, 4))),
        ([[1, 2, 3, 4]], [[1, 2, 3, 4]]),
        ([[-5, -1, 700, 500]], [[0, 0, 640, 480]]),
        ([[650, 10, 700, 20]], [[640, 10, 640, 20]]),  # wholly outside: no area is left
    ],
)
def test_clip_boxes(boxes: object, expected: object) -> None:
    found = clip_boxes(np.asarray(boxes, np.float32), (640, 480))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.asarray(expected, np.float32))


def test_arguments_are_not_changed() -> None:
    boxes = np.asarray([[-5, -5, 20, 20], [0, 0, 10, 10]], np.float32)
    scores = np.asarray([0.1, 0.9], np.float32)
    before = boxes.copy(), scores.copy()
    area(boxes), iou_matrix(boxes, boxes), nms(boxes, scores, 0.1), clip_boxes(boxes, (8, 8))
    np.testing.assert_array_equal(boxes, before[0])
    np.testing.assert_array_equal(scores, before[1])
