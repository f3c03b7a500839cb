"""A source that changes the size of its pictures, from the pipeline to committed events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.pipeline import Models, Pipeline
from edge.reporter import CameraView
from edge.types import ByteImage, Detections, Event, Frame
from edge.vision.detector import Detector
from tests.reporter.conftest import new_reporter

RIGHT = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
# By the width of the picture: in the right half of the large one, in the left of the small one.
BOXES = {640: (450, 200, 530, 310), 320: (20, 30, 70, 90)}


class OneFace(Detector):
    """Always finds the face that belongs to a picture of this size."""

    def __init__(self) -> None:
        pass

    @property
    def score(self) -> float:
        return 0.6

    def detect(self, pictures: Sequence[ByteImage]) -> list[Detections]:
        return [
            Detections(
                np.asarray([BOXES[picture.shape[1]]], np.float32),
                np.full(1, 0.9, np.float32),
                np.zeros(1, np.int64),
                None,
            )
            for picture in pictures
        ]


def test_boxes_zones_and_frame_sizes_agree_when_the_size_changes() -> None:
    reporter, _ = new_reporter(roles=("detector",), threshold=None)
    view = CameraView(id="door", rules_as="door", zones={"right": RIGHT})
    pipeline = Pipeline(Models(detector=OneFace()))
    events: list[Event] = []
    for index in range(60):
        size = (480, 640, 3) if index < 30 else (240, 320, 3)
        frame = Frame("door", index, index / 10, np.zeros(size, np.uint8))
        for scene in pipeline.step([frame]):
            events += reporter.report(scene, view)
    events += reporter.report(pipeline.end(frame), view)

    assert [event.data["phase"] for event in events] == ["started", "ended"] * 2
    assert [event.data["track_id"] for event in events] == [1, 1, 2, 2]
    assert [event.data["frame_size"] for event in events] == [[640, 480]] * 2 + [[320, 240]] * 2
    assert [event.data["zones"] for event in events] == [["right"]] * 2 + [[]] * 2
    large, small = ([float(side) for side in BOXES[width]] for width in (640, 320))
    assert [event.data["box"] for event in events] == [large] * 2 + [small] * 2
    assert events[1].time == 2.9  # the last frame of the old size
