"""The reference pack: bundles, a clip and its truth that ship with the package.

Its models know the synthetic people and places of the reference world and nobody else: they are for
demonstrations and tests of the chain, and recognise no real people. The bundles are unsigned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from edge.errors import BundleError
from edge.manifest_parts import Id, Part, Record, Sha256, Text, Whole
from edge.pack.demo_truth import DemoTruth, load_truth
from edge.strict_json import read_strict_json

__all__ = [
    "NAMES",
    "PACK",
    "DemoTruth",
    "PackList",
    "PackedBundle",
    "bundle",
    "contents",
    "demo_clip",
    "demo_people",
    "demo_truth",
]

# Detectors of faces and of people, a recogniser, a classifier of what people do in clips;
# generators of faces and of clips; what scenes look like when nothing is wrong.
NAMES = (
    *("world-face", "world-person", "world-recogniser", "world-behaviour"),
    *("world-faces", "world-clips", "world-scenes"),
)
PACK = Path(__file__).parent
_LIST, _BUNDLES, _DEMO = "pack.json", "bundles", "demo"
_MOST_BYTES = 1 << 20
_PICTURES = (".jpg", ".png")
_REMEDY = "Install Edgewarden from its wheel, or make the pack with: edgewarden reference bundle"


class PackedBundle(Part):
    """One bundle of the pack and what it was made from.

    sha256: of its manifest, which names it. bytes: of all its files. recipe: what it was trained
    by; recipe_sha256: of the recipe's name and settings. data_sha256: of what was learned from.
    weights_sha256: of what was learned. figures: of the training, on what it never saw. left_out:
    variants that were made and are not in the bundle, and why.
    """

    sha256: Sha256
    bytes: Whole
    recipe: Id
    recipe_sha256: Sha256
    data_sha256: Sha256
    weights_sha256: Sha256
    figures: Record
    left_out: dict[str, Text] = Field(default_factory=dict)


class PackList(Part):
    """``pack.json``: every bundle of the pack, by name."""

    format: Literal["1.0"] = "1.0"
    bundles: dict[Id, PackedBundle]


def bundle(name: str) -> Path:
    """The folder of a bundle of the pack.

    Raises BundleError for a name that is not one of NAMES, and where the pack lacks it.
    """
    if name not in NAMES:
        raise BundleError("no such bundle in the pack", expected=", ".join(NAMES), found=name)
    folder = PACK / _BUNDLES / name
    if not folder.is_dir():
        raise BundleError(
            f"the pack lacks bundle {name}", expected=f"the folder {folder}", remedy=_REMEDY
        )
    return folder


def contents(pack: Path = PACK) -> PackList:
    """What a pack's folder says that it holds. Raises BundleError where it does not say."""
    path = _present(pack / _LIST)
    try:
        values = read_strict_json(path.read_bytes(), limit=_MOST_BYTES)
        return PackList.model_validate(values)
    except (OSError, ValueError) as exc:  # pydantic's error is a ValueError
        found = exc.errors()[0]["msg"] if isinstance(exc, ValidationError) else str(exc)
        raise BundleError(
            f"{path} does not say what the pack holds",
            expected="what edgewarden reference bundle writes",
            found=found,
            remedy=_REMEDY,
        ) from exc


def demo_clip() -> Path:
    """The clip of the demo, an MP4 file. Raises BundleError where it is missing."""
    return _present(PACK / _DEMO / "clip.mp4")


def demo_people() -> dict[str, tuple[Path, ...]]:
    """For everybody whom the demo enrols their pictures, by id.

    Raises BundleError where there are none.
    """
    folder = _present(PACK / _DEMO / "people")
    found = {
        person.name: tuple(sorted(p for p in person.iterdir() if p.suffix in _PICTURES))
        for person in sorted(folder.iterdir())
        if person.is_dir()
    }
    if not found or not all(found.values()):
        raise BundleError(
            "the pack lacks pictures to enrol",
            expected=f"a folder of pictures for each person in {folder}",
            found=", ".join(name for name, pictures in found.items() if not pictures) or "none",
            remedy=_REMEDY,
        )
    return found


def demo_truth() -> DemoTruth:
    """What is true of the demo clip. Raises BundleError where that is missing or damaged."""
    return load_truth(PACK / _DEMO / "truth.json")


def _present(path: Path) -> Path:
    if not path.exists():
        raise BundleError(f"the pack lacks {path.name}", expected=str(path), remedy=_REMEDY)
    return path
