"""Settings: the site file, the environment, and the operating point that both lead to.

The only module that reads the environment. ``load_site`` gives a ``Site`` whose every value has
been checked and whose every path is absolute; nothing after it checks them again.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge.errors import SiteFileError, UsageError
from edge.site.listen import ListenAddress, TcpAddress, UnixAddress
from edge.site.problems import field_problems, reference_problems
from edge.site.sections import (
    DEFAULT_MARGIN,
    Behaviour,
    BehaviourSection,
    Camera,
    Control,
    Intrusion,
    LineCrossing,
    Loitering,
    Metrics,
    Models,
    Mqtt,
    Recognition,
    Rule,
    Site,
    SiteSection,
    Snapshots,
)
from edge.site.source import SourceAddress, SourceKind
from edge.site.values import ANYONE, PICTURED, TRIGGERS, did_you_mean, is_number
from edge.strict_json import read_strict_json
from edge.types import OperatingPoint

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "ANYONE",
    "DEFAULT_MARGIN",
    "PICTURED",
    "TRIGGERS",
    "Behaviour",
    "BehaviourSection",
    "Camera",
    "Control",
    "Environment",
    "Intrusion",
    "LineCrossing",
    "ListenAddress",
    "Loitering",
    "Metrics",
    "Models",
    "Mqtt",
    "Recognition",
    "Rule",
    "Site",
    "SiteSection",
    "Snapshots",
    "SourceAddress",
    "SourceKind",
    "TcpAddress",
    "UnixAddress",
    "forbid_telemetry",
    "load_site",
    "preferred_keras_backend",
    "read_environment",
    "tensorflow_environment",
    "threshold_for",
]

LOG_LEVELS = ("debug", "info", "warning", "error")
THRESHOLDS_FILE = "thresholds.json"


def load_site(path: Path) -> Site:
    """Read a site file. Relative paths in it count from its folder.

    Raises SiteFileError: the file cannot be read, is not TOML (with line and column), or, with
    every problem listed by its place, does not say what it must.
    """
    data = _parse_toml(path, _read_text(path))
    problems = reference_problems(data)
    try:
        site = Site.model_validate(data, context={"folder": path.absolute().parent})
    except ValidationError as exc:
        problems = field_problems(exc) + problems
        raise _refused(path, [str(problem) for problem in problems]) from exc
    if problems:
        raise _refused(path, [str(problem) for problem in problems])
    return site


def threshold_for(
    site: Site, thresholds: Sequence[Mapping[str, object]], bundle_sha256: str
) -> OperatingPoint:
    """The operating point of a recogniser.

    thresholds: those of its bundle's manifest, as tables. The site file comes first, then what was
    calibrated on this device for this very bundle, then the bundle's first cosine threshold.
    Raises UsageError for a calibration file, or its entry for this bundle, that cannot be used,
    SiteFileError when nothing says.
    """
    margin = site.recognition.margin
    if site.recognition.threshold is not None:
        return OperatingPoint(
            threshold=site.recognition.threshold, margin=margin, source="the site file"
        )
    path = site.site.state_dir / THRESHOLDS_FILE
    calibrated = _calibrated(path, bundle_sha256)
    if calibrated is not None:
        return OperatingPoint(threshold=calibrated, margin=margin, source=str(path))
    cosines = (_cosine(entry) for entry in thresholds)
    shipped = next((value for value in cosines if value is not None), None)
    if shipped is not None:
        return OperatingPoint(threshold=shipped, margin=margin, source="the bundle")
    raise SiteFileError(
        "no threshold for the recogniser",
        expected=f"one in the site file, in {path} or in the bundle",
        found="none above 0",
        remedy="Measure one with: edgewarden calibrate threshold --config SITE VIDEO… "
        "Or set threshold under [recognition] in the site file.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the process's environment asks for and tells.

    log_level: one of LOG_LEVELS. The rest is None unless systemd started the process:
    notify_socket: where it wants to be told how the service is. watchdog_s: it restarts a service
    that is silent for so long. credentials_directory: the files of LoadCredential.
    journal_stream: device and inode of the pipe to the journal.
    """

    log_level: str = "warning"
    notify_socket: str | None = None
    watchdog_s: float | None = None
    credentials_directory: Path | None = None
    journal_stream: tuple[int, int] | None = None


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Read EDGEWARDEN_LOG and what systemd sets.

    variables: None reads the process's own. Raises UsageError for a value that cannot be used.
    """
    known = os.environ if variables is None else variables
    level = known.get("EDGEWARDEN_LOG", "").lower() or Environment().log_level
    if level not in LOG_LEVELS:
        raise UsageError(
            "EDGEWARDEN_LOG is no log level",
            expected=f"one of {', '.join(LOG_LEVELS)}",
            found=repr(level),
            remedy=did_you_mean(level, LOG_LEVELS),
        )
    credentials = known.get("CREDENTIALS_DIRECTORY")
    stream = _numbers(known, "JOURNAL_STREAM", r"(\d+):(\d+)", "device:inode")
    return Environment(
        log_level=level,
        notify_socket=known.get("NOTIFY_SOCKET") or None,
        watchdog_s=_watchdog_s(known),
        credentials_directory=Path(credentials) if credentials else None,
        journal_stream=(stream[0], stream[1]) if stream else None,
    )


def forbid_telemetry() -> None:
    """Keep libraries that this process loads from now on from reporting to their makers.

    ONNX Runtime's Linux wheels from 1.29 on upload events unless ORT_DISABLE_TELEMETRY is set, and
    keep a device id and a database in the user's cache.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@contextmanager
def preferred_keras_backend(name: str) -> Iterator[str]:
    """While Keras is imported: let it run on ``name`` unless the user chose another.

    Gives what it will run on. Processes that are started later are not told of it.
    """
    chosen = os.environ.get("KERAS_BACKEND")
    os.environ.setdefault("KERAS_BACKEND", name)
    try:
        yield chosen or name
    finally:
        if chosen is None:
            del os.environ["KERAS_BACKEND"]


def tensorflow_environment() -> dict[str, str]:
    """This process's environment for one with TensorFlow, whose Keras has a backend of its own."""
    return {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}


def _watchdog_s(variables: Mapping[str, str]) -> float | None:
    """Seconds of silence that the watchdog allows this very process; None without one."""
    pid = _numbers(variables, "WATCHDOG_PID", r"(\d+)", "a process id")
    period = _numbers(variables, "WATCHDOG_USEC", r"0*([1-9]\d*)", "microseconds, above 0")
    if period is None or (pid is not None and pid[0] != os.getpid()):
        return None
    return period[0] / 1e6


def _numbers(
    variables: Mapping[str, str], name: str, form: str, expected: str
) -> tuple[int, ...] | None:
    """The numbers in a variable that has this form; None where it is unset or empty."""
    text = variables.get(name, "")
    if not text:
        return None
    match = re.fullmatch(form, text, re.ASCII)
    if match is None:
        raise UsageError(f"{name} cannot be read", expected=expected, found=repr(text))
    return tuple(int(part) for part in match.groups())


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise SiteFileError(
            f"{path} cannot be read",
            expected="a site file",
            found=exc.strerror or type(exc).__name__,
            remedy="Name it with --config.",
        ) from exc
    except UnicodeDecodeError as exc:
        raise SiteFileError(
            f"{path} is not text", expected="UTF-8", found=f"byte {exc.start} is not"
        ) from exc


def _parse_toml(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as exc:
        raise SiteFileError(f"{path} is not TOML", found="values nested too deeply") from exc
    except ValueError as exc:
        fault = str(exc)
        if re.search(r"line \d+, column \d+", fault) is None:
            lines = text.splitlines() or [""]
            fault += f" (line {len(lines)}, column {len(lines[-1]) + 1})"
        raise SiteFileError(f"{path} is not TOML", found=fault) from exc


def _refused(path: Path, problems: Sequence[str]) -> SiteFileError:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return SiteFileError("\n  ".join([f"{path}: {count}", *problems]))


def _calibrated(path: Path, bundle_sha256: str) -> float | None:
    """The threshold measured on this device for this bundle, None where there is none.

    What the file says of other bundles is not looked at: they may be of another kind.
    """
    try:
        table = read_strict_json(path.read_bytes(), limit=1 << 20)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _unusable(path, exc.strerror or type(exc).__name__) from exc
    except ValueError as exc:
        raise _unusable(path, str(exc)) from exc
    if not isinstance(table, dict):
        raise _unusable(path, "no JSON object")
    if bundle_sha256 not in table:
        return None
    entry = table[bundle_sha256]
    value = _cosine(entry) if isinstance(entry, dict) else None
    if value is None:
        raise _unusable(path, f"another entry for bundle {bundle_sha256!r}")
    return value


def _cosine(threshold: Mapping[str, object]) -> float | None:
    """The value of a threshold that cosine similarities can be held against."""
    value = threshold.get("value")
    if threshold.get("metric") == "cosine" and is_number(value) and 0 < value <= 1:
        return float(value)
    return None


def _unusable(path: Path, found: str) -> UsageError:
    return UsageError(
        f"{path} cannot be used",
        expected='a JSON object {"<bundle sha256>": {"metric": "cosine", "value": 0.49, …}}',
        found=found,
        remedy="Remove it, or set threshold under [recognition] in the site file.",
    )
