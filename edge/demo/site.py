"""The site file of the demo: the pack's bundles, and a camera that shows the pack's clip."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from edge.config import Mqtt
from edge.demo.folder import STATE
from edge.errors import BundleError
from edge.pack import bundle
from edge.pack.demo_truth import DemoTruth
from edge.store.disk import os_errors

SITE, NODE, CAMERA = "demo", "this-machine", "lobby"
_NEEDED = {"detector": "world-face", "recogniser": "world-recogniser"}
_WELCOME = {"person": "world-person", "behaviour": "world-behaviour"}
_NO_BROKER = (
    "# Without a broker events wait in the outbox, or go to a file: edgewarden run --events FILE",
    "# [mqtt]",
    '# host = "localhost"',
    "# port = 1883",
)

BundleOf = Callable[[str], Path]


def demo_bundles(bundle_of: BundleOf = bundle) -> dict[str, Path]:
    """The pack's bundles by role; those for people and behaviours only where the pack has them.

    Raises BundleError where the pack lacks a detector or a recogniser.
    """
    found = {role: bundle_of(name) for role, name in _NEEDED.items()}
    for role, name in _WELCOME.items():
        try:
            found[role] = bundle_of(name)
        except BundleError:
            break  # without people nothing of what they do is recognised either
    return found


def write_site(
    path: Path,
    *,
    bundles: Mapping[str, Path],
    clip: Path,
    truth: DemoTruth,
    mqtt: Mqtt | None,
    node: str = NODE,
) -> None:
    """Write the site file. mqtt: where events go; None leaves that to whoever has a broker.

    Raises OutputError where it cannot be written.
    """
    with os_errors(path):
        path.write_text(_site(bundles, clip, truth, node, mqtt), encoding="utf-8")


def _site(
    bundles: Mapping[str, Path], clip: Path, truth: DemoTruth, node: str, mqtt: Mqtt | None
) -> str:
    lines = [
        "# Made by `edgewarden demo`. The people in its clip are synthetic, and the models know no",
        "# others: for real ones see `edgewarden bundle pull`.",
        "[site]",
        f'id = "{SITE}"',
        f'node = "{node}"',
        f'state_dir = "{STATE}"',
        'cache_dir = "cache"',
        "",
        "[models]",
        *(f"{role} = {_text(folder.absolute())}" for role, folder in bundles.items()),
        "require_signed = false",
        "",
        "[[cameras]]",
        f'id = "{CAMERA}"',
        f"source = {_text(clip.absolute())}",
        "loop = true",
        "[cameras.zones]",
        *(f"{name} = {_points(zone)}" for name, zone in truth.zones.items()),
        *_behaviours(truth),
        "",
        "[[rules]]",
        'id = "stranger-at-the-door"',
        'on = ["face.unknown"]',
        'severity = "warning"',
        "",
        "[[rules]]",
        'id = "nobody-but-staff"',
        'on = ["behaviour.intrusion"]',
        'severity = "alert"',
    ]
    lines += ["", *(_NO_BROKER if mqtt is None else _broker(mqtt))]
    return "\n".join(lines) + "\n"


def _broker(mqtt: Mqtt) -> tuple[str, ...]:
    return "[mqtt]", f"host = {_text(mqtt.host)}", f"port = {mqtt.port}"


def _behaviours(truth: DemoTruth) -> list[str]:
    """One for each kind of what the clip shows, at its place."""
    lines: list[str] = []
    for kind, place in dict.fromkeys((conduct.kind, conduct.place) for conduct in truth.conducts):
        lines += ["[[cameras.behaviours]]", f'kind = "{kind}"', f'id = "{place}"']
        if kind == "line_crossing":
            lines.append(f"line = {_points(truth.line)}")
        else:
            lines.append(f'zone = "{place}"')
        if kind == "loitering":
            lines.append(f"seconds = {truth.loitering_s:g}")
    return lines


def _points(points: tuple[tuple[float, float], ...]) -> str:
    return json.dumps([list(point) for point in points])


def _text(value: object) -> str:
    """A TOML string: JSON's escapes are TOML's, but for DEL, which JSON leaves as it is."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
