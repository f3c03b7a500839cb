"""Finding the pictures and videos of folders, in an order that depends on their names and a seed.

Paths are kept as plain bytes: fifty thousand of them are to need no more memory than five hundred.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import MediaError
from edge.media.image import IMAGE_SUFFIXES

_VIDEO_SUFFIXES = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm")
_SUFFIXES = tuple(os.fsencode(suffix) for suffix in (*IMAGE_SUFFIXES, *_VIDEO_SUFFIXES))


class FileList:
    """Files by number, each within one of the folders that were named."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(roots)
        self._text = bytearray()
        self._ends = array("q", [0])
        self._root_of = array("l")

    def __len__(self) -> int:
        return len(self._root_of)

    def add(self, root: int, relative: bytes) -> None:
        """Add a file by its path within a folder; an empty one means the path that was named."""
        self._text += relative
        self._ends.append(len(self._text))
        self._root_of.append(root)

    def path(self, number: int) -> Path:
        """Where a file is."""
        relative = self._relative(number)
        root = self._roots[self._root_of[number]]
        return root / os.fsdecode(relative) if relative else root

    def name(self, number: int) -> str:
        """The path of a file within the folder that was named, with ``/``; of a file, its name."""
        relative = os.fsdecode(self._relative(number))
        return relative or self._roots[self._root_of[number]].name

    def order(self, seed: int) -> NDArray[np.int64]:
        """The files' numbers, shuffled: by name and seed alone, wherever the folders are."""
        keys = np.fromiter((self._key(n, seed) for n in range(len(self))), np.uint64, len(self))
        return np.argsort(keys, kind="stable")

    def _relative(self, number: int) -> bytes:
        return bytes(self._text[self._ends[number] : self._ends[number + 1]])

    def _key(self, number: int, seed: int) -> int:
        text = f"{seed}/{self._root_of[number]}/{self.name(number)}"
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big")


def list_files(roots: Sequence[Path]) -> FileList:
    """Every file that is named, and every one in a named folder, or below it, that is named like
    an image or a video. Hidden files and linked folders are left out.

    Raises MediaError where a path is missing, a folder cannot be read, or there is no file at all.
    """
    found = FileList(roots)
    for number, root in enumerate(roots):
        if not os.path.lexists(root):
            raise MediaError(
                f"{root} cannot be read",
                expected="a folder, an image or a video",
                found="no such path",
                remedy="Check the path.",
            )
        if os.path.isdir(root):
            for relative in _walk(root):
                found.add(number, relative)
        else:
            found.add(number, b"")
    if not len(found):
        raise MediaError(
            f"there is no picture in {', '.join(map(str, roots[:3])) or 'no folder'}",
            expected="images or videos",
            found="none",
            remedy="Name a folder with JPEG or PNG images or with videos.",
        )
    return found


def _walk(root: Path) -> Iterator[bytes]:
    folders = [b""]
    base = os.fsencode(root)
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(base, folder)) as entries:
                for entry in entries:
                    relative = os.path.join(folder, entry.name)
                    if entry.name.startswith(b"."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(relative)
                    elif entry.name.lower().endswith(_SUFFIXES) and entry.is_file():
                        yield relative
        except OSError as exc:
            place = Path(os.fsdecode(os.path.join(base, folder)))
            raise MediaError(
                f"{place} cannot be read",
                expected="a folder that may be read",
                found=(exc.strerror or str(exc)).lower(),
            ) from exc
