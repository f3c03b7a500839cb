"""Who is in which clip, as somebody wrote it down."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from edge.errors import UsageError
from edge.ids import fit_id

_COLUMNS = frozenset({"file", "person"})


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
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            yield from _rows(path, csv.DictReader(lines, skipinitialspace=True))
    except OSError as exc:
        raise _unreadable(path, exc.strerror or type(exc).__name__) from exc
    except UnicodeDecodeError as exc:
        raise _unreadable(path, f"other text than UTF-8: byte {exc.start}") from exc
    except csv.Error as exc:
        raise _unreadable(path, str(exc)) from exc


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterator[tuple[int, str, str]]:
    columns = [column.strip() for column in reader.fieldnames or ()]
    reader.fieldnames = columns
    if not set(columns) >= _COLUMNS:
        raise UsageError(
            f"{path} is no list of who is in which clip",
            expected="a CSV with columns file,person",
            found=", ".join(columns) or "an empty file",
        )
    for row in reader:
        line = reader.line_num
        # DictReader files what is beyond the columns under None, and None for what is missing.
        if None in row or None in row.values():
            raise UsageError(
                f"{path}, line {line} does not fit the headings",
                expected=f"a value for each of {','.join(columns)}",
                found="more values" if None in row else "fewer values",
                remedy="Put a name with a comma in quotes; leave nobody empty: clip.mkv,",
            )
        file, person = row["file"].strip(), row["person"].strip()
        if not file:
            raise UsageError(f"{path}, line {line} names no clip", expected="a file")
        yield line, file, person


def _unreadable(path: Path, found: str) -> UsageError:
    return UsageError(f"cannot read {path}", expected="a CSV file in UTF-8", found=found)
