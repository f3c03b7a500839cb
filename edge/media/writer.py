"""Videos and pictures to keep. A file appears under its name only when it is whole."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np

from edge.errors import ClosedError, OutputError
from edge.media.ffmpeg import VideoEncoder, encode_still
from edge.media.files import NewFile, writing
from edge.types import ByteImage

Self = TypeVar("Self", bound="VideoWriter")

_CONTAINERS = {".mkv": "matroska", ".mp4": "mp4", ".webm": "webm"}
_STILLS = {".jpeg": "jpeg", ".jpg": "jpeg", ".png": "png"}
# The finest clock of common rates is 1001/60000 s.
_FINEST_RATE = 60_000


class VideoWriter:
    """A video file in the making, VP9 in MP4, Matroska or WebM by its suffix. Use in a with block.

    size: width and height in pixels of every picture. fps: pictures per second. small: take twenty
    times as long for a file of a fraction of the size. Nothing exists under ``path`` until the
    block is left without an error, and after one nothing is left behind.

    Entering, writing and leaving raise OutputError where the file cannot be written there,
    StoreFullError where the disk is full.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        size: tuple[int, int],
        fps: float,
        small: bool = False,
    ) -> None:
        if min(size) < 1 or fps <= 0:
            raise ValueError(f"expected a size and a rate above 0, found {size} and {fps}")
        self._file = NewFile(path)
        self._container = _kind_for(self._file.path, _CONTAINERS)
        self._size = size
        self._small = small
        self._fps = Fraction(fps).limit_denominator(_FINEST_RATE)
        self._encoder: VideoEncoder | None = None

    def __enter__(self: Self) -> Self:
        with writing(self._file.path):
            self._file.check()
            try:
                self._encoder = VideoEncoder(
                    self._file.part,
                    container=self._container,
                    size=self._size,
                    fps=self._fps,
                    small=self._small,
                )
            finally:
                if self._encoder is None:
                    self._file.discard()
        return self

    def write(self, image: ByteImage) -> None:
        """Append one picture, uint8 ``[H, W, 3]``, BGR, of the video's size.

        Raises ClosedError outside of the with block, ValueError for another shape or dtype.
        """
        if self._encoder is None:
            raise ClosedError(f"{self._file.path} is not open", remedy="Use it in a with block.")
        _check(image, self._size)
        with writing(self._file.path):
            self._encoder.add(image)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        with writing(self._file.path):
            try:
                if kind is not None:
                    encoder.abandon()
                    return
                encoder.finish()
                self._file.commit()
            finally:
                self._file.discard()


def write_image(path: str | os.PathLike[str], image: ByteImage) -> None:
    """Write a picture, uint8 ``[H, W, 3]`` BGR, as PNG or JPEG by its suffix, all or nothing.

    Raises OutputError where it cannot be written there, StoreFullError where the disk is full.
    """
    file = NewFile(path)
    kind = _kind_for(file.path, _STILLS)
    _check(image, (image.shape[1], image.shape[0]))
    data = encode_still(image, kind)
    with writing(file.path):
        file.check()
        try:
            file.part.write_bytes(data)
            file.commit()
        finally:
            file.discard()


def _kind_for(path: Path, kinds: dict[str, str]) -> str:
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise OutputError(
            f"{path} names no format that can be written",
            expected="a name that ends in " + ", ".join(kinds),
            found=path.suffix or "no suffix",
        )
    return kind


def _check(image: ByteImage, size: tuple[int, int]) -> None:
    wanted = (size[1], size[0], 3)
    if image.dtype != np.uint8 or image.shape != wanted or not image.size:
        raise ValueError(f"expected uint8 {wanted}, found {image.dtype} {image.shape}")
