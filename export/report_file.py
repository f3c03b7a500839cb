"""Reports of an export or a calibration, written as JSON or as a page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from edge.durable import write_new_file
from edge.errors import OutputError


def require_writable(paths: Sequence[Path]) -> None:
    """Refuse reports that could not be written, before the work.

    Raises OutputError, and ImportError for a page without the packages that pages need.
    """
    if any(path.suffix == ".html" for path in paths):
        import_module("jinja2")
        import_module("matplotlib")
    for path in paths:
        if os.path.lexists(path) or not path.parent.is_dir():
            raise OutputError(
                f"cannot write {path}",
                expected="a path that is not taken, in a folder that exists",
                found="a file" if os.path.lexists(path) else "no such folder",
                remedy="Choose another path, or remove it first.",
            )


def write_reports(
    paths: Sequence[Path], report: Mapping[str, Any], page: Callable[[], bytes]
) -> None:
    """Write one report to every path, as a page where it ends in ``.html``, else as JSON.

    page: makes the page. Raises OutputError, StoreFullError, ImportError without what pages need.
    """
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for path in paths:
        write_new_file(path, page() if path.suffix == ".html" else text.encode())
