"""More frames than can be looked at: every camera loses as many, and none waits."""

from __future__ import annotations

import re
import time

from edge.config import load_site
from edge.deployment import Deployment, Surroundings
from edge.ops.health import HealthMonitor, Progress
from edge.ops.metrics import Metrics
from edge.store.metered import MeteredOutbox
from tests.service.daemon import Place, busy_film, wait_until

CAMERAS = ("door", "hall", "yard")
TURNS = 20


def test_under_load_frames_are_dropped_evenly_and_the_newest_are_seen(place: Place) -> None:
    for name in CAMERAS:
        place.add_camera(name, busy_film(place.folder / f"{name}.mp4"))
    metrics, progress = Metrics(), Progress()

    def seen() -> dict[str, int]:
        found = re.findall(
            r'^edgewarden_frames_seen_total\{camera="(\w+)"\} (\d+)', metrics.text(), re.MULTILINE
        )
        return {camera: int(count) for camera, count in found}

    with MeteredOutbox(
        place.outbox, max_bytes=1 << 24, metrics=metrics, on_commit=lambda: None
    ) as outbox:
        deployment = Deployment(
            load_site(place.site),
            Surroundings(
                outbox=outbox,
                metrics=metrics,
                monitor=HealthMonitor(progress),
                progress=progress,
                send_picture=lambda topic, jpeg: None,
            ),
        )
        deployment.prepare()
        try:
            deployment.take_over()
            feeds = {name: station.feed for name, station in deployment.stations.items()}
            wait_until(lambda: all(feed.status.state.value == "live" for feed in feeds.values()))
            deployment.loop.turn(0.25)
            before = seen()
            dropped = {name: feed.status.dropped for name, feed in feeds.items()}
            for _ in range(TURNS):
                time.sleep(0.1)  # six frames of each camera: a slow machine
                deployment.loop.turn(0.25)
            counts = {name: seen()[name] - before[name] for name in CAMERAS}
            lost = {name: feed.status.dropped - dropped[name] for name, feed in feeds.items()}
        finally:
            deployment.close()
    assert max(counts.values()) <= TURNS
    assert min(counts.values()) >= 0.75 * TURNS  # on a busy machine one may have nothing new
    assert min(lost.values()) > TURNS
