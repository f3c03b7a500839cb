"""Frames from cameras: RTSP, HTTP and V4L2."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

from edge.capture.base import Source, SourceInfo
from edge.capture.rate import RateLimit
from edge.media.stream import StreamDecoder, StreamLimits
from edge.site.source import SourceAddress
from edge.types import Frame


class StreamSource(Source):
    """The frames of a live stream, each as soon as it is decoded, with the time at which it was.

    Every frame is decoded and counted; at most ``max_fps`` a second are handed out. first_index:
    that of the first frame. beat: called whenever data arrives.

    Opening raises MediaError where the stream cannot be opened or is of a codec that is not
    allowed; iterating never ends but with StreamBrokenError, or MediaTooLargeError. After that only
    a new source helps.
    """

    def __init__(
        self,
        address: SourceAddress,
        *,
        camera: str,
        first_index: int = 0,
        max_fps: float | None = None,
        limits: StreamLimits | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(camera)
        self._address = address
        self._first_index = first_index
        self._max_fps = max_fps
        self._limits = limits or StreamLimits()
        self._beat = beat
        self._decoder: StreamDecoder | None = None

    @property
    def corrupt(self) -> int:
        """How many damaged frames were skipped so far."""
        return self._decoder.corrupt if self._decoder is not None else 0

    def _open(self) -> SourceInfo:
        self._decoder = StreamDecoder(self._address, self._limits)
        return SourceInfo(fps=self._decoder.fps)

    def _frames(self) -> Generator[Frame, None, None]:
        assert self._decoder is not None
        rate = RateLimit(self._max_fps)
        pictures = self._decoder.pictures(
            wanted=lambda: rate.admits(time.monotonic()), beat=self._beat
        )
        for index, image in enumerate(pictures, self._first_index):
            if image is not None:
                yield Frame(self._camera, index, time.time(), image)

    def _close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()
