"""What commands print: progress, tables, JSON."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from typing import TextIO

_REDRAW_S = 0.1


class Progress:
    """One line that fills up on a terminal, and nothing at all elsewhere.

    total: steps until done, None where unknown.
    """

    def __init__(self, label: str, total: int | None, *, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._shown = self._stream.isatty()
        self._label = label
        self._total = total
        self._done = 0
        self._start = time.monotonic()
        self._drawn = 0.0

    def __enter__(self) -> Progress:
        self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def step(self, count: int = 1) -> None:
        """Count so many more steps as done."""
        self._done += count
        if self._shown and time.monotonic() - self._drawn >= _REDRAW_S:
            self._draw()

    def _draw(self) -> None:
        if not self._shown:
            return
        self._drawn = time.monotonic()
        elapsed = self._drawn - self._start
        rate = self._done / elapsed if elapsed > 0 else 0.0
        text = f"{self._label} {self._bar()} {rate:.0f}/s"
        width = shutil.get_terminal_size().columns
        self._stream.write("\r\x1b[K" + text[: width - 1])
        self._stream.flush()

    def _bar(self) -> str:
        if not self._total:
            return str(self._done)
        share = min(self._done / self._total, 1.0)
        filled = round(share * 24)
        return f"[{'█' * filled}{'·' * (24 - filled)}] {self._done}/{self._total}"


class Stages:
    """Progress through work of several stages, whose length is not known beforehand."""

    def __init__(self, *, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._label = ""
        self._done = 0
        self._bar: Progress | None = None

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def show(self, label: str, done: int, total: int | None) -> None:
        """So many steps of the stage ``label`` are done; another label begins another stage."""
        if self._bar is None or label != self._label or done < self._done:
            self._end()
            self._label, self._done = label, 0
            self._bar = Progress(label, total, stream=self._stream).__enter__()
        self._bar.step(done - self._done)
        self._done = done

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.__exit__()
            self._bar = None


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows under headings, columns aligned: numbers to the right, words to the left."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max([len(heading), *(len(row[i]) for row in cells)]) for i, heading in enumerate(headings)
    ]
    right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(headings))]
    lines = [headings, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(
            text.rjust(width) if is_number else text.ljust(width)
            for text, width, is_number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
