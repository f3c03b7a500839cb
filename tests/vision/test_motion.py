"""The motion gate: still pictures are passed over, with a look now and then."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.vision.motion import MotionGate, MotionSettings

Image = NDArray[np.uint8]
SETTINGS = MotionSettings(hold=3, look_every=5)


@pytest.fixture
def scene() -> Image:
    gradient = np.linspace(40, 200, 640, dtype=np.uint8)
    return np.repeat(np.tile(gradient, (480, 1))[..., None], 3, axis=2)


def passed(gate: MotionGate, pictures: list[Image]) -> list[int]:
    return [index for index, picture in enumerate(pictures) if gate.passes(picture)]


def with_patch(scene: Image, x: int) -> Image:
    changed = scene.copy()
    changed[200:280, x : x + 60] = 255 - changed[200:280, x : x + 60]
    return changed


def test_a_still_scene_passes_once_and_then_at_every_look(scene: Image) -> None:
    # Frame 0 counts as motion and holds the gate for 0, 1, 2; then each fifth frame is a look.
    assert passed(MotionGate(SETTINGS), [scene] * 20) == [0, 1, 2, 7, 12, 17]


def test_somebody_who_moves_passes_every_frame(scene: Image) -> None:
    pictures = [with_patch(scene, 30 * i) for i in range(15)]
    assert passed(MotionGate(SETTINGS), pictures) == list(range(15))


def test_motion_opens_the_gate_at_once_and_holds_it(scene: Image) -> None:
    pictures = [scene] * 5 + [with_patch(scene, 300)] + [scene] * 10
    # Frame 5 moved; what it left in the average is too faint to count. 5, 6, 7, then a look.
    assert passed(MotionGate(SETTINGS), pictures) == [0, 1, 2, 5, 6, 7, 12]


def test_noise_of_a_sensor_is_no_motion(scene: Image) -> None:
    noise = np.random.default_rng(1)
    pictures = [
        np.clip(scene + noise.normal(0, 8, scene.shape), 0, 255).astype(np.uint8) for _ in range(20)
    ]
    assert passed(MotionGate(SETTINGS), pictures) == [0, 1, 2, 7, 12, 17]


def test_a_change_of_light_is_no_motion(scene: Image) -> None:
    pictures = [scene] * 5 + [np.clip(scene.astype(int) + 30, 0, 255).astype(np.uint8)] * 15
    assert passed(MotionGate(SETTINGS), pictures) == [0, 1, 2, 7, 12, 17]


def test_a_stream_may_change_its_size(scene: Image) -> None:
    gate = MotionGate(SETTINGS)
    gate.passes(scene)
    assert isinstance(gate.passes(scene[:240, :320]), bool)
