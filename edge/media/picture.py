"""A series of decoded pictures, whatever it is read from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from edge.closing import Closing
from edge.errors import ClosedError, MediaError, StreamBrokenError
from edge.types import ByteImage

# FFmpeg's own assumption for streams that do not say.
DEFAULT_FPS = 25.0


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture.

    image: uint8 ``[H, W, 3]``, BGR, upright, C-contiguous. pts: presentation time in seconds, as in
    the file. index counts the pictures delivered, from 0.
    """

    image: ByteImage
    pts: float
    index: int


class PictureReader(Closing):
    """An open series of pictures: iterate over it once, and close it or use it in a with block.

    A second loop goes on where the first one stopped. width and height are those of the first
    picture; later ones may differ. fps and frames (an estimate) are None where nobody says.

    Raises MediaError at construction where not one picture can be decoded.
    """

    def __init__(
        self, name: str, decoded: Iterator[Picture], *, fps: float | None, frames: int | None
    ) -> None:
        self._name = name
        self._closed = False
        first = next(decoded, None)
        if first is None:
            raise self._empty_error()
        self.fps = fps
        self.frames = frames
        self.height, self.width = first.image.shape[:2]
        self._pictures = self._deliver(first, decoded)

    @property
    @abstractmethod
    def corrupt(self) -> int:
        """How many damaged pictures were skipped so far."""

    def __iter__(self) -> Iterator[Picture]:
        if self._closed:
            raise ClosedError(f"{self._name} is closed", remedy="Open it again.")
        return self._pictures

    def close(self) -> None:
        """Release the file. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._pictures.close()
            self._release()

    def _prepare(self) -> None:
        """Nothing is left to do: it is open from its construction."""

    def _deliver(self, first: Picture, rest: Iterator[Picture]) -> Generator[Picture, None, None]:
        last = first
        yield first
        for picture in rest:
            last = picture
            yield picture
        broken = self._end_error(last)
        if broken is not None:
            raise broken

    @abstractmethod
    def _empty_error(self) -> MediaError: ...

    @abstractmethod
    def _end_error(self, last: Picture) -> StreamBrokenError | None: ...

    @abstractmethod
    def _release(self) -> None: ...
