"""The Kalman filter against numbers worked by hand and against the full 8 × 8 matrices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.track.kalman import Motion

# Centre (100, 100), aspect 1/2, height 160: deviations of 160/20 = 8 for where it is and
# 160/160 = 1 for how it moves, so variances of 64 and 1.
BOX = (60.0, 20.0, 140.0, 180.0)
X, ASPECT, HEIGHT = 0, 2, 3
PARTS = ("position", "velocity", "spread", "tie", "velocity_spread")


def seen(*boxes: tuple[float, float, float, float]) -> Motion:
    return Motion.start(boxes)


def moved(box: tuple[float, float, float, float], x: float, y: float = 0.0) -> list[float]:
    return [box[0] + x, box[1] + y, box[2] + x, box[3] + y]


def coordinate(motion: Motion, which: int) -> list[float]:
    return [float(getattr(motion, name)[0, which]) for name in PARTS]


def test_one_step_worked_by_hand() -> None:
    start = seen(BOX)
    # Twice the deviation for the place, 16² = 256, and ten times for the velocity, 10² = 100.
    assert coordinate(start, X) == [100, 0, 256, 0, 100]

    predicted = start.predict(1)
    # 256 + 100 + 64 = 420; tie 100; 100 + 1 = 101.
    assert coordinate(predicted, X) == [100, 0, 420, 100, 101]

    corrected = predicted.correct(np.asarray([0]), [moved(BOX, 21)])
    # Seen at 121, 21 further, with noise 64: 420 + 64 = 484. Gains 420/484 and 100/484.
    # 420 · (1 − 420/484) = 420 · 64/484; 100 · 64/484; 101 − 100²/484.
    assert coordinate(corrected, X) == pytest.approx(
        [100 + 21 * 420 / 484, 21 * 100 / 484, 26880 / 484, 6400 / 484, 101 - 10000 / 484]
    )
    assert corrected.position[0, X] == pytest.approx(118.2231, abs=1e-4)
    assert corrected.velocity[0, X] == pytest.approx(4.3388, abs=1e-4)

    later = corrected.predict(2)
    # Two steps by hand from (55.5372, 13.2231, 80.3388), the height still 160:
    # 1: 55.5372 + 2 · 13.2231 + 80.3388 + 64 = 226.3223; 13.2231 + 80.3388 = 93.5620; 81.3388.
    # 2: 226.3223 + 2 · 93.5620 + 81.3388 + 64 = 558.7851; 93.5620 + 81.3388 = 174.9008; 82.3388.
    assert coordinate(later, X) == pytest.approx(
        [126.9008, 4.3388, 558.7851, 174.9008, 82.3388], abs=1e-4
    )


def test_the_aspect_ratio_worked_by_hand() -> None:
    predicted = seen(BOX).predict(1)
    # Deviations 0.01 to start with and per step, 1e-5 for its velocity; 0.1 where it is seen.
    assert coordinate(predicted, ASPECT) == pytest.approx([0.5, 0, 2e-4 + 1e-10, 1e-10, 2e-10])
    wider = predicted.correct(np.asarray([0]), [(40.0, 20.0, 160.0, 180.0)])
    # Seen as 120/160 = 0.75; the gain is 2e-4 / (2e-4 + 1e-2).
    gain = (2e-4 + 1e-10) / (1.02e-2 + 1e-10)
    assert wider.position[0, ASPECT] == pytest.approx(0.5 + 0.25 * gain)


class Matrices:
    """The same filter for one box as the paper writes it: 8 numbers and an 8 × 8 covariance."""

    def __init__(self, z: NDArray[np.float64]) -> None:
        h = z[3]
        self.mean = np.concatenate([z, np.zeros(4)])
        self.cov = np.diag([h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16]) ** 2

    def predict(self) -> None:
        h = self.mean[3]
        move = np.eye(8) + np.eye(8, k=4)
        noise = np.diag([h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160]) ** 2
        self.mean, self.cov = move @ self.mean, move @ self.cov @ move.T + noise

    def correct(self, z: NDArray[np.float64]) -> None:
        h = self.mean[3]
        look = np.eye(4, 8)
        noise = np.diag([h / 20, h / 20, 1e-1, h / 20]) ** 2
        gain = self.cov @ look.T @ np.linalg.inv(look @ self.cov @ look.T + noise)
        self.mean = self.mean + gain @ (z - look @ self.mean)
        self.cov = (np.eye(8) - gain @ look) @ self.cov


def test_the_blocks_are_the_full_matrices() -> None:
    rng = np.random.default_rng(5)
    states = np.column_stack(
        [rng.uniform(100, 500, (3, 2)), rng.uniform(0.5, 1.5, 3), rng.uniform(40, 90, 3)]
    )
    motion = Motion.start(_boxes(states))
    matrices = [Matrices(z) for z in states]
    for step in range(25):
        motion = motion.predict(1)
        states = states + rng.normal(0, 1, states.shape) * (4, 3, 0.01, 1)
        rows = np.flatnonzero(rng.random(3) < 0.7)  # the others are not seen this time
        motion = motion.correct(rows, _boxes(states[rows]))
        for i, full in enumerate(matrices):
            full.predict()
            if i in rows:
                full.correct(states[i])
            blocks = full.cov.reshape(2, 4, 2, 4)
            others = full.cov.copy()
            others[np.arange(8), np.arange(8)] = 0
            others[np.arange(4), np.arange(4) + 4] = others[np.arange(4) + 4, np.arange(4)] = 0
            assert np.abs(others).max() < 1e-9, step
            np.testing.assert_allclose(motion.position[i], full.mean[:4])
            np.testing.assert_allclose(motion.velocity[i], full.mean[4:], atol=1e-12)
            np.testing.assert_allclose(motion.spread[i], np.diag(blocks[0, :, 0]))
            np.testing.assert_allclose(motion.tie[i], np.diag(blocks[0, :, 1]), atol=1e-12)
            np.testing.assert_allclose(motion.velocity_spread[i], np.diag(blocks[1, :, 1]))


def _boxes(states: NDArray[np.float64]) -> NDArray[np.float64]:
    cx, cy, a, h = states.T
    return np.column_stack([cx - a * h / 2, cy - h / 2, cx + a * h / 2, cy + h / 2])


@pytest.mark.parametrize("frames", [1, 2, 3, 10])
def test_many_frames_at_once_are_as_one_by_one(frames: int) -> None:
    start = seen(BOX, (0.0, 0.0, 30.0, 40.0)).predict(1)
    start = start.correct(np.asarray([0, 1]), [moved(BOX, 12, -5), (3.0, 1.0, 33.0, 41.0)])
    one_by_one = start
    for _ in range(frames):
        one_by_one = one_by_one.predict(1)
    for name in PARTS:
        np.testing.assert_allclose(
            getattr(start.predict(frames), name), getattr(one_by_one, name), rtol=1e-9
        )


def test_no_frames_later_nothing_has_changed() -> None:
    start = seen(BOX)
    for name in PARTS:
        assert (getattr(start.predict(0), name) == getattr(start, name)).all()


def test_a_box_that_stops_is_no_surer_than_one_that_goes_on() -> None:
    # Three alike, 4.3388 a frame: one goes on for all of 5 frames, one for 2, one stands.
    start = seen(BOX, BOX, BOX).predict(1)
    start = start.correct(np.arange(3), [moved(BOX, 21)] * 3)
    later = start.predict(5, [5, 2, 0])
    speed = 21 * 100 / 484
    assert later.position[:, X] - start.position[:, X] == pytest.approx(
        np.asarray([5, 2, 0]) * speed
    )
    assert later.velocity[:, X] == pytest.approx([speed, 0, 0])
    assert (later.spread == later.spread[0]).all()


def test_a_held_size_stays_while_the_place_moves_on() -> None:
    grown = (55.0, 10.0, 165.0, 210.0)
    motion = seen(BOX, BOX).predict(1).correct(np.asarray([0, 1]), [grown, grown])
    assert motion.velocity[0, HEIGHT] > 1
    later = motion.hold_size(np.asarray([1])).predict(3)
    assert later.position[0, HEIGHT] > motion.position[0, HEIGHT] + 3
    assert later.position[1, HEIGHT] == motion.position[1, HEIGHT]
    assert later.position[0, X] == later.position[1, X]


def test_a_shrinking_box_never_turns_over() -> None:
    motion = seen(BOX).predict(1).correct(np.asarray([0]), [(90.0, 80.0, 110.0, 120.0)])
    assert motion.velocity[0, HEIGHT] < -10
    (x1, y1, x2, y2) = motion.predict(100).boxes()[0]
    assert x2 > x1
    assert y2 == pytest.approx(y1 + 1, abs=1e-3)


def test_boxes_come_back_as_they_went_in() -> None:
    boxes = np.asarray([BOX, (0, 0, 1, 1), (600.5, 10.25, 640, 479.75)], np.float32)
    back = Motion.start(boxes).boxes()
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, boxes, atol=1e-4)


def test_none_at_all_is_fine() -> None:
    none = seen()
    assert len(none) == 0
    assert none.predict(3).correct(np.zeros(0, np.intp), np.zeros((0, 4))).boxes().shape == (0, 4)
    assert len(none.join(seen(BOX))) == 1
    assert len(seen(BOX)[np.asarray([False])]) == 0


def test_only_the_rows_seen_are_corrected_and_nothing_in_place() -> None:
    start = seen(BOX, BOX)
    motion = start.predict(1)
    before = {name: getattr(motion, name).copy() for name in PARTS}
    corrected = motion.correct(np.asarray([1]), [moved(BOX, 21)])
    motion.hold_size(np.asarray([0, 1]))
    for name, values in before.items():
        assert (getattr(motion, name) == values).all()
    assert corrected.position[0, X] == 100
    assert corrected.position[1, X] > 118
    joined = start.join(corrected)
    assert joined.position[:, X] == pytest.approx([100, 100, 100, 118.2231], abs=1e-4)
    assert joined[np.asarray([3, 0])].position[:, X] == pytest.approx([118.2231, 100], abs=1e-4)
