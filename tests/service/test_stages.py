"""Whoever watches a camera beats by itself, for as long as the camera is watched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from edge.config import load_site
from edge.deployment import Deployment, Surroundings
from edge.ops.health import HealthMonitor, Progress
from edge.ops.metrics import Metrics
from edge.store.metered import MeteredOutbox
from tests.brokers import free_port
from tests.service.daemon import Place, busy_film, wait_until


class Ahead:
    """The monotonic clock, some seconds ahead."""

    seconds = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.seconds


@pytest.fixture
def clock() -> Ahead:
    return Ahead()


@pytest.fixture
def around(place: Place, clock: Ahead) -> Iterator[Surroundings]:
    metrics, progress = Metrics(), Progress(clock=clock)
    with MeteredOutbox(
        place.outbox, max_bytes=1 << 24, metrics=metrics, on_commit=lambda: None
    ) as outbox:
        yield Surroundings(
            outbox=outbox,
            metrics=metrics,
            monitor=HealthMonitor(progress),
            progress=progress,
            send_picture=lambda topic, jpeg: None,
        )


def test_live_and_lost_cameras_are_watched_until_they_are_closed(
    place: Place, clock: Ahead, around: Surroundings
) -> None:
    place.add_camera("door", busy_film(place.folder / "door.mp4"))
    place.add_camera("gone", f"rtsp://127.0.0.1:{free_port()}/stream", loop=False)

    def deployed() -> Deployment:
        deployment = Deployment(load_site(place.site), around)
        deployment.prepare()
        return deployment

    first = deployed()
    clock.seconds = 100
    assert around.progress.troubles() == []  # what was only prepared need not go on
    with closing(first):
        first.take_over()
        clock.seconds = 200
        late = [text.split(":")[1] for text in around.progress.troubles()]
        assert set(late) <= {"door", "gone"}
        wait_until(lambda: not around.progress.troubles())
        clock.seconds = 300
        wait_until(lambda: not around.progress.troubles())
        second = deployed()
        with closing(second):
            second.take_over(first)
            clock.seconds = 400
            assert {text.split(":")[1] for text in around.progress.troubles()} == {"door", "gone"}
            wait_until(lambda: not around.progress.troubles())
    clock.seconds = 500
    assert around.progress.troubles() == []
