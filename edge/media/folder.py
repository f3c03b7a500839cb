"""Still images, one or a folder of them, as a series of pictures."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.errors import MediaError, StreamBrokenError
from edge.media.ffmpeg import MAX_PIXELS
from edge.media.image import IMAGE_SUFFIXES, read_image
from edge.media.picture import DEFAULT_FPS, Picture, PictureReader

_log = logging.getLogger(__name__)


def open_images(
    path: str | os.PathLike[str], *, fps: float = DEFAULT_FPS, max_pixels: int = MAX_PIXELS
) -> ImageReader:
    """One image, or every image of a folder in natural order of their names, as a series.

    Files that are not named like images are left out, and so are subfolders. In a folder, images
    that cannot be read are skipped and counted; fps is the rate at which the rest is timed.

    Raises MediaError where the folder is missing or holds no image that can be read; for a single
    image what read_image raises.
    """
    place = Path(path)
    if not os.path.isdir(place):  # unlike Path's, this one never raises
        return ImageReader(place, [place], fps=fps, max_pixels=max_pixels)
    try:
        files = [f for f in place.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and f.is_file()]
    except OSError as exc:
        raise MediaError(
            f"{place} cannot be read", expected="a folder of images", found=str(exc.strerror)
        ) from exc
    files.sort(key=lambda file: natural_key(file.name))
    return ImageReader(place, files, fps=fps, max_pixels=max_pixels)


def natural_key(name: str) -> tuple[list[str | int], str]:
    """A sort key under which ``frame10`` follows ``frame9``."""
    parts = re.split(r"([0-9]+)", name.lower())
    return [int(part) if part.isdecimal() else part for part in parts], name


class ImageReader(PictureReader):
    """Images as a series of pictures at ``fps``."""

    def __init__(self, place: Path, files: Sequence[Path], *, fps: float, max_pixels: int) -> None:
        if fps <= 0:
            raise ValueError(f"expected a rate above 0, found {fps}")
        self._files = files
        self._max_pixels = max_pixels
        self._alone = list(files) == [place]
        self._corrupt = 0
        super().__init__(str(place), self._read(1.0 / fps), fps=fps, frames=len(files))

    @property
    def corrupt(self) -> int:
        """How many files were skipped so far."""
        return self._corrupt

    def _read(self, period: float) -> Iterator[Picture]:
        delivered = 0
        for file in self._files:
            try:
                image = read_image(file, max_pixels=self._max_pixels)
            except MediaError as exc:
                if self._alone:
                    raise
                self._skip(exc)
                continue
            yield Picture(image, delivered * period, delivered)
            delivered += 1

    def _skip(self, error: MediaError) -> None:
        self._corrupt += 1
        if self._corrupt == 1:
            _log.warning("%s: skipped an image (%s); more are counted", self._name, error)

    def _empty_error(self) -> MediaError:
        found = f"{self._corrupt} that cannot be read" if self._corrupt else "none"
        return MediaError(
            f"{self._name} holds no image",
            expected="a folder with JPEG, PNG, WebP, BMP or TIFF images",
            found=found,
        )

    def _end_error(self, last: Picture) -> StreamBrokenError | None:
        return None

    def _release(self) -> None:
        self._files = ()
