"""``edgewarden doctor``: what works here, what does not, and the command that mends it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.command import Command
from edge.cli.console import print_json
from edge.cli.daemon_findings import look_at_daemon
from edge.cli.finding import Finding, failure
from edge.errors import EdgewardenError

if TYPE_CHECKING:
    from edge.config import Site

_LOW_DISK = 500 * 1024**2
_PLAUSIBLE_YEAR = 2025


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="SITE", help="look at this site as well")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run(arguments: Namespace) -> int:
    findings = list(_machine())
    if arguments.config is not None:
        findings += _site(arguments.config)
    if arguments.json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    return 1 if any(finding.state == "failed" for finding in findings) else 0


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        found = finding.found.replace("\n", f"\n{'':<8} {'':<{width}}  ")
        print(f"{finding.state:<8} {finding.name:<{width}}  {found}")
        if finding.remedy:
            print(f"{'':<8} {'':<{width}}  → {finding.remedy}")


def _machine() -> Iterator[Finding]:
    from edge.device import gather

    facts = gather()
    yield Finding("python", "ok", sys.version.split()[0])
    cores = f"{facts.cpu_count} cores"
    flags = ", ".join(sorted(facts.cpu_flags)) or "no INT8 instructions known"
    yield Finding("cpu", "ok", f"{facts.cpu_model or facts.machine}, {cores}, {flags}")
    if facts.memory_total and facts.memory_available:
        free, total = facts.memory_available / 2**30, facts.memory_total / 2**30
        yield Finding(
            "memory", "ok" if free > 0.5 else "warning", f"{free:.1f} of {total:.1f} GiB available"
        )
    board = " ".join(part for part in (facts.board, facts.l4t and f"L4T {facts.l4t}") if part)
    yield Finding("board", "ok", board or "no Jetson: models run on the CPU")
    yield _package("onnxruntime", "pip install onnxruntime")
    yield _package("av", "pip install av")
    yield _opencv()
    yield _clock()


def _package(name: str, remedy: str) -> Finding:
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "failed", "not installed", remedy)


def _opencv() -> Finding:
    try:
        import cv2
    except ImportError as exc:
        return Finding("opencv", "failed", str(exc), "pip install 'edgewarden[cpu]'")
    gstreamer = cv2.getBuildInformation().partition("GStreamer:")[2].split("\n")[0].strip()
    found = f"{cv2.__version__}, GStreamer {gstreamer or 'unknown'}"
    if Path("/etc/nv_tegra_release").exists() and not gstreamer.startswith("YES"):
        return Finding(
            "opencv",
            "warning",
            f"{found}: it shadows JetPack's own, and CSI cameras will not open",
            "pip uninstall opencv-python opencv-python-headless",
        )
    return Finding("opencv", "ok", found)


def _clock() -> Finding:
    from datetime import datetime, timezone

    now = datetime.now(timezone.utc)
    if now.year < _PLAUSIBLE_YEAR:
        return Finding(
            "clock", "failed", f"{now:%Y-%m-%d}, before this version", "timedatectl set-ntp true"
        )
    return Finding("clock", "ok", now.isoformat(timespec="seconds"))


def _site(path: Path) -> list[Finding]:
    from edge.config import load_site

    try:
        site = load_site(path)
    except EdgewardenError as error:
        unasked = Finding("daemon", "warning", "not asked: the site file says where it answers")
        return [failure("site file", error), unasked]
    findings = [Finding("site file", "ok", f"{site.site.id}/{site.site.node}")]
    findings.append(_folder("state", site.site.state_dir))
    findings.append(_folder("cache", site.site.cache_dir))
    findings += _bundles(site)
    findings.append(_checked("gallery", lambda: _gallery(site)))
    findings += look_at_daemon(site.control_socket)
    return findings


def _folder(name: str, path: Path) -> Finding:
    try:
        present = next(folder for folder in (path, *path.parents) if folder.exists())
    except OSError as exc:
        return Finding(
            f"{name} folder", "failed", f"{path}: {exc.strerror}", f"choose another {name}_dir"
        )
    if not present.is_dir():
        return Finding(
            f"{name} folder", "failed", f"{present} is no folder", f"choose another {name}_dir"
        )
    if not os.access(present, os.W_OK | os.X_OK):
        remedy = (
            f"run this as user {_owner(path)}, or choose another {name}_dir"
            if present == path
            else f"sudo install -d -m 0700 -o $USER {shlex.quote(str(path))}"
        )
        return Finding(f"{name} folder", "failed", f"{path} cannot be written", remedy)
    usage = shutil.disk_usage(present)
    if not usage.total:
        return Finding(
            f"{name} folder", "failed", f"{path} lies on no disk", f"choose another {name}_dir"
        )
    free = usage.free
    text = f"{path}, {free / 2**30:.1f} GiB free"
    if free < _LOW_DISK:
        return Finding(f"{name} folder", "warning", text, "free some space on that disk")
    return Finding(f"{name} folder", "ok", text)


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return str(path.stat().st_uid)


def _bundles(site: Site) -> list[Finding]:
    from edge.assembly import load_models

    def check() -> str:
        with load_models(site) as loaded:
            parts = [
                f"{role} {reference.bundle}/{reference.variant}"
                for role, reference in loaded.references.items()
            ]
            if loaded.point is not None:
                point = loaded.point
                parts.append(
                    f"threshold {point.threshold:g}, margin {point.margin:g} from {point.source}"
                )
        return "; ".join(parts)

    findings = [_checked("bundles", check)]
    if not site.models.require_signed:
        findings.append(
            Finding(
                "signatures",
                "warning",
                "require_signed is false: any bundle is taken",
                "sign the bundles with: edgewarden bundle sign",
            )
        )
    return findings


def _gallery(site: Site) -> str:
    from edge.assembly import open_gallery

    with open_gallery(site, read_only=True) as store:
        people, faults = len(store.people()), store.check()
    if faults:
        raise EdgewardenError("; ".join(faults), remedy="edgewarden gallery check")
    return f"{people} enrolled"


def _checked(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", check())
    except EdgewardenError as error:
        return failure(name, error)


command = Command(
    summary="say what works here, what does not and how to mend it",
    example="  edgewarden doctor --config site.toml",
    configure=_configure,
    run=_run,
)
