"""The self-test in this process: every part is real."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

from edge.config import load_site
from edge.deployment import Deployment, Surroundings
from edge.ops.health import HealthMonitor, Progress
from edge.ops.metrics import Metrics
from edge.selftest.material import read_material
from edge.selftest.run import Outlet, SelfTests
from edge.store.metered import MeteredOutbox
from edge.types import Event
from tests.selftest.supplies import Supplies
from tests.service.daemon import Place


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
        self.tests = SelfTests(lambda: (read_material(supplies.material), bundles))
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
