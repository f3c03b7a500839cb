"""A source that shows given pictures, for tests and for trying the loop without a camera."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from edge.capture.base import Source, SourceInfo
from edge.errors import EdgewardenError
from edge.types import ByteImage, Frame


class FakeSource(Source):
    """Shows ``images``, each uint8 ``[H, W, 3]`` BGR, at ``fps`` from the time ``start`` on.

    error: raised after the last picture, as a source does that breaks off. ``shown`` counts the
    frames that were taken, ``closed`` tells whether it was closed.
    """

    def __init__(
        self,
        images: Sequence[ByteImage],
        *,
        camera: str = "fake",
        start: float = 0.0,
        fps: float = 25.0,
        error: EdgewardenError | None = None,
    ) -> None:
        super().__init__(camera)
        self._images = images
        self._start = start
        self._rate = fps
        self._error = error
        self.shown = 0
        self.closed = False

    def _open(self) -> SourceInfo:
        return SourceInfo(fps=self._rate, frames_total=len(self._images))

    def _frames(self) -> Generator[Frame, None, None]:
        for index, image in enumerate(self._images):
            self.shown += 1
            yield Frame(self._camera, index, self._start + index / self._rate, image)
        if self._error is not None:
            raise self._error

    def _close(self) -> None:
        self.closed = True
