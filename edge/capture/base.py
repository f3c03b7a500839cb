"""The seam to whatever frames come from: open, iterate, close.

``Source`` checks state once; an adapter fills three short hooks. One source belongs to one thread
at a time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from edge.closing import Closing
from edge.errors import ClosedError
from edge.types import Frame


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source says of itself once it is open.

    fps: frames per second as stated, None where nobody says. frames_total: an estimate, None where
    there is no end or nobody says.
    """

    fps: float | None = None
    frames_total: int | None = None


class Source(Closing):
    """The frames of one camera, in order. Use as a context manager, or call open and close.

    Iterate once; a second loop goes on where the first one stopped. Iteration raises
    StreamBrokenError where the source ends before its end, after every whole frame up to there.
    """

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._info: SourceInfo | None = None
        self._iterator: Generator[Frame, None, None] | None = None

    @property
    def camera(self) -> str:
        """The id that every frame carries."""
        return self._camera

    def open(self) -> None:
        """Make the source ready. A second call does nothing.

        Raises MediaError where it cannot be opened.
        """
        if self._info is None:
            self._info = self._open()
            self._iterator = self._frames()

    @property
    def fps(self) -> float | None:
        """Frames per second as stated. Raises ClosedError before open and after close."""
        return self._opened().fps

    @property
    def frames_total(self) -> int | None:
        """An estimate of all frames. Raises ClosedError before open and after close."""
        return self._opened().frames_total

    @property
    def corrupt(self) -> int:
        """How many damaged frames were skipped so far."""
        return 0

    def __iter__(self) -> Iterator[Frame]:
        self._opened()
        assert self._iterator is not None
        return self._iterator

    def close(self) -> None:
        """Stop and release everything. Safe to call twice."""
        if self._info is not None:
            self._info = None
            if self._iterator is not None:
                self._iterator.close()
            self._close()

    def _prepare(self) -> None:
        self.open()

    def _opened(self) -> SourceInfo:
        if self._info is None:
            raise ClosedError(f"{type(self).__name__} is not open", remedy="Call open() first.")
        return self._info

    @abstractmethod
    def _open(self) -> SourceInfo: ...

    @abstractmethod
    def _frames(self) -> Generator[Frame, None, None]: ...

    @abstractmethod
    def _close(self) -> None: ...
