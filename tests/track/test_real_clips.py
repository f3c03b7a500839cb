"""One person is one track, on real clips and with a real detector."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.bundler import About, BundleRequest, make_bundle
from edge.media.video import open_video
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.track.bytetrack import ByteTracker, TrackSettings
from edge.types import ByteImage, Detections, Track
from edge.vision.detector import Detector

CLIPS = ["asl_again.mkv", "asl_sorry.mkv", "asl_walk.mkv"]
COVERED = range(12, 40)


@pytest.fixture(scope="module")
def yunet(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detector]:
    model = assets / "models" / "yunet_n_dynamic.onnx"
    about = About(name="yunet", source="tests")
    request = BundleRequest(model=model, template="yunet", about=about)
    bundle = make_bundle(request, tmp_path_factory.mktemp("bundle") / "yunet")
    with OnnxRuntimeRunner(model.read_bytes()) as runner:
        yield Detector(runner, bundle.manifest, floor=TrackSettings().low_score)


def pictures(clip: Path) -> list[ByteImage]:
    with open_video(clip) as video:
        return [picture.image for picture in islice(video, 60)]


def covered(picture: ByteImage, face: Detections, progress: float) -> ByteImage:
    """A hand in the colour of the face comes up over it, sways and goes down again."""
    x1, y1, x2, y2 = (float(v) for v in face.boxes[0])
    width, height = x2 - x1, y2 - y1
    patch = picture[int(y1 + 0.35 * height) :, int(x1 + 0.3 * width) :][:8, :8]
    skin = [float(v) * 0.9 for v in patch.reshape(-1, 3).mean(axis=0)]
    x = (x1 + x2) / 2 + 0.3 * width * np.sin(9 * progress)
    y = y2 + 0.5 * height - 1.05 * height * np.sin(np.pi * progress) ** 0.5
    palm = (int(0.55 * width), int(0.55 * height))
    return np.asarray(cv2.ellipse(picture.copy(), (int(x), int(y)), palm, 0, 0, 360, skin, -1))


def follow(found: list[Detections], every: int) -> list[Track]:
    tracker = ByteTracker()
    over: list[Track] = []
    for index in range(0, len(found), every):
        over += tracker.update(found[index], index)[1]
    return over + tracker.flush()


@pytest.mark.parametrize("clip", CLIPS)
def test_a_person_whose_face_a_hand_covers_for_a_second_is_one_track(
    assets: Path, yunet: Detector, clip: str
) -> None:
    shown = pictures(assets / "videos" / clip)
    found = [yunet.detect([picture])[0] for picture in shown]
    for every in (1, 3, 6):
        (track,) = follow(found, every)
        assert track.hits == len(range(0, len(shown), every))
    for index in COVERED:
        progress = (index - COVERED.start) / len(COVERED)
        hidden = covered(shown[index], found[index][:1], progress)
        found[index] = yunet.detect([hidden])[0]
    high = TrackSettings().high_score
    assert sum(not (found[i].scores >= high).any() for i in COVERED) > len(COVERED) / 2
    for every in (1, 3):
        (track,) = follow(found, every)
        assert track.last_index >= len(shown) - every


def test_where_there_is_no_face_there_is_no_track(assets: Path, yunet: Detector) -> None:
    tracker = ByteTracker()
    with open_video(assets / "videos" / "bottle-detection.mp4") as video:
        for index, picture in enumerate(video):
            if index % 6 == 0:
                assert tracker.update(yunet.detect([picture.image])[0], index) == ([], [])
