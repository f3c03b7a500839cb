"""Choosing pictures from image files and videos: spread over files and time, none twice.

Every file may give its share of what is still missing, so that no long video fills a set alone.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from calibration.batches import Indices, Kind, PictureSource
from calibration.faces import Finder, Place, Shape
from calibration.similar import Distinct, Hash, difference_hash
from calibration.walk import FileList
from edge.errors import MediaError, StreamBrokenError
from edge.media import is_image, open_video, read_image
from edge.types import ByteImage

Watch = Callable[[int], None]

# Frames of a video that are looked at for each one wanted, and at least: many show no good face.
_LOOKS, _LEAST_LOOKS = 4, 16
_NAMED = 5
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Find:
    """Something to cut out. frame: of a video; 0 in an image. place: where in that frame."""

    frame: int
    place: Place
    hash: Hash


@dataclass(slots=True)
class Tally:
    """What was left out. unreadable: files, the first of them in ``examples`` with the reason.
    empty: files in which nothing was found to cut out."""

    duplicates: int = 0
    unreadable: int = 0
    empty: int = 0
    examples: list[str] = field(default_factory=list)

    def cannot_read(self, name: str, error: MediaError) -> None:
        """Count a file that cannot be read."""
        self.unreadable += 1
        if len(self.examples) < _NAMED:
            self.examples.append(f"{name} ({error.found or error.message})")

    def counts(self) -> dict[str, JsonValue]:
        """Everything counted, by name."""
        return {
            "near_duplicates": self.duplicates,
            "unreadable_files": self.unreadable,
            "files_without_a_usable_picture": self.empty,
        }

    def __str__(self) -> str:
        texts = [
            f"{count} {name.replace('_', ' ')}" for name, count in self.counts().items() if count
        ]
        if self.examples:
            texts.append("cannot be read: " + ", ".join(self.examples))
        return "; ".join(texts)


class FilePictures(PictureSource):
    """Pictures from files; kept of each is where it lies, and of its file the hash."""

    kind: Kind = "real"

    def __init__(self, files: FileList, shape: Shape) -> None:
        super().__init__(shape.spec)
        self.tally = Tally()
        self.groups: array[int] = array("q")
        self._files = files
        self._shape = shape
        self._frames = array("q")
        self._places = array("f")
        self._sums = bytearray()
        self._sum_of = array("q")

    def add(self, number: int, finds: Sequence[Find]) -> None:
        """Take what was found in a file. Raises MediaError where the file is gone."""
        self._sums += _file_hash(self._files.path(number))
        for find in finds:
            self.groups.append(number)
            self._sum_of.append(len(self._sums) // 32 - 1)
            self._frames.append(find.frame)
            self._places.extend(find.place)

    @property
    def description(self) -> str:
        """How many pictures of how many files, and what was left out."""
        left = str(self.tally)
        text = f"{len(self.groups)} pictures of {len(self._sums) // 32} files"
        return f"{text}; left out: {left}" if left else text

    @property
    def record(self) -> Mapping[str, JsonValue]:
        """How many files, and what was left out."""
        return {"files": len(self._sums) // 32, **self.tally.counts()}

    def digests(self, wanted: Indices) -> Iterator[bytes]:
        """Of the file's hash, the frame and the place in it."""
        for index in wanted.tolist():
            start = 32 * self._sum_of[index]
            where = struct.pack(f"<q{self._shape.numbers}f", self._frames[index], *self._at(index))
            yield hashlib.sha256(bytes(self._sums[start : start + 32]) + where).digest()

    def group_name(self, group: int) -> str:
        """The file's path within the folder that was named."""
        return self._files.name(group)

    def _at(self, index: int) -> Place:
        numbers = self._shape.numbers
        return tuple(self._places[index * numbers : (index + 1) * numbers])

    def _prepare(self, wanted: Indices) -> Iterator[ByteImage]:
        for number, members in groupby(wanted.tolist(), lambda index: self.groups[index]):
            path, indices = self._files.path(number), list(members)
            pictures = read_frames(path, [self._frames[index] for index in indices])
            for index, picture in zip(indices, pictures, strict=True):
                yield self._shape.cut(picture, self._at(index))


def choose_pictures(
    files: FileList, finder: Finder, *, count: int, seed: int, watch: Watch
) -> FilePictures:
    """Choose up to ``count`` pictures; watch is told of how many more were found.

    Files that cannot be read are counted and left out. Raises what ``finder`` raises.
    """
    chosen = FilePictures(files, finder.shape)
    tally, distinct = chosen.tally, Distinct()
    order = files.order(seed)
    for done, number in enumerate(order.tolist()):
        missing = count - len(chosen.groups)
        if not missing:
            break
        share = -(-missing // (len(order) - done))
        try:
            found = _look(files.path(number), finder, share, tally)
            fresh = [find for find in found if distinct.is_new(find.hash)]
            if fresh:
                chosen.add(number, fresh)
        except MediaError as exc:
            tally.cannot_read(files.name(number), exc)
            continue
        tally.duplicates += len(found) - len(fresh)
        tally.empty += not found
        watch(len(fresh))
    return chosen


def read_frames(path: Path, frames: Sequence[int]) -> Iterator[ByteImage]:
    """The frames of these indices, which ascend, of a video; an image is its own frame 0.

    Raises MediaError where the file cannot be read or has fewer frames.
    """
    if is_image(path):
        picture = read_image(path)
        yield from (picture for _ in frames)
        return
    left = list(reversed(frames))
    try:
        with open_video(path) as video:
            for frame in video:
                while left and left[-1] == frame.index:
                    left.pop()
                    yield frame.image
                if not left:
                    return
    except StreamBrokenError as exc:
        raise _changed(path, str(exc)) from exc
    raise _changed(path, f"less than {left[-1] + 1} frames")


def _look(path: Path, finder: Finder, share: int, tally: Tally) -> list[Find]:
    """Up to ``share`` finds in one file, spread over it, none nearly the same as another."""
    if is_image(path):
        frames: Iterator[tuple[int, ByteImage]] = iter([(0, read_image(path))])
    else:
        frames = _spread(path, max(_LOOKS * share, _LEAST_LOOKS))
    distinct = Distinct()
    found = []
    for frame, picture in frames:
        for place, crop in finder.find(picture):
            one = difference_hash(crop)
            if distinct.is_new(one):
                found.append(Find(frame, place, one))
    tally.duplicates += distinct.dropped
    return [found[index] for index in _evenly(len(found), share)]


def _spread(path: Path, looks: int) -> Iterator[tuple[int, ByteImage]]:
    """Up to ``looks`` frames of a video at equal distances; those before damage, where it breaks
    off."""
    with open_video(path) as video:
        stated = video.frames
    wanted = set(_evenly(stated or _count_frames(path), looks).tolist())
    try:
        with open_video(path) as video:
            for picture in video:
                if picture.index in wanted:
                    yield picture.index, picture.image
    except StreamBrokenError:
        return


def _count_frames(path: Path) -> int:
    count = 0
    try:
        with open_video(path) as video:
            for _ in video:
                count += 1
    except StreamBrokenError:
        pass
    return count


def _evenly(count: int, wanted: int) -> NDArray[np.int64]:
    """The indices of up to ``wanted`` of ``count`` things, at equal distances."""
    if wanted >= count:
        return np.arange(count)
    return ((np.arange(wanted) + 0.5) * count / wanted).astype(np.int64)


def _file_hash(path: Path) -> bytes:
    total = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while part := file.read(_CHUNK):
                total.update(part)
    except OSError as exc:
        raise MediaError(
            f"{path} cannot be read", expected="an image or a video", found=str(exc.strerror)
        ) from exc
    return total.digest()


def _changed(path: Path, found: str) -> MediaError:
    return MediaError(
        f"{path} has changed while it was used",
        expected="the file that was there when its pictures were chosen",
        found=found,
        remedy="Leave the files alone until the work is done, and start again.",
    )
