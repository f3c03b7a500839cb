"""Frames from files: a video, an image, or a folder of images."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

from edge.capture.base import Source, SourceInfo
from edge.media import MAX_PIXELS, PictureReader, is_image, open_images, open_video
from edge.media.picture import DEFAULT_FPS
from edge.types import Frame


class FileSource(Source):
    """The frames of a file as a camera would have sent them, every one of them, without waiting.

    path: a video, an image, or a folder whose images are shown in natural order of their names at
    ``images_fps``. A frame's time is ``start``, seconds since the epoch, plus its presentation time
    in the file; where that jumps back, time goes on at the pace of the file.

    Opening raises MediaError where there is nothing to see, MediaTooLargeError for more than
    ``max_pixels``; iterating raises StreamBrokenError at the end of a video that was cut off, or of
    which damage took the end or most.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        camera: str,
        start: float,
        images_fps: float = DEFAULT_FPS,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        super().__init__(camera)
        self._path = Path(path)
        self._start = start
        self._images_fps = images_fps
        self._max_pixels = max_pixels
        self._reader: PictureReader | None = None

    @property
    def fps(self) -> float:
        """Frames per second as the file states; 25 where it states nothing."""
        return self._opened().fps or DEFAULT_FPS

    @property
    def corrupt(self) -> int:
        """How many damaged pictures were skipped so far."""
        return self._reader.corrupt if self._reader is not None else 0

    def _open(self) -> SourceInfo:
        if os.path.isdir(self._path) or is_image(self._path):
            self._reader = open_images(
                self._path, fps=self._images_fps, max_pixels=self._max_pixels
            )
        else:
            self._reader = open_video(self._path, max_pixels=self._max_pixels)
        return SourceInfo(fps=self._reader.fps, frames_total=self._reader.frames)

    def _frames(self) -> Generator[Frame, None, None]:
        assert self._reader is not None
        timeline = Timeline(1.0 / self.fps)
        for picture in self._reader:
            time = self._start + timeline.place(picture.pts)
            yield Frame(self._camera, picture.index, time, picture.image)

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()


class Timeline:
    """Presentation times that never go back, as a joined recording's do where its parts meet.

    After a jump back, by any amount, the times that follow are moved by one offset: time goes on
    with the last step before it, at the pace of the file. period: the first step, in seconds.
    """

    def __init__(self, period: float) -> None:
        self._step = period
        self._offset = 0.0
        self._last: float | None = None

    def place(self, pts: float) -> float:
        """The time of the next frame, in seconds, which the file has at ``pts``."""
        time = pts + self._offset
        if self._last is not None and time < self._last:
            time = self._last + self._step
            self._offset = time - pts
        elif self._last is not None and time > self._last:
            self._step = time - self._last
        self._last = time
        return time
