"""``thresholds.json``: what was measured on this device, by the bundle it was measured of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from edge.config import THRESHOLDS_FILE
from edge.durable import make_folder, replace_file
from edge.errors import OutputError, UsageError
from edge.strict_json import read_strict_json

_LIMIT = 1 << 20  # what is read of it at start


def thresholds_path(state_dir: Path) -> Path:
    """Where a site keeps its thresholds."""
    return state_dir / THRESHOLDS_FILE


def read_thresholds(path: Path) -> dict[str, object]:
    """What the file holds, by bundle; nothing where it is missing.

    Raises UsageError where it is something else: it is not written over.
    """
    try:
        table = read_strict_json(path.read_bytes(), limit=_LIMIT)
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise _unusable(path, exc.strerror or type(exc).__name__) from exc
    except ValueError as exc:
        raise _unusable(path, str(exc)) from exc
    if not isinstance(table, dict):
        raise _unusable(path, "no JSON object")
    return table


def record_threshold(path: Path, bundle_sha256: str, entry: Mapping[str, object]) -> None:
    """Put one bundle's threshold into the file; those of other bundles stay as they are.

    The file is there whole, before or after, whatever happens. Folders that are missing are made.
    Raises UsageError where the file holds something else, OutputError or StoreFullError where it
    cannot be written.
    """
    table = read_thresholds(path) | {bundle_sha256: dict(entry)}
    data = json.dumps(table, indent=2, ensure_ascii=False).encode() + b"\n"
    if len(data) > _LIMIT:
        raise OutputError(
            f"{path} would become too large",
            expected=f"at most {_LIMIT} bytes",
            found=f"{len(data)}",
            remedy="Remove the entries of bundles that are no longer used.",
        )
    make_folder(path.parent, mode=0o700)
    replace_file(path, data)


def _unusable(path: Path, found: str) -> UsageError:
    return UsageError(
        f"{path} cannot be used",
        expected="a JSON object with one entry for each bundle",
        found=found,
        remedy="Move it away, and calibrate again what it held.",
    )
