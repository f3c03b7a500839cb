from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from calibration.detection import Boxes, average_precision, match, recall_at
from edge.types import Detections


def found(*rows: Sequence[float], labels: Sequence[int] = ()) -> Detections:
    """Rows of x1, y1, x2, y2, score."""
    array = np.asarray(rows, np.float32).reshape(-1, 5)
    kinds = np.asarray(labels or [0] * len(array), np.int64)
    return Detections(array[:, :4], array[:, 4], kinds)


def truth(
    *rows: Sequence[float], labels: Sequence[int] = (), ignored: Sequence[bool] | None = None
) -> Boxes:
    array = np.asarray(rows, np.float32).reshape(-1, 4)
    kinds = np.asarray(labels or [0] * len(array), np.int64)
    return Boxes(array, kinds, None if ignored is None else np.asarray(ignored, bool))


A, B, C, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10), (80, 80, 90, 90)


def test_what_is_found_exactly_has_an_average_precision_of_one() -> None:
    matches = match([found((*A, 0.9), (*B, 0.8)), found()], [truth(A, B), truth()])

    assert average_precision(matches) == 1.0
    assert recall_at(matches, 0.5) == 1.0


def test_a_curve_worked_out_by_hand() -> None:
    # Best first: hit, miss, hit, miss; one of three boxes is never found.
    # Recall 1/3 at precision 1, 2/3 at 2/3: 1/3 · 1 + 1/3 · 2/3 = 5/9.
    detections = found((*A, 0.9), (*FAR, 0.8), (*B, 0.7), (60, 60, 70, 70, 0.6))

    matches = match([detections], [truth(A, B, C)])

    assert matches.hits.tolist() == [True, False, True, False]
    assert average_precision(matches) == pytest.approx(5 / 9)


def test_the_precision_is_interpolated_from_the_right() -> None:
    # Miss, hit, hit: the precision rises to 2/3, which counts for both recalls.
    matches = match([found((*FAR, 0.9), (*A, 0.8), (*B, 0.7))], [truth(A, B)])

    assert average_precision(matches) == pytest.approx(2 / 3)


def test_an_independent_curve_gives_the_same_area() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(11)
    pictures, truths = [], []
    for _ in range(60):
        corners = random.uniform(0, 400, (4, 2))
        boxes = np.hstack([corners, corners + random.uniform(20, 60, (4, 2))])
        shifted = boxes + random.normal(0, 6, boxes.shape)
        scores = np.round(random.uniform(0, 1, 4), 2)  # with ties
        pictures.append(found(*np.column_stack([shifted, scores])[random.uniform(size=4) < 0.8]))
        truths.append(truth(*boxes))

    matches = match(pictures, truths)

    precision, recall, _ = metrics.precision_recall_curve(matches.hits, matches.scores)
    best = np.maximum.accumulate(precision)  # its recall falls from 1 to 0
    area = float(-np.diff(recall) @ best[:-1]) * matches.hits.sum() / 240
    assert 0.3 < area < 0.9
    assert average_precision(matches) == pytest.approx(area)


def test_a_box_is_found_once() -> None:
    matches = match([found((*A, 0.9), (0, 0, 10, 9, 0.8))], [truth(A)])

    assert matches.hits.tolist() == [True, False]


def test_a_detection_takes_the_box_that_it_overlaps_most() -> None:
    near, nearer = (0, 0, 10, 10), (1, 0, 11, 10)

    matches = match([found((1, 0, 11, 10, 0.9), (0, 0, 10, 10, 0.8))], [truth(near, nearer)])

    assert matches.hits.tolist() == [True, True]


@pytest.mark.parametrize(("width", "right"), [(5.0, True), (4.9, False)])
def test_half_of_the_union_has_to_be_shared(width: float, right: bool) -> None:
    matches = match([found((0, 0, width, 10, 0.9))], [truth(A)])

    assert matches.hits.tolist() == [right]


def test_boxes_to_be_ignored_count_neither_way() -> None:
    matches = match([found((*A, 0.9), (*B, 0.8))], [truth(A, B, ignored=[True, False])])

    assert matches.hits.tolist() == [True]
    assert average_precision(matches) == 1.0


def test_a_box_that_counts_goes_before_one_to_be_ignored() -> None:
    matches = match([found((0, 0, 10, 10, 0.9))], [truth((0, 0, 10, 8), A, ignored=[False, True])])

    assert matches.hits.tolist() == [True]


def test_labels_are_matched_apart_and_averaged() -> None:
    detections = found((*A, 0.9), (*B, 0.8), labels=[0, 0])

    matches = match([detections], [truth(A, B, labels=[0, 1])])

    # Label 0: the hit, then a miss. Label 1: nothing found.
    assert average_precision(matches) == pytest.approx(0.5)


def test_equal_scores_enter_together_whatever_their_order() -> None:
    first = match([found((*A, 0.5), (*FAR, 0.5))], [truth(A)])
    second = match([found((*FAR, 0.5), (*A, 0.5))], [truth(A)])

    assert average_precision(first) == average_precision(second) == 0.5


def test_a_drawn_picture_counts_as_often_as_it_was_drawn() -> None:
    pictures = [found((*A, 0.9)), found((*FAR, 0.8))]
    matches = match(pictures, [truth(A), truth(B)])

    assert average_precision(matches, np.asarray([0, 0])) == 1.0
    assert average_precision(matches, np.asarray([1, 1])) == 0.0
    twice = match([pictures[0], pictures[0], pictures[1]], [truth(A), truth(A), truth(B)])
    assert average_precision(matches, np.asarray([0, 1, 0])) == average_precision(twice)


def test_recall_counts_what_has_the_score() -> None:
    matches = match([found((*A, 0.9), (*B, 0.4))], [truth(A, B)])

    assert recall_at(matches, 0.5) == 0.5
    assert recall_at(matches, 0.4) == 1.0


def test_without_boxes_to_find_there_is_nothing_to_say() -> None:
    matches = match([found((*A, 0.9))], [truth()])

    assert math.isnan(average_precision(matches))
    assert math.isnan(recall_at(matches, 0.5))


def test_boxes_that_are_all_missed_give_zero() -> None:
    matches = match([found()], [truth(A)])

    assert average_precision(matches) == 0.0


def test_every_picture_needs_its_truth() -> None:
    with pytest.raises(ValueError, match="expected the truth of 2 pictures, found 1"):
        match([found(), found()], [truth()])


@pytest.mark.parametrize(
    ("boxes", "labels", "ignored"),
    [((2, 3), (2,), None), ((2, 4), (1,), None), ((2, 4), (2,), (1,))],
)
def test_boxes_have_four_numbers_and_one_label(
    boxes: tuple[int, int], labels: tuple[int], ignored: tuple[int] | None
) -> None:
    with pytest.raises(ValueError, match="expected"):
        Boxes(
            np.zeros(boxes, np.float32),
            np.zeros(labels, np.int64),
            None if ignored is None else np.zeros(ignored, bool),
        )
