"""From chosen pictures to what a model is fed, through the very code that runs on the camera."""

from __future__ import annotations

import tempfile
import weakref
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from edge.manifest import Input
from edge.runner.base import Tensor
from edge.types import ByteImage
from edge.vision.preprocess import place, place_in_tensor, to_tensor

Kind = Literal["real", "generated", "noise"]
Indices = NDArray[np.int64]

# Of prepared pictures on the disk; what goes beyond is prepared anew in every pass.
MOST_BYTES = 1 << 30


def fit(picture: ByteImage, spec: Input) -> ByteImage:
    """The picture at the tensor's size: placed, padded or stretched as the camera does."""
    return place_in_tensor(picture, place((picture.shape[1], picture.shape[0]), spec), spec)


def feeds(pictures: Iterable[ByteImage], spec: Input) -> Iterator[dict[str, Tensor]]:
    """One batch of 1 for each picture, which has the tensor's size already."""
    for picture in pictures:
        yield {spec.name: to_tensor([picture], spec)}


class Source(ABC):
    """Where samples come from, by index, the same in every pass.

    kind: what they are. groups: the file, by number, that each sample is from.
    """

    kind: Kind
    groups: Sequence[int]

    @property
    @abstractmethod
    def description(self) -> str:
        """How they were chosen, in one line for people."""

    @property
    @abstractmethod
    def record(self) -> Mapping[str, JsonValue]:
        """How they were chosen, for a manifest's ``calibration``."""

    @abstractmethod
    def pictures(self, wanted: Indices) -> Iterator[ByteImage]:
        """The pictures of these indices, which ascend; none where the samples are latents."""

    @abstractmethod
    def feeds(self, wanted: Indices) -> Iterator[dict[str, Tensor]]:
        """One batch of 1 for each of these indices, which ascend."""

    @abstractmethod
    def digests(self, wanted: Indices) -> Iterator[bytes]:
        """32 bytes for each of these indices, equal only for the same sample."""

    @abstractmethod
    def group_name(self, group: int) -> str:
        """What a group is called: a file's path within the folder that was named."""


class PictureSource(Source):
    """Samples that are pictures of the size that ``spec`` takes.

    Each is prepared once and then read back from a file without a name: cutting a face out of a
    photograph or of a long video takes far longer.
    """

    def __init__(self, spec: Input) -> None:
        self.spec = spec
        self._spool = Spool()

    def pictures(self, wanted: Indices) -> Iterator[ByteImage]:
        """The pictures of these indices, which ascend: uint8 ``[H, W, 3]`` BGR."""
        missing = np.fromiter((int(i) not in self._spool for i in wanted), np.bool_, len(wanted))
        prepared = self._prepare(wanted[missing])
        for index, made_now in zip(wanted.tolist(), missing.tolist(), strict=True):
            if made_now:
                picture = next(prepared)
                self._spool.keep(index, picture)
                yield picture
            else:
                yield self._spool.read(index)

    def feeds(self, wanted: Indices) -> Iterator[dict[str, Tensor]]:
        """Each picture as a batch of 1."""
        return feeds(self.pictures(wanted), self.spec)

    @abstractmethod
    def _prepare(self, wanted: Indices) -> Iterator[ByteImage]:
        """Make the pictures of these indices, which ascend."""


class Spool:
    """Pictures kept in a file without a name, which is gone with the process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # the finaliser closes it
        weakref.finalize(self, self._file.close)
        self._most = MOST_BYTES
        self._end = 0
        # For each index where its picture starts, -1 for none, and its height and width.
        self._places = array("q")

    def __contains__(self, index: int) -> bool:
        return 3 * index < len(self._places) and self._places[3 * index] >= 0

    def keep(self, index: int, picture: ByteImage) -> None:
        """Take a picture, as long as there is room."""
        if self._end + picture.nbytes > self._most:
            return
        try:
            self._file.seek(self._end)
            self._file.write(picture.tobytes())
            self._file.flush()
        except OSError:  # a full disk costs time, nothing else
            self._most = 0
            return
        lacking = 3 * (index + 1) - len(self._places)
        self._places.extend([-1] * max(0, lacking))
        self._places[3 * index : 3 * index + 3] = array("q", (self._end, *picture.shape[:2]))
        self._end += picture.nbytes

    def read(self, index: int) -> ByteImage:
        """A picture that was kept."""
        start, height, width = self._places[3 * index : 3 * index + 3]
        self._file.seek(start)
        data = bytearray(self._file.read(height * width * 3))
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)
