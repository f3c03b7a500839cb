"""The self-test in this process: every part is real, but the clip waits for the loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edge.capture.feed import CameraFeed, Liveness
from edge.capture.file import FileSource
from edge.config import Camera, load_site
from edge.deployment import Deployment, Surroundings
from edge.ops.health import HealthMonitor, Progress
from edge.ops.metrics import Metrics
from edge.selftest.material import read_material
from edge.selftest.run import Outlet, SelfTests
from edge.store.metered import MeteredOutbox
from edge.types import Event, Frame
from tests.selftest.supplies import Supplies
from tests.service.daemon import Place


class PatientCamera(CameraFeed):
    """Shows every frame of a file, the next one whenever it is asked for one."""

    def __init__(self, camera: Camera) -> None:
        super().__init__(camera.id)
        self._source = FileSource(Path(camera.source.location), camera=camera.id, start=0.0)

    def _start(self) -> None:
        self._source.open()
        self._frames = iter(self._source)
        self._become(Liveness.LIVE, None)

    def _take(self) -> Frame | None:
        with self._lock:
            self._ring_bell()
        frame = next(self._frames, None)
        if frame is None:
            self._become(Liveness.LOST, "the file is at its end", ended=True)
            return None
        return Frame(frame.camera, frame.index, time.time(), frame.image)

    def _ask_to_stop(self) -> None:
        pass

    def _stop(self) -> None:
        self._source.close()

    def _fps(self) -> float:
        return 0.0

    def _reconnects(self) -> int:
        return 0

    def _dropped(self) -> int:
        return 0


class Bench:
    """A deployed site without a process of its own. deliver: acknowledge what is committed."""

    def __init__(self, place: Place, supplies: Supplies, *, delivery: str = "") -> None:
        self.metrics = Metrics()
        self._progress = Progress()
        self._stack = ExitStack()
        self.outbox = self._stack.enter_context(
            MeteredOutbox(
                place.folder / "bench.db",
                max_bytes=1 << 26,
                metrics=self.metrics,
                on_commit=lambda: None,
            )
        )
        self._around = Surroundings(
            outbox=self.outbox,
            metrics=self.metrics,
            monitor=HealthMonitor(self._progress),
            progress=self._progress,
            send_picture=lambda topic, jpeg: None,
        )
        self.deployment = Deployment(load_site(place.site), self._around)
        self.deployment.prepare()
        self._stack.callback(self.deployment.close)
        self.deployment.take_over()
        bundles = {path.name: path for path in (supplies.folder / "bundles").iterdir()}
        self.tests = SelfTests(
            lambda: (read_material(supplies.material), bundles), film=PatientCamera
        )
        self.outlet = Outlet(outbox=self.outbox, metrics=self.metrics, delivery=delivery)

    def close(self) -> None:
        self.tests.abandon("the test is over")
        self._stack.close()

    def turn(self) -> None:
        self.deployment.loop.turn(0.0)
        self.tests.look(self.deployment, self.outlet)

    def run(
        self, *, each: Callable[[], object] = lambda: None, **request: object
    ) -> Mapping[str, Any]:
        """One self-test to its end; its report. each: called between two turns."""
        answer: Future[object] = self.tests.ask(request)
        while not answer.done():
            self.turn()
            each()
        report = answer.result()
        assert isinstance(report, dict)
        return report

    @property
    def events(self) -> list[Event]:
        return self.outbox.pending(limit=1000)

    def deliver(self) -> None:
        """Acknowledge everything."""
        for event in self.events:
            self.tests.note_delivered(event)
