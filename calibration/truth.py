"""Who is in which clip, as somebody wrote it down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from calibration.csv_file import read_csv
from edge.errors import UsageError
from edge.ids import fit_id

_COLUMNS = ("file", "person")


def read_truth(path: Path) -> dict[str, str | None]:
    """Who a clip shows, by camera id, from a CSV with columns ``file`` and ``person``.

    UTF-8, with or without a byte order mark. An empty person means that the clip shows no face at
    all. Raises UsageError for another file, a line that is not whole, and a clip that comes twice.
    """
    truth: dict[str, str | None] = {}
    first: dict[str, str] = {}
    for line, file, person in _read(path):
        clip, here = fit_id(Path(file).stem), f"{file!r} in line {line}"
        if clip in first:
            raise UsageError(
                f"{path} names the clip {clip} twice",
                expected="one line for each clip, known by its name without folder and ending",
                found=f"{first[clip]} and {here}",
            )
        first[clip] = here
        truth[clip] = fit_id(person) if person else None
    if not truth:
        raise UsageError(f"{path} names no clip", expected="one line for each clip", found="none")
    return truth


def _read(path: Path) -> Iterator[tuple[int, str, str]]:
    """Number, file and person of every line below the headings."""
    remedy = "Put a name with a comma in quotes; leave nobody empty: clip.mkv,"
    for line, row in read_csv(path, _COLUMNS, what="who is in which clip", remedy=remedy):
        if not row["file"]:
            raise UsageError(f"{path}, line {line} names no clip", expected="a file")
        yield line, row["file"], row["person"]
