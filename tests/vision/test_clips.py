"""Clips of followed people: cut as those that models learn from are, at any frame rate."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.types import ByteImage, FloatArray, Frame, Track
from edge.vision.clips import ClipForm, TrackClips, crop_track, glimpse

FORM = ClipForm(frames=16, fps=8.0, size=(48, 48), factor=1.25)
SIZE = (240, 320)  # height, width


def texture(seed: int, shape: tuple[int, int] = SIZE, *, cell: int = 8) -> ByteImage:
    """Noise of cells of so many pixels, shaded from one to the next."""
    small = np.random.default_rng(seed).integers(0, 256, (shape[0] // cell, shape[1] // cell, 3))
    return np.asarray(cv2.resize(small.astype(np.uint8), shape[::-1]), np.uint8)


def track(box: FloatArray | tuple[float, ...], index: int, track_id: int = 1) -> Track:
    return Track(track_id, np.asarray(box, np.float32), 0.9, 0, 5, 0, index)


def grey(index: int) -> ByteImage:
    """A picture that says which one it is."""
    return np.full((*SIZE, 3), index, np.uint8)


def play(
    fps: float, seconds: float, box: tuple[float, ...] = (100, 60, 140, 160)
) -> list[list[int]]:
    """The shades of the frames of every clip that came of a film at ``fps`` of grey pictures."""
    clips = TrackClips(FORM)
    found = []
    for index in range(int(fps * seconds)):
        frame = Frame("door", index, 1795255200.0 + index / fps, grey(index))
        found += clips.look(frame, [track(box, index)])
    return [[int(picture[24, 24, 0]) for picture in clip.pixels] for clip in found]


def walk(height: float, count: int = 16) -> FloatArray:
    """The boxes of somebody who walks to the right, nearer and a little unevenly."""
    random = np.random.default_rng(7)
    boxes = []
    for index in range(count):
        tall = height * (1 + 0.01 * index)
        x, y = 60 + 4 * index, 0.6 * SIZE[0] + tall / 2
        box = np.asarray([x - tall / 5, y - tall, x + tall / 5, y])
        boxes.append(box + random.normal(0, 0.02 * tall, 4))
    return np.asarray(boxes, np.float32)


@pytest.mark.parametrize("height", [24, 40, 80])
def test_a_camera_cuts_what_a_model_learns_from(height: float) -> None:
    images = [texture(seed) for seed in range(16)]
    boxes = walk(height)
    wanted = crop_track(images, boxes, size=48, factor=1.25)
    clips = TrackClips(FORM)
    due = [
        clip
        for index, (image, box) in enumerate(zip(images, boxes, strict=True))
        for clip in clips.look(Frame("door", index, index / 8, image), [track(box, index)])
    ]
    assert [clip.track_id for clip in due] == [1]
    differs = np.abs(due[0].pixels.astype(int) - wanted.astype(int))
    assert differs.max() <= 2  # the rounding of a warp from another corner


def test_who_is_near_is_kept_smaller_and_looks_the_same() -> None:
    images = [texture(seed, (480, 640), cell=32) for seed in range(16)]
    boxes = walk(200)
    wanted = crop_track(images, boxes, size=48, factor=1.25)
    clips = TrackClips(FORM)
    for index, (image, box) in enumerate(zip(images, boxes, strict=True)):
        due = clips.look(Frame("door", index, index / 8, image), [track(box, index)])
    assert np.abs(due[0].pixels.astype(int) - wanted.astype(int)).mean() < 3


def test_what_is_kept_of_a_frame_is_small_however_large_the_person_is() -> None:
    image = np.zeros((2160, 3840, 3), np.uint8)
    for box in [(100, 100, 900, 2100), (0, 0, 3840, 2160), (3000, 50, 3100, 300)]:
        kept = glimpse(image, np.asarray(box, np.float32), 1.25)
        assert kept is not None
        assert max(kept.picture.shape[:2]) <= 193
        assert kept.picture.base is None  # the frame can go


@pytest.mark.parametrize("fps", [8.0, 10.0, 15.0, 25.0, 30.0])
def test_frames_are_an_eighth_of_a_second_apart_whatever_the_camera_gives(fps: float) -> None:
    first, *_ = play(fps, 4)
    steps = np.diff(first) / fps
    assert np.abs(steps - 1 / 8).max() <= 0.5 / 8 + 1 / fps / 2
    assert (first[-1] - first[0]) / fps == pytest.approx(15 / 8, abs=1.5 / fps)


def test_of_a_slow_camera_frames_stand_for_those_after_them() -> None:
    first, *_ = play(4.0, 4)
    assert first == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8]


def test_a_clip_comes_every_half_second_once_there_is_one() -> None:
    assert [clip[-1] for clip in play(8.0, 5)] == [15, 19, 23, 27, 31, 35, 39]
    assert play(1.5, 30) == []  # two frames are too far apart


def gapped(indices: list[int], *, fps: float = 8.0) -> list[int]:
    """Ends of the clips where somebody is seen in these frames alone."""
    clips = TrackClips(FORM)
    return [
        index
        for index in indices
        if clips.look(Frame("d", index, index / fps, grey(index)), [track((9, 9, 49, 99), index)])
    ]


def test_somebody_who_was_out_of_sight_for_long_begins_anew() -> None:
    assert gapped([*range(12), *range(15, 20)]) == [15, 19]  # 3 frames are missing
    assert gapped([*range(12), *range(20, 40)]) == [35, 39]


def test_a_clock_that_is_set_back_begins_anew() -> None:
    clips = TrackClips(FORM)
    ends = []
    for index in range(40):
        time = index / 8 if index < 20 else index / 8 - 100
        frame = Frame("door", index, time, grey(index))
        if clips.look(frame, [track((9, 9, 49, 99), index)]):
            ends.append(index)
    assert ends == [15, 19, 35, 39]


def test_nobody_is_kept_who_is_not_followed_or_came_as_the_seventeenth() -> None:
    clips = TrackClips(FORM)
    people = [track((9, 9, 49, 99), 0, number) for number in range(40)]
    due = []
    for index in range(16):
        due += clips.look(Frame("door", index, index / 8, grey(index)), people)
    assert [clip.track_id for clip in due] == list(range(16))
    clips.retain([])
    assert clips.look(Frame("door", 16, 2.0, grey(16)), people) == []


@pytest.mark.parametrize("box", [(-50, 10, -5, 90), (400, 10, 450, 90), (20, 30, 20, 60)])
def test_a_box_that_shows_nothing_is_passed_over(box: tuple[float, ...]) -> None:
    assert glimpse(grey(0), np.asarray(box, np.float32), 1.25) is None
    assert play(8.0, 3, box) == []


def test_somebody_at_the_edge_of_the_frame_is_cut_with_the_edge_repeated() -> None:
    images = [texture(seed) for seed in range(16)]
    boxes = np.tile(np.asarray([[-8, 180, 22, 244]], np.float32), (16, 1))
    clips = TrackClips(FORM)
    for index, image in enumerate(images):
        due = clips.look(Frame("door", index, index / 8, image), [track(boxes[0], index)])
    wanted = crop_track(images, boxes, size=48, factor=1.25)
    assert np.abs(due[0].pixels.astype(int) - wanted.astype(int)).max() <= 2
