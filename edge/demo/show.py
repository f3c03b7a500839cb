"""The clip through the daemon: the very service of ``edgewarden run``, shown a recording."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from edge.capture.feed import CameraFeed
from edge.capture.recorded import RecordedCamera
from edge.cli.annotated import marks_of
from edge.config import Camera, Environment
from edge.deployment import Showing
from edge.errors import EdgewardenError
from edge.pipeline import Scene
from edge.service import Service
from edge.types import Event
from edge.vision.annotate import Mark

_DRAIN_S = 10.0
_STAYS_S = 1.5  # how long the picture tells what was over at once


@dataclass(slots=True)
class Shown:
    """What was seen and told. begun: when the loop was given each frame; told: when each event was
    committed, by its id, both in monotonic seconds. marks: what is to be drawn, by frame. seconds:
    from the first frame to the end of the last."""

    begun: dict[int, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    marks: dict[int, list[Mark]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def frames(self) -> int:
        """How many frames the loop was given."""
        return len(self.begun)


def show(
    config: Path,
    *,
    environment: Environment,
    events: Path | None,
    length_s: float,
    step: Callable[[], None] = lambda: None,
) -> Shown:
    """Run the daemon of a site file with one camera, a file, once through that file.

    Every frame is analysed, as fast as this machine can. Times are as if the recording, which is
    ``length_s`` long, had just ended. events: where they go without a broker. step: called for each
    frame.

    Raises what the service raises, EdgewardenError where it was stopped before the end.
    """
    shown, start = Shown(), time.time() - length_s
    feeds: list[RecordedCamera] = []
    doing = _Doing()

    def feed_of(camera: Camera, beat: Callable[[], None]) -> CameraFeed:
        def beat_and_step() -> None:
            beat()
            step()

        feed = RecordedCamera(
            camera.id, Path(camera.source.location), start=start, on_end=service.stop,
            beat=beat_and_step,
        )  # fmt: skip
        feeds.append(feed)
        return feed

    def look(scene: Scene, committed: Sequence[Event]) -> None:
        now = time.monotonic()
        for event in committed:
            shown.told[event.id] = now
            doing.note(event)
        marks = marks_of(scene, doing.at(scene.frame.time))
        shown.marks[scene.frame.index] = [mark for mark in marks if not mark.predicted]
        shown.seconds = now - min(feeds[0].begun.values())

    service = Service(
        config,
        environment=environment,
        events=events,
        showing=Showing(feed_of=feed_of, on_scene=look, synthetic=True, drain_s=_DRAIN_S),
    )
    service.run()
    shown.begun = feeds[0].begun
    if not feeds[0].ended:
        raise EdgewardenError(
            "the demo was stopped before its end", found=f"{shown.frames} frames were shown"
        )
    return shown


class _Doing:
    """What each track does, for the picture."""

    def __init__(self) -> None:
        self._now: dict[int, tuple[str, float]] = {}

    def note(self, event: Event) -> None:
        """Take in an event."""
        _, family, name, _ = event.type.split(".")
        if family != "behaviour":
            return
        track, phase = cast("int", event.data["track_id"]), event.data["phase"]
        if phase == "ended":
            self._now.pop(track, None)
            return
        does = str(event.data["label"] if name == "recognised" else name).replace("_", " ")
        until = event.time + _STAYS_S if phase == "once" else math.inf
        self._now[track] = (does, until)

    def at(self, time: float) -> dict[int, str]:
        """What each does at a time, seconds since the epoch."""
        return {track: does for track, (does, until) in self._now.items() if time <= until}
