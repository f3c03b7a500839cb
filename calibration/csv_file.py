"""Lists that somebody wrote down: CSV files with headings, read line by line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.errors import UsageError

Row = dict[str, str]


def read_csv(
    path: Path, columns: Sequence[str], *, what: str, remedy: str = ""
) -> Iterator[tuple[int, Row]]:
    """The line number and the values of every line below the headings, without spaces around them.

    UTF-8, with or without a byte order mark. columns: those that have to be there; others may be.
    what: the file is a list of, for errors; remedy: for a line that does not fit the headings.
    Raises UsageError for a file that cannot be read or is another one, and a line that is not
    whole.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, skipinitialspace=True)
            yield from _rows(path, reader, columns, what, remedy)
    except OSError as exc:
        raise _unreadable(path, columns, exc.strerror or type(exc).__name__) from exc
    except UnicodeDecodeError as exc:
        raise _unreadable(path, columns, f"other text than UTF-8: byte {exc.start}") from exc
    except csv.Error as exc:
        raise _unreadable(path, columns, str(exc)) from exc


def _rows(
    path: Path, reader: csv.DictReader[str], columns: Sequence[str], what: str, remedy: str
) -> Iterator[tuple[int, Row]]:
    headings = [heading.strip() for heading in reader.fieldnames or ()]
    reader.fieldnames = headings
    if not set(headings) >= set(columns):
        raise UsageError(
            f"{path} is no list of {what}",
            expected=f"a CSV with columns {','.join(columns)}",
            found=", ".join(headings) or "an empty file",
        )
    for row in reader:
        line = reader.line_num
        # DictReader files what is beyond the columns under None, and None for what is missing.
        if None in row or None in row.values():
            raise UsageError(
                f"{path}, line {line} does not fit the headings",
                expected=f"a value for each of {','.join(headings)}",
                found="more values" if None in row else "fewer values",
                remedy=remedy,
            )
        yield line, {heading: value.strip() for heading, value in row.items()}


def _unreadable(path: Path, columns: Sequence[str], found: str) -> UsageError:
    return UsageError(
        f"cannot read {path}",
        expected=f"a CSV file in UTF-8 with columns {','.join(columns)}",
        found=found,
    )
