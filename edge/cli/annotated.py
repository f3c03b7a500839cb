"""The annotated video of a replay, written while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from edge.media import VideoWriter
from edge.pipeline import Scene
from edge.polygon import Polygon
from edge.types import ByteImage, Frame
from edge.vision.annotate import Mark, annotate, fit_canvas


class AnnotatedVideo:
    """Draws each scene on its frame and writes the frames to ``path``.

    fps: of the source. zones: drawn on every frame. Frames that were not analysed show the last
    scene; a stream that changes its size is fitted to its first. Use as a context manager: the
    file appears when all went well.
    """

    def __init__(self, path: Path, *, fps: float, zones: Mapping[str, Polygon]) -> None:
        self._path = path
        self._fps = fps
        self._zones = list(zones.values())
        self._stack = ExitStack()
        self._writer: VideoWriter | None = None
        self._size = (0, 0)
        self._marks: list[Mark] = []

    def __enter__(self) -> AnnotatedVideo:
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.__exit__(*details)  # type: ignore[arg-type]  # what with hands over

    def show(self, frame: Frame, scene: Scene | None) -> None:
        """Write one frame. Raises OutputError or StoreFullError where the file cannot be."""
        self.draw(frame, None if scene is None else marks_of(scene))

    def draw(self, frame: Frame, marks: Sequence[Mark] | None) -> ByteImage:
        """Write one frame with these marks, None for those of the last one; the frame as drawn.

        Raises what ``show`` raises.
        """
        if self._writer is None:
            self._size = frame.size
            self._writer = self._stack.enter_context(
                VideoWriter(self._path, size=self._size, fps=self._fps)
            )
        if marks is not None:
            self._marks = list(marks)
        caption = f"{frame.camera}  frame {frame.index}"
        drawn = annotate(frame.image, self._marks, zones=self._zones, caption=caption)
        drawn = fit_canvas(drawn, self._size)
        self._writer.write(drawn)
        return drawn


def marks_of(scene: Scene, doing: Mapping[int, str] | None = None) -> list[Mark]:
    """What there is to draw of a scene. doing: what some tracks do, by their ids."""
    known = doing or {}
    faces = [
        Mark(
            track_id=followed.track.id,
            box=followed.track.box,
            identity=followed.identity,
            landmarks=followed.landmarks,
            predicted=followed.track.detection is None,
            doing=known.get(followed.track.id, ""),
        )
        for followed in scene.active
    ]
    active = {followed.track.id for followed in scene.active}
    bodies = [
        Mark(
            track_id=track.id,
            box=track.box,
            identity=None,
            body=True,
            doing=known.get(track.id, ""),
        )
        for track in scene.people or ()
        if track.id not in active and track.detection is not None
    ]
    return [*bodies, *faces]
