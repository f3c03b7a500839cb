from __future__ import annotations

import math

import numpy as np
import pytest

from edge.vision.clips import crop_track
from export.reference.world.baselines import (
    FrameDifference,
    anomalies_by_pixels,
    area_under_roc,
    behaviours_by_difference,
    faces_by_pixels,
    measure,
    people_by_difference,
)
from export.reference.world.faces import FaceSample, face_sample, face_samples, template
from export.reference.world.identity import person
from export.reference.world.samples import (
    AnomalySample,
    DetectorSample,
    TrackClip,
    anomaly_samples,
    detector_sample,
    detector_samples,
    newcomers,
    track_clips,
)
from export.reference.world.truth import (
    BEHAVIOURS,
    AnomalyTruth,
    FaceTruth,
    FrameTruth,
    PersonTruth,
)


def _person(track: int, box: list[float], visible: float, face: FaceTruth | None) -> PersonTruth:
    return PersonTruth(
        track=track, identity=track, box=np.asarray(box, np.float32), visible=visible,
        skeleton=np.zeros((17, 2), np.float32), seen=np.zeros(17, bool), behaviour="walk",
        face=face,
    )  # fmt: skip


def _face(wide: float, visible: float, yaw: float = 0.0) -> FaceTruth:
    box = np.asarray([10, 10, 10 + wide, 10 + wide], np.float32)
    return FaceTruth(box, np.ones((5, 2), np.float32), visible, yaw, 0.0)


def test_a_face_without_nuisance_lies_on_the_template_and_is_always_the_same() -> None:
    who = person(5)
    first = face_sample(who, np.random.default_rng(1), nuisance=0.0)
    assert first.image.shape == (64, 64, 3)
    assert (first.yaw, first.pitch, first.worn) == (0.0, 0.0, "nothing")
    (x, y), (other, _), *_ = template(64)
    dark = first.image[round(y) - 1 : round(y) + 2, round(x) - 2 : round(x) + 3].min()
    cheek = first.image[round(y) + 12, round((x + other) / 2) - 10].mean()
    assert dark < 0.6 * cheek  # a pupil where the eye has to be


def test_faces_are_the_same_for_the_same_seed_and_differ_otherwise() -> None:
    first = list(face_samples([3, 4], each=3, seed=1))
    again = list(face_samples([3, 4], each=3, seed=1))
    other = list(face_samples([3, 4], each=3, seed=2))
    assert [one.identity for one in first] == [3, 3, 3, 4, 4, 4]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.image, b.image) for a, b in zip(first, other, strict=True))


def test_faces_turn_as_far_as_promised_and_wear_everything() -> None:
    samples = [face_sample(person(1), np.random.default_rng(i)) for i in range(250)]
    yaws = np.degrees([abs(one.yaw) for one in samples])
    pitches = np.degrees([abs(one.pitch) for one in samples])
    assert 40 < yaws.max() <= 50.001
    assert 18 < pitches.max() <= 25.001
    assert {one.worn for one in samples} == {"nothing", "sunglasses", "mask", "scarf", "hand"}


def test_what_is_hidden_or_small_is_not_asked_for() -> None:
    truth = FrameTruth(
        0,
        0.0,
        (
            _person(1, [0, 0, 50, 100], 1.0, _face(20, 1.0)),
            _person(2, [60, 0, 90, 100], 0.2, _face(20, 0.1)),
            _person(3, [90, 0, 99, 100], 0.9, _face(5, 1.0)),
            _person(4, [0, 0, 9, 10], 0.9, _face(20, 1.0, yaw=1.3)),
        ),
    )
    sample = detector_sample(np.zeros((120, 120, 3), np.uint8), truth)
    assert sample.people[:, 0].tolist() == [0, 90, 0]
    assert sample.faces.tolist() == [[10, 10, 30, 30]]
    assert sample.landmarks.shape == (1, 5, 2)
    assert len(sample.ignored) == 4


def test_nobody_leaves_empty_arrays() -> None:
    sample = detector_sample(np.zeros((64, 64, 3), np.uint8), FrameTruth(0, 0.0, ()))
    assert (sample.people.shape, sample.landmarks.shape) == ((0, 4), (0, 5, 2))


def test_newcomers_are_others_in_every_scene_and_seen_only_where_asked_for() -> None:
    assert newcomers(None, 3) is None
    first, second = newcomers(100, 0), newcomers(100, 1)
    assert first is not None
    assert second is not None
    assert not set(first) & set(second)
    assert min(first) == 100
    anyone = detector_samples(seed=1, count=8, size=(160, 96), each=2)
    others = detector_samples(seed=1, count=8, size=(160, 96), each=2, people_from=2_000_000)
    pairs = list(zip(anyone, others, strict=True))
    assert any((one.image != other.image).any() for one, other in pairs)


def test_detector_samples_hold_people_and_faces() -> None:
    samples = list(detector_samples(seed=1, count=20, size=(160, 96)))
    assert len(samples) == 20
    assert all(one.image.shape == (96, 160, 3) for one in samples)
    assert sum(len(one.people) for one in samples) > 10
    again = list(detector_samples(seed=1, count=20, size=(160, 96)))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(samples, again, strict=True))


def test_a_track_is_cut_out_at_one_scale() -> None:
    frames = []
    boxes = []
    for index in range(6):
        frame = np.zeros((100, 200, 3), np.uint8)
        x = 40 + 12 * index
        frame[30:70, x : x + 20] = 255
        frames.append(frame)
        boxes.append([x, 30, x + 20, 70])
    crops = crop_track(frames, np.asarray(boxes, np.float32), size=50, factor=1.25)
    assert crops.shape == (6, 50, 50, 3)
    # The largest side is 40, its square 50: one pixel for one pixel, the object in the middle.
    for crop in crops[2:4]:
        rows, columns = np.nonzero(crop[..., 0] > 127)
        assert (rows.min(), rows.max() + 1) == (5, 45)
        assert (columns.min(), columns.max() + 1) == (15, 35)


def test_clips_show_each_behaviour_in_turn() -> None:
    clips = list(track_clips(seed=4, count=8, frames=8, size=32, scene_size=(160, 96)))
    assert [clip.behaviour for clip in clips] == [*BEHAVIOURS, BEHAVIOURS[0]]
    assert all(clip.pixels.shape == (8, 32, 32, 3) for clip in clips)
    assert all(clip.pixels.std(axis=0).mean() > 1 for clip in clips)


def test_anomalies_take_turns_among_normal_frames() -> None:
    samples = list(
        anomaly_samples(
            place="lobby", view=1, seed=2, count=30, anomalous=0.6, size=(96, 64), each=1
        )
    )
    kinds = {one.anomaly.kind for one in samples if one.anomaly is not None}
    assert kinds == {"object", "lying", "smoke", "open_door", "covered"}
    assert any(one.anomaly is None for one in samples)


def test_a_square_that_moves_is_found_by_difference() -> None:
    scene = []
    for index in range(30):
        image = np.full((96, 160, 3), 90, np.uint8)
        x = 4 * index
        image[30:70, x : x + 24] = 200
        box = np.asarray([[x, 30, x + 24, 70]], np.float32)
        nothing = np.zeros((0, 4), np.float32)
        scene.append(DetectorSample(image, box, nothing, np.zeros((0, 5, 2), np.float32), nothing))
    assert people_by_difference([scene]).value > 0.9
    still = FrameDifference([scene[0].image] * 3)
    assert len(still(scene[0].image)) == 0
    assert len(still(scene[9].image)) > 0


def test_pixels_know_faces_that_never_change_and_not_those_that_are_noise() -> None:
    random = np.random.default_rng(0)
    alike, noise = [], []
    for identity in range(90):
        own = random.integers(0, 255, (8, 8, 3), np.uint8)
        for _ in range(2):
            alike.append(FaceSample(own, identity, 0.0, 0.0, "nothing", 40.0))
            other = random.integers(0, 255, (8, 8, 3), np.uint8)
            noise.append(FaceSample(other, identity, 0.0, 0.0, "nothing", 40.0))
    assert faces_by_pixels(alike).value == 1.0
    assert faces_by_pixels(noise).value < 0.05


def test_too_few_people_cannot_show_the_rate() -> None:
    with pytest.raises(ValueError, match="pairs of people"):
        faces_by_pixels(list(face_samples([1, 2, 3], each=2, seed=0)))


def test_behaviours_that_differ_in_movement_alone_are_told_apart() -> None:
    random = np.random.default_rng(0)

    def clip(index: int) -> TrackClip:
        pixels = np.zeros((8, 16, 16, 3), np.uint8)
        if index % 2:
            pixels[:, 8:] = random.integers(0, 255, (8, 8, 16, 3), np.uint8)
        else:
            pixels[:, :8] = random.integers(0, 255, (8, 8, 16, 3), np.uint8)
        return TrackClip(pixels, BEHAVIOURS[index % 2], index, 1)

    clips = [clip(index) for index in range(40)]
    assert behaviours_by_difference(clips[:20], clips[20:]).value == 1.0


def test_area_under_the_curve_by_hand() -> None:
    # Of the six pairs five are in order and one is a tie: 5.5 / 6.
    scores = np.asarray([1.0, 2.0, 3.0, 3.0, 4.0])
    wrong = np.asarray([False, False, True, False, True])
    assert area_under_roc(scores, wrong).value == pytest.approx(5.5 / 6)


def test_pixels_see_what_is_far_from_every_normal_frame() -> None:
    random = np.random.default_rng(0)

    def sample(index: int, kind: bool) -> AnomalySample:
        image = random.normal(100, 5, (24, 32, 3)).astype(np.uint8)
        if kind:
            image[5:15, 5:15] = 250
        truth = AnomalyTruth("object", np.asarray([5, 5, 15, 15], np.float32)) if kind else None
        return AnomalySample(image, truth, index)

    normal = [sample(index, False) for index in range(20)]
    asked = [sample(index, index % 2 == 0) for index in range(20)]
    assert anomalies_by_pixels(normal, asked).value == 1.0


@pytest.mark.slow
def test_arithmetic_on_pixels_stays_far_below_the_goals() -> None:
    for line in measure(seed=3, scale=0.4):
        assert math.isfinite(line.figure.value)
        if line.most is not None:
            assert line.most == pytest.approx(0.7 * line.goal, abs=1e-3)
            assert line.figure.value < line.most, line.name
