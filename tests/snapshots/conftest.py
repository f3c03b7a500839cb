"""Real models and clips, a real folder, and scenes made by hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.config import Rule, Snapshots
from edge.events.names import source_of, track_subject, type_of
from edge.events.uuid7 import Uuid7
from edge.gallery.matcher import Gallery
from edge.gallery.subject import FaceSubject, RecognitionSettings
from edge.manifest import Manifest
from edge.media import open_video
from edge.pipeline import Followed, Models, Pipeline, Scene
from edge.reporter import CameraView, Reporter
from edge.rules.engine import RuleEngine
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.snapshots import Snapshot, SnapshotTaker
from edge.store.fake import FakeOutbox
from edge.store.snapshots import SnapshotStore
from edge.templates import template
from edge.types import ByteImage, Detections, Event, Frame, OperatingPoint, Track
from edge.vision.detector import Detector
from edge.vision.recogniser import Recogniser
from tests.manifests import manifest_with

Box = tuple[float, float, float, float]
NOON = 1_795_262_400.0  # 2026-11-21T12:00:00Z


@dataclass(frozen=True)
class Eyes:
    """Real models: a detector down to what only keeps a track, and a recogniser."""

    detector: Detector
    recogniser: Recogniser


@pytest.fixture(scope="session")
def eyes(assets: Path) -> Iterator[Eyes]:
    with ExitStack() as stack:

        def load(file: str, family: str) -> tuple[OnnxRuntimeRunner, Manifest]:
            data = (assets / "models" / file).read_bytes()
            runner = stack.enter_context(OnnxRuntimeRunner(data, name=file))
            values: dict[str, Any] = template(family)
            values["input"]["name"] = runner.signature.inputs[0].name
            values["outputs"] = [spec.name for spec in runner.signature.outputs]
            return runner, manifest_with({**values, "name": family})

        detector = Detector(*load("yunet_n_dynamic.onnx", "yunet"), floor=0.1)
        model = load("face-reidentification-retail-0095.onnx", "reid-0095")
        yield Eyes(detector, Recogniser(*model))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SnapshotStore]:
    with SnapshotStore(tmp_path / "media", budget=10**7, keep_days=7) as opened:
        yield opened


@dataclass
class Taken:
    """What came of a clip: each snapshot with its event and the size of the frame."""

    event: Event
    snapshot: Snapshot
    frame: Frame

    @property
    def picture(self) -> ByteImage:
        found = cv2.imdecode(np.frombuffer(self.snapshot.jpeg, np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(found, np.uint8)


Play = Callable[..., list[Taken]]


@pytest.fixture
def play(assets: Path, eyes: Eyes, store: SnapshotStore) -> Play:
    """``play("asl_bird.mkv", what="frame", on=(…))``: a clip goes through the loop, up to its
    ``first`` 200 frames, and pictures are taken; rule: what raises alerts."""

    def run(
        clip: str, *, first: int = 200, rule: str = "face.spoof", **settings: Any
    ) -> list[Taken]:
        pipeline = Pipeline(
            Models(detector=eyes.detector, recogniser=eyes.recogniser),
            gallery=Gallery([], eyes.recogniser.space),
            point=OperatingPoint(threshold=0.49, margin=0.05),
        )
        taker = SnapshotTaker(Snapshots(**settings), store, per_second=100)
        taken: list[Taken] = []
        with FakeOutbox(Uuid7(lambda: round(NOON * 1000), os.urandom)) as outbox:
            reporter = Reporter(
                site="hq",
                node="gate-01",
                outbox=outbox,
                rules=RuleEngine((Rule(id="r", on=(rule,)),), timezone=None),
                threshold=0.49,
                models={},
            )
            view = CameraView(id="door", rules_as="door", zones={})

            def show(scene: Scene) -> None:
                events = {event.id: event for event in reporter.report(scene, view)}
                for snapshot in taker.take(scene, list(events.values())):
                    taken.append(Taken(events[snapshot.event_id], snapshot, scene.frame))

            with open_video(assets / "videos" / clip) as video:
                for index, picture in enumerate(islice(video, first)):
                    frame = Frame("door", index, NOON + picture.pts, picture.image)
                    show(pipeline.step([frame])[0])
            show(pipeline.end(frame))
        return taken

    return run


@dataclass
class Director:
    """Scenes and events made by hand, on one camera whose pictures are noise.

    Faces are ``{track id: box}``; so are those that are followed but not seen, and bodies.
    """

    size: tuple[int, int] = (320, 240)
    new_id: Uuid7 = field(default_factory=lambda: Uuid7(lambda: round(NOON * 1000), os.urandom))

    def picture(self, seed: int = 0) -> ByteImage:
        shape = (self.size[1], self.size[0], 1)
        grey = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
        return np.repeat(grey, 3, axis=2)  # a JPEG keeps brightness finer than colour

    def scene(
        self,
        index: int,
        faces: dict[int, Box] | None = None,
        *,
        unseen: dict[int, Box] | None = None,
        bodies: dict[int, Box] | None = None,
        suspects: tuple[Box, ...] = (),
        ended: dict[int, Box] | None = None,
        camera: str = "door",
        score: float = 0.9,
    ) -> Scene:
        frame = Frame(camera, index, NOON + index / 10, self.picture(index))
        seen = list((faces or {}).values())
        boxes = np.asarray([*seen, *suspects], np.float32).reshape(-1, 4)
        scores = np.asarray([score] * len(seen) + [0.2] * len(suspects), np.float32)
        found = Detections(boxes, scores, np.zeros(len(boxes), np.int64))
        active = [
            *(
                _face(i, box, row, index, score)
                for row, (i, box) in enumerate((faces or {}).items())
            ),
            *(_face(i, box, None, index - 1, score) for i, box in (unseen or {}).items()),
            *(_body(i, box, index) for i, box in (bodies or {}).items()),
        ]
        gone = tuple(_face(i, box, None, index - 9, score) for i, box in (ended or {}).items())
        return Scene(frame, tuple(active), frozenset(), gone, found)

    def event(
        self, name: str, track_id: int | None, time: float = NOON, *, camera: str = "door"
    ) -> Event:
        family, kind = name.split(".")
        return Event(
            self.new_id(),
            source_of("hq", "gate-01", camera),
            type_of(family, kind),
            None if track_id is None else track_subject(track_id),
            time,
            {"track_id": track_id},
        )


def _face(track_id: int, box: Box, row: int | None, last: int, score: float) -> Followed:
    track = Track(track_id, np.asarray(box, np.float32), score, row, 5, 0, last)
    return Followed(track, None, FaceSubject(RecognitionSettings(), None, None))


def _body(track_id: int, box: Box, last: int) -> Followed:
    return Followed(Track(track_id, np.asarray(box, np.float32), 0.9, 0, 5, 0, last), None)


@pytest.fixture
def director() -> Director:
    return Director()
