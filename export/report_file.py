"""Reports of an export or a calibration, written as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.durable import write_new_file
from edge.errors import OutputError


def require_writable(paths: Sequence[Path]) -> None:
    """Refuse reports that could not be written, before the work. Raises OutputError."""
    for path in paths:
        if os.path.lexists(path) or not path.parent.is_dir():
            raise OutputError(
                f"cannot write {path}",
                expected="a path that is not taken, in a folder that exists",
                found="a file" if os.path.lexists(path) else "no such folder",
                remedy="Choose another path, or remove it first.",
            )


def write_reports(paths: Sequence[Path], report: Mapping[str, Any]) -> None:
    """Write one report to every path. Raises OutputError, StoreFullError."""
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for path in paths:
        write_new_file(path, text.encode())
