"""Decoding on a thread of its own, so that the next frame is ready when the loop asks for it.

FFmpeg lets go of Python's lock while it decodes, so this is a real second pair of hands.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

from edge.capture.base import Source, SourceInfo
from edge.capture.handover import Handover
from edge.types import Frame


def decode_ahead(source: Source, depth: int) -> DecodeAhead:
    """The same frames as ``source``, in the same order, up to ``depth`` of them in advance."""
    return DecodeAhead(source, depth=depth)


class DecodeAhead(Source):
    """A source whose frames are taken from another one by a thread named after the camera.

    Opening and closing are passed on. The thread starts with the first frame that is asked for and
    is gone when the last one was delivered, or when this is closed: then it stops after the frame
    it is at. What it raises is raised here, after every frame before it.

    Raises ValueError for a depth below 1.
    """

    def __init__(self, source: Source, *, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"expected a depth of at least 1, found {depth}")
        super().__init__(source.camera)
        self._source = source
        self._depth = depth

    @property
    def corrupt(self) -> int:
        """How many damaged frames were skipped so far, those decoded in advance included."""
        return self._source.corrupt

    def _open(self) -> SourceInfo:
        self._source.open()
        return SourceInfo(fps=self._source.fps, frames_total=self._source.frames_total)

    def _frames(self) -> Generator[Frame, None, None]:
        # An executor rather than a bare thread: it carries whatever is raised over to here.
        with ThreadPoolExecutor(1, thread_name_prefix=f"decode-{self._camera}") as executor:
            handover: Handover[Frame] = Handover(self._depth)
            pump = executor.submit(self._pump, handover)
            try:
                yield from handover
            finally:
                handover.stop()
            pump.result()

    def _pump(self, handover: Handover[Frame]) -> None:
        try:
            for frame in self._source:
                if not handover.put(frame):
                    return
        finally:
            handover.end()

    def _close(self) -> None:
        self._source.close()
