"""Reports of an export or a calibration, written as JSON or as a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calibration.report import require_page
from edge.durable import require_new_file, write_new_file


def require_writable(paths: Sequence[Path]) -> None:
    """Refuse reports that could not be written, before the work.

    Raises OutputError, and for a page MissingExtraError without the packages that pages need.
    """
    for path in paths:
        if path.suffix == ".html":
            require_page(path)
        else:
            require_new_file(path)


def write_reports(
    paths: Sequence[Path], report: Mapping[str, Any], page: Callable[[], bytes]
) -> None:
    """Write one report to every path, as a page where it ends in ``.html``, else as JSON.

    page: makes the page. Raises OutputError, StoreFullError, ImportError without what pages need.
    """
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for path in paths:
        write_new_file(path, page() if path.suffix == ".html" else text.encode())
