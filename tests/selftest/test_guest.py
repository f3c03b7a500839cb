"""A guest of the loop: it gets what the cameras leave."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from edge.camera_view import CameraView
from edge.capture.fake_feed import FakeCamera
from edge.errors import InferenceError
from edge.loop import Guest, Line, LiveLoop, Station
from edge.ops.health import HealthMonitor, Progress
from edge.pipeline import Pipeline
from edge.reporter import Reporter
from edge.rules.engine import RuleEngine
from edge.types import Event
from tests.selftest.bench import Bench
from tests.small_world import portrait

MakeBench = Callable[..., Bench]


class Place:
    """A door and a guest, shown by hand."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.door, self.guest_camera = FakeCamera("door"), FakeCamera("visitor")
        self.door.start()
        self.guest_camera.start()
        self.guest = Guest(station=self.station(self.guest_camera), line=self.line())
        self.loop = LiveLoop(
            [self.station(self.door)],
            line=self.line(),
            outbox=bench.outbox,
            metrics=bench.metrics,
            monitor=HealthMonitor(Progress()),
            guest=self.guest,
        )

    def station(self, camera: FakeCamera) -> Station:
        return Station(camera, CameraView(id=camera.camera, rules_as=camera.camera, zones={}))

    def line(self) -> Line:
        loaded = self.bench.deployment.loaded
        reporter = Reporter(
            site="hq",
            node="gate",
            outbox=self.bench.outbox,
            rules=RuleEngine(()),
            threshold=None,
            models=loaded.references,
        )
        models = loaded.models
        pipeline = Pipeline(type(models)(detector=models.detector))
        return Line(pipeline=pipeline, reporter=reporter, on_scene=lambda scene, events: None)

    def show(self) -> None:
        for camera in (self.door, self.guest_camera):
            camera.show(portrait(1))

    def turn(self) -> None:
        self.show()
        self.loop.turn(0.0)

    def events(self, camera: str) -> list[Event]:
        return [event for event in self.bench.events if event.source.endswith(f"/{camera}")]


@pytest.fixture
def scene(bench: MakeBench) -> Place:
    return Place(bench())


def test_it_rests_for_three_times_as_long_as_it_took(scene: Place) -> None:
    began = time.monotonic()
    scene.turn()
    took = time.monotonic() - began
    assert began < scene.guest.free_at <= began + 4 * took + 1e-3
    scene.guest.free_at = began + 1e6
    for _ in range(5):
        scene.turn()
    assert len(scene.events("door")) == 1
    assert scene.events("visitor") == []
    for _ in range(5):
        scene.guest.free_at = 0.0
        scene.turn()
    assert len(scene.events("visitor")) == 1


def test_it_rests_after_frames_that_its_gate_keeps_back_too(scene: Place) -> None:
    for _ in range(20):
        scene.guest.free_at = 0.0
        began = time.monotonic()
        scene.turn()
        assert scene.guest.free_at > began
    assert 0 < scene.guest.analysed < scene.guest.shown == 20


def test_the_loop_waits_for_cameras_while_it_rests(scene: Place) -> None:
    """A guest with frames that nobody takes must not keep the loop awake."""
    scene.turn()
    scene.guest.free_at = time.monotonic() + 1e6
    scene.guest_camera.show(portrait(1))
    began = time.monotonic()
    scene.loop.turn(0.2)
    assert time.monotonic() - began >= 0.19


def test_what_fails_there_is_its_own_business(scene: Place) -> None:
    def fail(frames: object) -> list[object]:
        raise InferenceError("no numbers")

    scene.guest.line.pipeline.step = fail  # type: ignore[method-assign,assignment]  # a broken model
    scene.turn()
    assert isinstance(scene.guest.fault, InferenceError)
    for _ in range(4):
        scene.turn()
    assert len(scene.events("door")) == 1
    scene.loop.dismiss_guest()
    assert scene.loop.guest is None


def test_what_fails_at_its_end_is_its_own_business_too(scene: Place) -> None:
    """Whoever dismisses it may be about to reload or to end in order."""

    def fail(last: object) -> object:
        raise InferenceError("no numbers")

    for _ in range(5):
        scene.guest.free_at = 0.0
        scene.turn()
    scene.guest.line.pipeline.end = fail  # type: ignore[method-assign,assignment]  # a broken model
    scene.loop.dismiss_guest()
    assert isinstance(scene.guest.fault, InferenceError)
    assert scene.loop.guest is None
    scene.turn()


def test_the_end_of_all_tracks_is_not_its_end(scene: Place) -> None:
    for _ in range(5):
        scene.guest.free_at = 0.0
        scene.turn()
    scene.loop.end()
    assert [event.data["phase"] for event in scene.events("door")] == ["started", "ended"]
    assert [event.data["phase"] for event in scene.events("visitor")] == ["started"]
    scene.loop.dismiss_guest()
    assert [event.data["phase"] for event in scene.events("visitor")] == ["started", "ended"]
    scene.loop.dismiss_guest()
    scene.turn()


def test_without_cameras_the_loop_waits_all_the_same(bench: MakeBench) -> None:
    made = bench()
    began = time.monotonic()
    made.deployment.loop.turn(0.1)
    assert time.monotonic() - began >= 0.09
