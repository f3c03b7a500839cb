"""How long a decision takes: from the first decoded copy of the frame that decided it to the
broker's acknowledgement, with the daemon's own parts.

Files stand in for cameras, round and round and at a steady pace. As soon as a camera's face is
decided its tracks are ended, so that the next frames have to decide anew. The events go out under a
node of their own, ``<node>-bench``, and as synthetic ones.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edge.capture.feed import Liveness
from edge.config import Camera, Mqtt, Site, SourceAddress, SourceKind
from edge.deployment import Deployment, Surroundings
from edge.errors import MediaError, TransientError
from edge.ops.health import HealthMonitor, Progress
from edge.ops.metrics import Metrics
from edge.publish.mqtt.publisher import MqttPublisher
from edge.store.metered import MeteredOutbox
from edge.types import Event, Phase

_OUTBOX_BYTES = 64 * 1024**2
_START_S = 30.0
_DRAIN_S = 5.0
_TURN_S = 0.25
_LONGEST_NODE = 58
_DECIDING = (Phase.STARTED.value, Phase.UPDATED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What was measured with so many cameras.

    decisions: acknowledged events that said who a face is. p50_s, p99_s: seconds, None without any.
    fps: frames a second that each camera delivered, the least of them. dropped: frames of all
    cameras that a newer one replaced.
    """

    cameras: int
    decisions: int
    p50_s: float | None
    p99_s: float | None
    fps: float
    dropped: int


def measure_latency(
    site: Site,
    files: Sequence[Path],
    *,
    mqtt: Mqtt,
    cameras: int,
    fps: float,
    seconds: float,
    credentials: Path | None = None,
    step: Callable[[], None] = lambda: None,
) -> Latency:
    """Run ``cameras`` cameras that show ``files`` in turn, for ``seconds`` after all are live.

    fps: most frames a second of each. credentials: systemd's folder of them. step: called at every
    turn of the loop, for a sign of progress; what it raises ends the measurement.

    Raises MediaError where a file does not play, TransientError where the broker does not answer,
    and what ``Deployment.prepare`` raises.
    """
    bench = _Bench(_bench_site(site, files, cameras, fps))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="edgewarden-bench-")))
        bench.open(stack, folder, mqtt, credentials)
        bench.wait_until_live(step)
        bench.run(seconds, step)
        feeds = [station.feed.status for station in bench.deployment.stations.values()]
        bench.publisher.stop(_DRAIN_S)
    latencies = bench.latencies()
    p50, p99 = np.percentile(latencies, [50, 99]) if latencies else (None, None)
    return Latency(
        cameras=cameras,
        decisions=len(latencies),
        p50_s=None if p50 is None else float(p50),
        p99_s=None if p99 is None else float(p99),
        fps=min(feed.fps for feed in feeds),
        dropped=sum(feed.dropped for feed in feeds) - bench.dropped_before,
    )


def _bench_site(site: Site, files: Sequence[Path], cameras: int, fps: float) -> Site:
    """The site with files for cameras, and nothing that a benchmark must not do."""
    shown = islice(cycle(files), cameras)
    return site.model_copy(
        update={
            "site": site.site.model_copy(
                update={"node": f"{site.site.node[:_LONGEST_NODE]}-bench"}
            ),
            "cameras": tuple(
                Camera(
                    id=f"camera-{number}",
                    source=SourceAddress(SourceKind.FILE, str(path.absolute())),
                    loop=True,
                    fps=fps,
                )
                for number, path in enumerate(shown, 1)
            ),
            "rules": (),
            "snapshots": None,
        }
    )


class _Bench:
    """The daemon's parts without its process; ``acknowledged`` comes on the publisher's thread."""

    deployment: Deployment
    publisher: MqttPublisher

    def __init__(self, site: Site) -> None:
        self._site = site
        self._came: list[tuple[Event, float]] = []
        self._decided: deque[tuple[str, float]] = deque()
        self._ended_at: dict[str, float] = {}
        self._since = float("inf")
        self.dropped_before = 0

    def open(self, stack: ExitStack, folder: Path, mqtt: Mqtt, credentials: Path | None) -> None:
        metrics, progress = Metrics(), Progress()
        outbox = stack.enter_context(
            MeteredOutbox(
                folder / "outbox.db",
                max_bytes=_OUTBOX_BYTES,
                metrics=metrics,
                on_commit=lambda: self.publisher.wake(),
            )
        )
        self.publisher = MqttPublisher(
            mqtt,
            site=self._site.site.id,
            node=self._site.site.node,
            outbox=outbox,
            credentials=credentials,
            on_acknowledged=self._acknowledged,
        )
        around = Surroundings(
            outbox=outbox,
            metrics=metrics,
            monitor=HealthMonitor(progress),
            progress=progress,
            send_picture=lambda topic, jpeg: None,
            synthetic=True,
        )
        self.deployment = Deployment(self._site, around)
        self.deployment.prepare()
        stack.callback(self.deployment.close)
        stack.enter_context(self.publisher)
        self.deployment.take_over()

    def wait_until_live(self, step: Callable[[], None]) -> None:
        """Turn until the broker and all cameras are there. Raises TransientError, MediaError."""
        deadline = time.monotonic() + _START_S
        while True:
            self.deployment.loop.turn(_TURN_S)
            step()
            feeds = {name: s.feed.status for name, s in self.deployment.stations.items()}
            waiting = [name for name, feed in feeds.items() if feed.state is not Liveness.LIVE]
            state = self.publisher.state
            if state.connected and not waiting:
                break
            for name in waiting:
                if feeds[name].state is Liveness.LOST:
                    raise MediaError(
                        f"{name} does not show its file", found=feeds[name].reason or "no frames"
                    )
            if time.monotonic() > deadline:
                found = waiting if state.connected else state.words
                raise TransientError("the benchmark cannot begin", found=str(found))
        self.deployment.end_tracks()
        self._since = time.time()
        self.dropped_before = sum(feed.dropped for feed in feeds.values())

    def run(self, seconds: float, step: Callable[[], None]) -> None:
        """Turn the loop for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.deployment.loop.turn(_TURN_S)
            for _ in range(len(self._decided)):
                self._decide_anew(*self._decided.popleft())
            step()

    def _decide_anew(self, camera: str, decided_at: float) -> None:
        """End the camera's tracks, once a later frame keeps that end apart from the decision."""
        last = self.deployment.stations[camera].last
        if last is not None and last.time <= decided_at:
            self._decided.append((camera, decided_at))
        elif decided_at > self._ended_at.get(camera, 0.0):
            self._ended_at[camera] = time.time()
            self.deployment.loop.end(camera)

    def latencies(self) -> list[float]:
        """Seconds of every decision, but for those that the end of a track forced: these two
        have the same time."""
        ends = {
            (event.source, event.subject, event.time)
            for event, _ in self._came
            if event.data["phase"] == Phase.ENDED.value
        }
        return [
            at - event.time
            for event, at in self._came
            if event.time >= self._since
            and event.data["phase"] in _DECIDING
            and (event.source, event.subject, event.time) not in ends
        ]

    def _acknowledged(self, event: Event) -> None:
        now = time.time()
        if ".face." not in event.type:
            return
        self._came.append((event, now))
        if event.data["phase"] in _DECIDING:
            self._decided.append((event.source.rpartition("/")[2], event.time))
