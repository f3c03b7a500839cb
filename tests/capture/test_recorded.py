"""A recording in place of a camera."""

from __future__ import annotations

from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import pytest

from edge.capture.feed import Liveness
from edge.capture.recorded import RecordedCamera
from edge.errors import ClosedError, MediaError
from edge.media import VideoWriter
from edge.types import Frame


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    with VideoWriter(path, size=(96, 64), fps=10.0) as writer:
        for index in range(12):
            writer.write(np.full((64, 96, 3), 20 * index, np.uint8))
    return path


def all_frames(camera: RecordedCamera, ends: list[int]) -> list[Frame]:
    """What a loop that waits for the camera gets, to the end."""
    frames = []
    while not ends:
        assert wait([camera.fileno()], 10), "nothing more came, and no end"
        frame = camera.newest()
        if frame is not None:
            frames.append(frame)
    return frames


def test_every_frame_comes_once_with_the_time_of_the_recording(film: Path) -> None:
    ends: list[int] = []
    beats: list[int] = []
    ticks = iter(range(100))
    with RecordedCamera(
        "door", film, start=1000.0, on_end=lambda: ends.append(1), beat=lambda: beats.append(1),
        clock=lambda: float(next(ticks)),
    ) as camera:  # fmt: skip
        assert camera.status.state is Liveness.LIVE
        frames = all_frames(camera, ends)
        assert camera.newest() is None
        assert camera.ended
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.time for frame in frames] == pytest.approx([1000 + i / 10 for i in range(12)])
    levels = [frame.image.mean() for frame in frames]
    assert levels == sorted(levels)
    assert ends == [1]
    assert len(beats) == 12
    assert camera.begun == {index: float(index) for index in range(12)}


def test_it_can_be_shown_again(film: Path) -> None:
    ends: list[int] = []
    camera = RecordedCamera("door", film, start=0.0, on_end=lambda: ends.append(1))
    for _ in range(2):
        with camera:
            assert len(all_frames(camera, ends)) == 12
        ends.clear()


def test_nothing_is_left_of_one_that_is_stopped_in_the_middle(film: Path) -> None:
    ends: list[int] = []
    with RecordedCamera("door", film, start=0.0, on_end=lambda: ends.append(1)) as camera:
        assert camera.newest() is not None
    with pytest.raises(ClosedError):
        camera.newest()
    assert ends == []


def test_a_file_that_is_none_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film")
    camera = RecordedCamera("door", tmp_path / "film.mp4", start=0.0, on_end=lambda: None)
    with pytest.raises(MediaError):
        camera.start()
