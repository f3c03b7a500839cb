"""Video files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from edge.errors import MediaError, StreamBrokenError
from edge.media.ending import read_ending
from edge.media.ffmpeg import MAX_PIXELS, VideoDecoder, too_large
from edge.media.files import existing_file
from edge.media.picture import DEFAULT_FPS, Picture, PictureReader

# How much may be missing at the stated end. Writers count the padding of the sound into it, and of
# sound, which is not decoded, the length of the last packet is not known.
_SLACK_FRAMES = 3
_SLACK_SECONDS = 0.5

_log = logging.getLogger(__name__)


def open_video(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> VideoReader:
    """Open a video file and decode its first picture, so that what opens can be read.

    Raises MediaError where the file is missing, empty, a folder, no video, only sound, cut off in
    its header or index, of a codec that is not allowed, or without one whole picture;
    MediaTooLargeError, before decoding, where its pictures have more than ``max_pixels``.
    """
    return VideoReader(existing_file(path, "a video file"), max_pixels=max_pixels)


class VideoReader(PictureReader):
    """An open video. codec is its common name; duration is in seconds, None where unknown.

    The iterator goes on behind damage. It raises StreamBrokenError after the last whole picture of
    a file that was cut off, or where damage took its end or most of it.
    """

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        self._path = path
        self._max_pixels = max_pixels
        self._warned = False
        self._ending = read_ending(path)
        self._decoder = VideoDecoder(path, max_pixels=max_pixels)
        info = self._decoder.info
        self.codec = info.codec
        self.duration = info.duration
        self._size = path.stat().st_size
        self._period = 1.0 / (info.fps or DEFAULT_FPS)
        try:
            super().__init__(str(path), self._timed(), fps=info.fps, frames=info.frames)
        except MediaError:
            self._decoder.close()
            raise

    @property
    def corrupt(self) -> int:
        """How many damaged pictures were skipped so far."""
        return self._decoder.corrupt

    def _timed(self) -> Iterator[Picture]:
        """The pictures before any cut, with a time for those that the file gives none."""
        index, start, first_index = -1, 0.0, 0
        pictures = islice(self._decoder.pictures(), self._ending.whole_pictures)
        for index, (image, seconds) in enumerate(pictures):
            if seconds is not None:
                start, first_index = seconds, index
            self._warn_of_damage()
            yield Picture(image, start + (index - first_index) * self._period, index)
        if index >= 0:
            self._warn_of_damage()

    def _warn_of_damage(self) -> None:
        if self._decoder.corrupt and not self._warned:
            self._warned = True
            _log.warning("%s: skipped a damaged picture; further ones are counted", self._path)

    def _is_cut(self) -> bool:
        return self._ending.cut or self._decoder.truncated

    def _empty_error(self) -> MediaError:
        if self._decoder.oversized:
            return too_large(self._name, self._max_pixels)
        found = f"{self._decoder.corrupt} damaged pictures"
        if self._is_cut():
            found = "a file cut off before its first picture ends"
        return MediaError(
            f"{self._name} holds no whole picture",
            expected="a video that can be decoded",
            found=found,
            remedy="Copy or record it again.",
        )

    def _end_error(self, last: Picture) -> StreamBrokenError | None:
        if not self._is_cut():
            return self._damage_error(last)
        return StreamBrokenError(
            f"{self._name} was cut off or damaged",
            expected="a file as long as it says",
            found=f"its end after {last.index + 1} pictures, at {last.pts:.2f} s",
            remedy="Every picture up to there was used. Copy or record it again for the rest.",
        )

    def _damage_error(self, last: Picture) -> StreamBrokenError | None:
        used, corrupt = last.index + 1, self._decoder.corrupt
        if not (self._lost_its_end() or self._lost_most(used) or corrupt > used):
            return None
        stated = f" of {self.frames}" if self.frames else ""
        return StreamBrokenError(
            f"{self._name} is damaged",
            expected="a file of which most can be decoded, to its end",
            found=f"{used}{stated} pictures, the last one at {last.pts:.2f} s; {corrupt} damaged",
            remedy="Every picture that could be read was used. Copy or record it again.",
        )

    def _lost_its_end(self) -> bool:
        end = self._decoder.info.end
        if end is None:
            return False
        slack = max(_SLACK_FRAMES * self._period, _SLACK_SECONDS)
        return self._decoder.reached < end - slack

    def _lost_most(self, used: int) -> bool:
        # Both, because the number of frames is an estimate where their rate varies, and because
        # some containers spend more bytes on other things than on small pictures.
        return (self.frames or 0) > 2 * used and self._size > 2 * self._decoder.bytes_read

    def _release(self) -> None:
        self._decoder.close()
