"""A self-test of the small world: coloured portraits for people."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.cli import main
from edge.media import write_image
from tests.small_world import FACE, POINTS, SIDE, detector_model, film, portrait, recogniser_model

FPS = 30.0
SHOWN, AWAY = 40, 50
KNOWN = {"ada": 11, "ben": 12}
STRANGER = 13
EVERYWHERE = [[0, 0], [1, 0], [1, 1], [0, 1]]


@dataclass(frozen=True)
class Supplies:
    """A folder as ``tests.selftest.program`` reads it."""

    folder: Path

    @property
    def material(self) -> Path:
        return self.folder / "material"

    @property
    def truth(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.material / "selftest.json").read_text())
        return found

    def change(self, **facts: object) -> None:
        """Say something else of the clip."""
        (self.material / "selftest.json").write_text(json.dumps({**self.truth, **facts}))


def visit(
    person: str | None, number: int, *, in_zone: bool = False, shown: int = SHOWN
) -> dict[str, object]:
    first = number * (SHOWN + AWAY)
    last = first + shown - 1
    faces = [{"frame": frame, "box": FACE} for frame in range(first, last + 1, 5)]
    return {"person": person, "first": first, "last": last, "in_zone": in_zone, "faces": faces}


def show(folder: Path, people: Sequence[int], *, shown: int = SHOWN) -> None:
    """Write a clip in which people come one after the other, for so many frames each."""
    dark = np.zeros((SIDE, SIDE, 3), np.uint8)
    frames = [f for who in people for f in [portrait(who)] * shown + [dark] * AWAY]
    film(folder / "clip.mp4", frames, fps=FPS)


def make_supplies(folder: Path) -> Supplies:
    """Ada and Ben are enrolled, a stranger follows them; everybody is in the zone."""
    material = folder / "material"
    material.mkdir(parents=True)
    show(material, [*KNOWN.values(), STRANGER])
    for who in (*KNOWN.values(), STRANGER):
        write_image(material / f"{who}.png", portrait(who))
    face = {"box": FACE, "landmarks": POINTS}
    truth = {
        "clip": "clip.mp4",
        "fps": FPS,
        "zone": EVERYWHERE,
        "visits": [visit("ada", 0), visit("ben", 1), visit(None, 2, in_zone=True)],
        # Twice, for each is recognised by the other.
        "people": {person: [f"{who}.png"] * 2 for person, who in KNOWN.items()},
        "strangers": [f"{STRANGER}.png"],
        "probes": [{"picture": f"{who}.png", "faces": [face], "people": []} for who in (11, 13)],
    }
    (material / "selftest.json").write_text(json.dumps(truth))
    make_bundle(folder / "bundles/detector", "yunet", detector_model())
    make_bundle(folder / "bundles/recogniser", "arcface-rgb", recogniser_model())
    add_threshold(folder / "bundles/recogniser")
    return Supplies(folder)


def make_bundle(out: Path, template: str, model: bytes) -> None:
    """A bundle of a model, in the place of one that may be there."""
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(exist_ok=True)
    file = out.with_suffix(".onnx")
    file.write_bytes(model)
    name = f"small-{out.name}"
    words = ["bundle", "new", str(file), "--template", template, "--out", str(out)]
    assert main([*words, "--name", name]) == 0
    file.unlink()


def add_threshold(bundle: Path) -> None:
    """An operating point of its own."""
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["thresholds"] = [{"metric": "cosine", "value": 0.6, "data": "coloured blocks"}]
    path.write_text(json.dumps(manifest))
