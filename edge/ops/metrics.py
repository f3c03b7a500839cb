"""Every metric of the daemon, in one table."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final

from edge import __version__
from edge.ops.health import Health
from edge.ops.memory import read_memory
from edge.ops.registry import Counter, Gauge, Histogram, Registry

# What the label ``stage`` of ``stage_seconds`` may say.
STAGES: Final = ("capture", "detect", "track", "recognise", "classify", "commit", "publish")

# Seconds. From a fast model on a GPU to a broker that answers at last.
BUCKETS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)

Processes = Callable[[], Mapping[str, int]]


def _this_process() -> dict[str, int]:
    return {"daemon": os.getpid()}


class Metrics:
    """The metrics that the daemon's parts fill in.

    processes: process ids by name, for their memory; asked whenever the text is made.
    """

    def __init__(self, *, processes: Processes = _this_process) -> None:
        self._processes = processes
        self._registry = Registry()
        add = self._registry.add
        camera = ("camera",)
        self._build = add(
            Gauge("edgewarden_build_info", "1, with the version as label.", ("version",))
        )
        self._health = add(
            Gauge("edgewarden_health", "1 for the state that the daemon is in.", ("state",))
        )
        self.stage_seconds = add(
            Histogram(
                "edgewarden_stage_seconds",
                f"How long each stage took: {', '.join(STAGES)}.",
                ("stage",),
                buckets=BUCKETS,
            )
        )
        self.queue_depth = add(
            Gauge("edgewarden_queue_depth", "Items waiting in a hand-over.", ("queue",))
        )
        self.frames_seen = add(
            Counter("edgewarden_frames_seen_total", "Frames that were taken from a camera.", camera)
        )
        self.frames_dropped = add(
            Counter(
                "edgewarden_frames_dropped_total", "Frames replaced by newer ones unseen.", camera
            )
        )
        self.frames_analysed = add(
            Counter("edgewarden_frames_analysed_total", "Frames that the detector saw.", camera)
        )
        self.camera_reconnects = add(
            Counter("edgewarden_camera_reconnects_total", "Sources that were opened anew.", camera)
        )
        self.events = add(
            Counter("edgewarden_events_total", "Events committed to the outbox.", ("type",))
        )
        self.events_lost = add(
            Counter("edgewarden_events_lost_total", "Events that the outbox had no room for.")
        )
        self.outbox_events = add(
            Gauge("edgewarden_outbox_events", "Events committed and not acknowledged yet.")
        )
        self.outbox_oldest = add(
            Gauge(
                "edgewarden_outbox_oldest_age_seconds",
                "Age of the first event in the outbox; 0 when it is empty.",
            )
        )
        self.mqtt_connected = add(
            Gauge("edgewarden_mqtt_connected", "1 while the broker is connected, else 0.")
        )
        self.mqtt_reconnects = add(
            Counter("edgewarden_mqtt_reconnects_total", "Connections made to the broker again.")
        )
        self._selftest_passed = add(
            Gauge("edgewarden_selftest_passed", "1 if the last self-test passed, else 0.")
        )
        self._selftest_time = add(
            Gauge(
                "edgewarden_selftest_timestamp_seconds",
                "When the last self-test was over, seconds since the epoch.",
            )
        )
        process = ("process",)
        self._rss = add(
            Gauge("edgewarden_process_resident_bytes", "Resident memory (RSS).", process)
        )
        self._pss = add(
            Gauge(
                "edgewarden_process_proportional_bytes",
                "Resident memory, shared pages counted by their share (PSS).",
                process,
            )
        )
        self._measuring = Lock()
        self._measured: set[str] = set()
        self._build.set(1, version=__version__)
        for stage in STAGES:
            self.stage_seconds.expect(stage=stage)

    def set_health(self, health: Health) -> None:
        """Show this state, and none of the others."""
        for state in Health:
            self._health.set(state is health, state=state.value)

    def set_selftest(self, *, passed: bool, at: float) -> None:
        """How the last self-test went, and when it was over: seconds since the epoch."""
        self._selftest_passed.set(passed)
        self._selftest_time.set(at)

    def add_camera(self, camera: str) -> None:
        """Begin to count the frames of a camera, from 0 if it is new."""
        for counter in self._of_cameras():
            counter.inc(0, camera=camera)

    def remove_camera(self, camera: str) -> None:
        """Forget a camera that the site file names no more."""
        for counter in self._of_cameras():
            counter.remove(camera=camera)

    def text(self) -> str:
        """All of them now, as Prometheus reads it."""
        self._measure_memory()
        return self._registry.text()

    def _of_cameras(self) -> tuple[Counter, ...]:
        return (
            self.frames_seen,
            self.frames_dropped,
            self.frames_analysed,
            self.camera_reconnects,
        )

    def _measure_memory(self) -> None:
        with self._measuring:
            found = {
                name: memory
                for name, pid in self._processes().items()
                if (memory := read_memory(pid)) is not None
            }
            for name in self._measured - found.keys():
                self._rss.remove(process=name)
                self._pss.remove(process=name)
            for name, memory in found.items():
                self._rss.set(memory.rss, process=name)
                self._pss.set(memory.pss, process=name)
            self._measured = set(found)
