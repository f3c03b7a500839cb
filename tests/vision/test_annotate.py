"""Drawing: where, in which colour, and on a copy."""

from __future__ import annotations

import numpy as np
import pytest

from edge.types import ByteImage, FloatArray, Identity, Outcome
from edge.vision.annotate import Mark, annotate, tile

GREY = 50


def picture(width: int = 640, height: int = 480) -> ByteImage:
    return np.full((height, width, 3), GREY, np.uint8)


def box(*sides: float) -> FloatArray:
    return np.asarray(sides, np.float32)


def drawn(canvas: ByteImage) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    changed: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = (canvas != GREY).any(axis=2)
    return changed


def mark(
    sides: FloatArray, outcome: Outcome | None = Outcome.RECOGNISED, *, predicted: bool = False
) -> Mark:
    if outcome is None:
        return Mark(7, sides, None, predicted=predicted)
    named = outcome is Outcome.RECOGNISED
    identity = Identity(
        outcome, person="anna" if named else None, similarity=0.71 if named else None
    )
    return Mark(7, sides, identity, predicted=predicted)


def test_the_picture_itself_is_left_as_it_is() -> None:
    given = picture()
    canvas = annotate(given, [mark(box(100, 100, 200, 220))], caption="door")
    assert (given == GREY).all()
    assert canvas.shape == given.shape
    assert canvas.dtype == np.uint8
    assert drawn(canvas).any()


def test_nothing_to_draw_changes_nothing() -> None:
    assert not drawn(annotate(picture(), [])).any()


def test_a_box_is_drawn_along_its_sides_and_not_inside() -> None:
    changed = drawn(annotate(picture(), [mark(box(100, 100, 200, 220))]))
    assert changed[100:220, 100].all()
    assert changed[100:220, 200].all()
    assert changed[220, 100:200].all()
    assert not changed[105:215, 105:195].any()
    # Beside and below there is nothing; above is the label.
    assert not changed[:, 400:].any()
    assert not changed[230:].any()
    assert changed[85:100, 102:180].all()


def test_every_outcome_has_a_colour_of_its_own() -> None:
    colours = set()
    for outcome in (*Outcome, None):
        canvas = annotate(picture(), [mark(box(100, 100, 200, 220), outcome)])
        colours.add(tuple(canvas[200, 100].tolist()))
    assert len(colours) == len(Outcome) + 1


def test_what_is_only_predicted_is_drawn_thinner_and_without_landmarks() -> None:
    sides = box(100, 100, 200, 220)
    points = np.asarray([[130, 140], [170, 140], [150, 165], [135, 190], [165, 190]], np.float32)
    seen = annotate(picture(), [Mark(7, sides, None, landmarks=points)])
    predicted = annotate(picture(), [Mark(7, sides, None, landmarks=points, predicted=True)])
    assert drawn(seen)[150:200].sum() > drawn(predicted)[150:200].sum()
    assert drawn(seen)[140, 130]
    assert drawn(seen)[190, 165]
    assert not drawn(predicted)[105:215, 105:195].any()


def test_a_name_and_a_score_make_the_label_longer() -> None:
    def label_width(identity: Identity | None) -> int:
        canvas = annotate(picture(), [Mark(7, box(100, 100, 110, 220), identity)])
        return int(drawn(canvas)[85:99].any(axis=0).sum())

    nameless = label_width(None)
    named = label_width(Identity(Outcome.RECOGNISED, person="anna"))
    scored = label_width(Identity(Outcome.RECOGNISED, person="anna", similarity=0.71))
    assert 0 < nameless < named < scored


@pytest.mark.parametrize(
    "sides",
    [
        box(-50, -50, 30, 30),
        box(600, 440, 700, 500),
        box(0, 0, 640, 480),
        box(635, -10, 645, 5),
        box(1000, 1000, 1100, 1100),
    ],
)
def test_a_label_stays_inside_whatever_the_box_does(sides: FloatArray) -> None:
    bare = Mark(7, sides, None)
    labelled = mark(sides)
    whole = drawn(annotate(picture(), [labelled])).sum()
    assert whole > drawn(annotate(picture(), [bare])).sum()


def test_zones_are_drawn_where_their_fractions_say() -> None:
    square = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]
    changed = drawn(annotate(picture(), [], zones=[square]))
    assert changed[120, 165:475].all()
    assert changed[125:355, 160].all()
    assert not changed[130:350, 170:470].any()
    assert not changed[:110].any()


def test_the_caption_is_at_the_lower_left() -> None:
    changed = drawn(annotate(picture(), [], caption="door 00:12"))
    assert changed[470:478, 2:60].mean() > 0.95
    assert not changed[:440].any()
    assert not changed[:, 320:].any()


@pytest.mark.parametrize("size", [(1, 1), (640, 1), (1, 480), (16, 12), (4000, 3000)])
def test_any_picture_can_be_drawn_on(size: tuple[int, int]) -> None:
    canvas = annotate(
        picture(*size),
        [mark(box(0, 0, size[0], size[1]))],
        zones=[[(0, 0), (1, 0), (1, 1)]],
        caption="door",
    )
    assert canvas.shape == (size[1], size[0], 3)


def test_a_body_is_labelled_at_its_feet_and_only_where_it_does_something() -> None:
    sides = box(100, 100, 200, 420)
    plain = drawn(annotate(picture(), [Mark(7, sides, None, body=True)]))
    busy = drawn(annotate(picture(), [Mark(7, sides, None, body=True, doing="running")]))
    assert not plain[:99].any()
    assert not busy[:99].any()
    assert plain[100:420, 100].all()
    assert busy.sum() > 1.5 * plain.sum()
    assert busy[395:420, 105:150].mean() > 0.5


def test_what_a_face_does_stands_beside_its_name() -> None:
    sides = box(100, 100, 200, 220)
    named = Identity(Outcome.RECOGNISED, person="anna", similarity=0.71)
    short, long = (
        drawn(annotate(picture(), [Mark(7, sides, named, doing=doing)]))[:99]
        for doing in ("", "loitering")
    )
    assert long.any(axis=0).sum() > short.any(axis=0).sum() + 40


def test_pictures_are_laid_in_rows() -> None:
    pictures = [np.full((4, 6, 3), level, np.uint8) for level in (10, 20, 30)]
    laid = tile(pictures, columns=2)
    assert laid.shape == (8, 12, 3)
    assert [laid[y, x, 0] for y in (0, 4) for x in (0, 6)] == [10, 20, 30, 0]
    assert tile(pictures[:1], columns=2).shape == (4, 6, 3)
    with pytest.raises(ValueError, match="expected a picture"):
        tile([], columns=2)
