"""The loop of ``replay``: recorded pictures through the live pipeline, as fast as they decode.

Time is the start time plus each frame's presentation time, every frame is decoded and offered, and
nothing reads a clock: the same files give the same events but for their ids.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.assembly import LoadedModels
from edge.capture.decode_ahead import decode_ahead
from edge.capture.file import FileSource
from edge.config import Camera, Site
from edge.errors import StreamBrokenError
from edge.gallery.matcher import Gallery
from edge.ids import fit_id
from edge.pipeline import Pipeline, Scene
from edge.reporter import CameraView, Reporter
from edge.rules.engine import RuleEngine
from edge.store.base import Outbox
from edge.types import Event, Frame

_log = logging.getLogger(__name__)

_AHEAD = 4
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of one file.

    frames: decoded. stated: how many the file says it has, an estimate, None where it does not say.
    corrupt: damaged ones that were skipped. analysed: offered to the models. broken: why the stream
    stopped before its end, None where it did not.
    """

    frames: int
    stated: int | None
    corrupt: int
    analysed: int
    events: int
    broken: StreamBrokenError | None


class FrameGate:
    """Lets at most ``fps`` frames a second through, by frame index and never by a clock.

    source_fps: frames a second of the source; None, or fps None, lets every frame through.
    """

    def __init__(self, fps: float | None, source_fps: float | None) -> None:
        self._ratio = min(1.0, fps / source_fps) if fps and source_fps else 1.0

    def passes(self, index: int) -> bool:
        """Whether the frame of this index is analysed."""
        return index == 0 or int(index * self._ratio) != int((index - 1) * self._ratio)


Watch = Callable[[Frame, Scene | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Everything that replaying files needs; each file gets tracks, clock and cooldowns of its own.

    gallery: None without a recogniser. camera: the configured camera that the files stand in for.
    start: seconds since the epoch at which each file begins.
    """

    site: Site
    loaded: LoadedModels
    gallery: Gallery | None
    outbox: Outbox
    camera: Camera | None = None
    start: float = 0.0

    def run(self, path: Path, camera_id: str, watch: Watch | None = None) -> Replayed:
        """Replay one file to its end, or to where it breaks off: tracks end and events are kept.

        watch: is shown every frame, with its scene where it was analysed. Raises MediaError where
        the file cannot be opened, and the errors of models, outbox and watch.
        """
        view = CameraView(
            id=camera_id,
            rules_as=self.camera.id if self.camera else camera_id,
            zones=self.camera.zones if self.camera else {},
            behaviours=self.camera.behaviours if self.camera else (),
        )
        pipeline = Pipeline(
            self.loaded.models,
            gallery=self.gallery,
            point=self.loaded.point,
            watched=[camera_id] if view.behaviours else [],
        )
        reporter = self._reporter()
        frames = analysed = events = 0
        last: Frame | None = None
        broken = None
        source = FileSource(path, camera=camera_id, start=self.start)
        with decode_ahead(source, depth=_AHEAD) as decoded:
            gate = FrameGate(self.camera.fps if self.camera else None, decoded.fps)
            try:
                for frame in decoded:
                    frames, last, scene = frames + 1, frame, None
                    if gate.passes(frame.index):
                        analysed += 1
                        for scene in pipeline.step([frame]):
                            events += len(reporter.report(scene, view))
                    if watch is not None:
                        watch(frame, scene)
            except StreamBrokenError as error:
                _log.warning("%s", error)
                broken = error
            stated, corrupt = decoded.frames_total, decoded.corrupt
        if last is not None:
            events += len(reporter.report(pipeline.end(last), view))
        return Replayed(
            frames=frames,
            stated=stated,
            corrupt=corrupt,
            analysed=analysed,
            events=events,
            broken=broken,
        )

    def _reporter(self) -> Reporter:
        return Reporter(
            site=self.site.site.id,
            node=self.site.site.node,
            outbox=self.outbox,
            rules=RuleEngine(self.site.rules, timezone=self.site.tz),
            threshold=self.loaded.point.threshold if self.loaded.point else None,
            models=self.loaded.references,
            timezone=self.site.tz,
            acts=self.loaded.acts,
        )


def name_cameras(files: Sequence[Path]) -> list[tuple[str, Path]]:
    """The camera id of each file: its stem made to fit the id rule, with -2, -3 … where taken."""
    named: dict[str, Path] = {}
    for path in files:
        named[fit_id(path.stem, taken=named)] = path
    return list(named.items())


def all_events(outbox: Outbox) -> Iterator[Event]:
    """Every event of an outbox, by node_sequence."""
    after = 0
    while page := outbox.pending(limit=_PAGE, after=after):
        yield from page
        after = page[-1].node_sequence
