"""The folder of a bundle, held against its manifest: plain files, all listed, none changed.

Links and special files are refused wherever they are met: what is checked has to be what is read.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from edge.errors import BundleIntegrityError
from edge.manifest import FileEntry, Manifest

MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "manifest.sig"


def resolve_folder(path: Path) -> Path:
    """The folder itself, links on the way to it followed. Raises BundleIntegrityError."""
    try:
        folder = path.resolve(strict=True)
    except (OSError, RuntimeError) as exc:  # before 3.13 a loop of links is a RuntimeError
        raise BundleIntegrityError(
            "there is no such folder",
            expected=f"a folder with {MANIFEST_NAME}",
            found=(exc.strerror or "") if isinstance(exc, OSError) else str(exc),
        ) from exc
    if not folder.is_dir():
        raise BundleIntegrityError(
            "this is no folder", expected=f"a folder with {MANIFEST_NAME}", found="a file"
        )
    return folder


def check_folder(folder: Path, manifest: Manifest) -> None:
    """Hold a folder against its manifest: only what is listed, all of it, plain files, the sizes.

    Raises BundleIntegrityError, naming the file.
    """
    sizes: dict[str, int | None] = {entry.path: entry.bytes for entry in manifest.files}
    missing = set(sizes)
    sizes.update(dict.fromkeys((MANIFEST_NAME, SIGNATURE_NAME)))
    folders = {str(parent) for path in sizes for parent in PurePosixPath(path).parents}
    for name, status in _walk(folder, folders):
        _require_plain(name, status)
        if name not in sizes:
            raise _foreign(name, "a file that is not listed")
        size = sizes[name]
        if size is not None and status.st_size != size:
            raise _changed(name, f"{size} bytes", f"{status.st_size} bytes")
        missing.discard(name)
    if missing:
        raise BundleIntegrityError(
            f"{min(missing)} is missing",
            expected=f"all {len(manifest.files)} files that the manifest lists",
            found=f"{len(missing)} of them missing",
            remedy="Fetch or build the bundle again.",
        )


def _walk(root: Path, folders: Collection[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Path below ``root`` and lstat of everything in it but folders, which must be expected."""
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(root / prefix) as entries:
                found = [(prefix + e.name, e.stat(follow_symlinks=False)) for e in entries]
        except OSError as exc:
            raise unreadable(prefix or ".", exc) from exc
        for name, status in sorted(found):
            if not stat.S_ISDIR(status.st_mode):
                yield name, status
            elif name in folders:
                pending.append(f"{name}/")
            else:
                raise _foreign(name, "a folder that no listed file is in")


def _require_plain(name: str, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise _foreign(name, "a symbolic link")
    if not stat.S_ISREG(status.st_mode):
        raise _foreign(name, "a special file")
    if status.st_nlink > 1:
        raise _foreign(name, f"a file with {status.st_nlink} names (hard links)")


def read_listed(folder: Path, entry: FileEntry) -> bytes:
    """The bytes of a listed file, of its size and hash. Raises BundleIntegrityError."""
    data = read_plain(folder / entry.path, limit=entry.bytes + 1)
    if len(data) != entry.bytes:
        found = f"{len(data)} bytes" if len(data) < entry.bytes else "more"
        raise _changed(entry.path, f"{entry.bytes} bytes", found)
    digest = hashlib.sha256(data).hexdigest()
    if digest != entry.sha256:
        raise _changed(entry.path, f"sha256 {entry.sha256}", f"sha256 {digest}")
    return data


def read_plain(path: Path, *, limit: int) -> bytes:
    """At most ``limit`` bytes of a plain file; never through a link, never waiting on a pipe.

    Raises BundleIntegrityError where it is something else or cannot be read.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags)
        try:
            _require_plain(path.name, os.fstat(handle))
            with open(handle, "rb", closefd=False) as file:
                return file.read(limit)
        finally:
            os.close(handle)
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise _foreign(path.name, "a symbolic link") from exc
        raise unreadable(path.name, exc) from exc


def _foreign(name: str, found: str) -> BundleIntegrityError:
    return BundleIntegrityError(
        f"{name!r:.200} does not belong in a bundle",
        expected=f"{MANIFEST_NAME}, {SIGNATURE_NAME} and plain files that the manifest lists",
        found=found,
        remedy="Fetch or build the bundle again; remove nothing from one that you do not trust.",
    )


def _changed(name: str, expected: str, found: str) -> BundleIntegrityError:
    return BundleIntegrityError(
        f"{name} is not the file that the manifest lists",
        expected=expected,
        found=found,
        remedy="Fetch or build the bundle again; do not use this one.",
    )


def unreadable(name: str, error: OSError) -> BundleIntegrityError:
    """What a failure to read ``name`` is in our terms; raise it ``from error``."""
    return BundleIntegrityError(
        f"{name} cannot be read",
        expected="a file that this user may read",
        found=error.strerror or str(error),
    )
