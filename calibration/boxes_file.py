"""What is where in pictures, as somebody wrote it down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calibration.csv_file import Row, read_csv
from calibration.detection import Boxes
from edge.errors import UsageError

_CORNERS = ("x1", "y1", "x2", "y2")
_COLUMNS = ("file", "label", *_CORNERS)


def read_boxes(path: Path, labels: Sequence[str]) -> dict[Path, Boxes]:
    """The boxes of each picture, from a CSV with columns file,label,x1,y1,x2,y2 in pixels.

    Files count from the list's own folder. A line with a file alone, all else empty, is a picture
    with nothing in it. A column ``ignored``, where there is one, marks with 1 what need not be
    found. labels: of the detector; a label's place among them is its number.
    Raises UsageError for another file, an unknown label, and a box that is none.
    """
    found: dict[Path, list[tuple[int, list[float], bool]]] = {}
    remedy = "For a picture with nothing in it leave all but the file empty: hall.png,,,,,"
    for line, row in read_csv(path, _COLUMNS, what="boxes", remedy=remedy):
        if not row["file"]:
            raise UsageError(f"{path}, line {line} names no picture", expected="a file")
        rows = found.setdefault(path.parent / row["file"], [])
        if any(row[name] for name in _COLUMNS[1:]):
            place = f"{path}, line {line}"
            rows.append((_label(place, row, labels), _box(place, row), _ignored(place, row)))
    if not found:
        raise UsageError(f"{path} names no picture", expected="one line for each box", found="none")
    return {file: _boxes(rows) for file, rows in found.items()}


def _boxes(rows: Sequence[tuple[int, list[float], bool]]) -> Boxes:
    return Boxes(
        np.asarray([box for _, box, _ in rows], np.float32).reshape(-1, 4),
        np.asarray([label for label, _, _ in rows], np.int64),
        np.asarray([ignored for _, _, ignored in rows], bool),
    )


def _label(place: str, row: Row, labels: Sequence[str]) -> int:
    if row["label"] not in labels:
        raise UsageError(
            f"{place} has a label that the detector does not know",
            expected=", ".join(labels[:10]),
            found=row["label"] or "nothing",
        )
    return labels.index(row["label"])


def _box(place: str, row: Row) -> list[float]:
    values = [_number(row[name]) for name in _CORNERS]
    if any(math.isnan(v) for v in values) or values[0] >= values[2] or values[1] >= values[3]:
        raise UsageError(
            f"{place} holds no box",
            expected="numbers with x1 < x2 and y1 < y2",
            found=", ".join(row[name] or "nothing" for name in _CORNERS),
        )
    return values


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _ignored(place: str, row: Row) -> bool:
    text = row.get("ignored", "")
    if text not in ("", "0", "1"):
        raise UsageError(f"{place}: ignored says neither yes nor no", expected="0 or 1", found=text)
    return text == "1"
