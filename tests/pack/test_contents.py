"""The reference pack's list and folders, and what is said where they are missing or damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import edge.pack
from edge.errors import BundleError
from edge.pack import NAMES, PACK, contents, demo_clip, demo_people, demo_truth


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack without anything."""
    monkeypatch.setattr(edge.pack, "PACK", tmp_path)
    return tmp_path


def test_another_name_than_the_packs_is_refused() -> None:
    with pytest.raises(BundleError, match=r"world-face.*found yunet"):
        edge.pack.bundle("yunet")


def test_what_is_missing_says_how_it_comes(empty: Path) -> None:
    for name in NAMES:
        with pytest.raises(BundleError, match=f"lacks bundle {name}.*edgewarden reference bundle"):
            edge.pack.bundle(name)
    for find in (demo_clip, demo_people, demo_truth, lambda: contents(empty)):
        with pytest.raises(BundleError):
            find()


def test_a_person_without_pictures_is_named(empty: Path) -> None:
    (empty / "demo" / "people" / "ada").mkdir(parents=True)
    with pytest.raises(BundleError, match="found ada"):
        demo_people()
    (empty / "demo" / "people" / "ada" / "1.jpg").write_bytes(b"")
    (empty / "demo" / "people" / "notes.txt").write_text("not a person")
    assert demo_people() == {"ada": (empty / "demo" / "people" / "ada" / "1.jpg",)}


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"bundles": {}, "more": 1}', '{"format": "2.0", "bundles": {}}', '{"bundles": 1}'],
)
def test_a_damaged_list_is_refused(tmp_path: Path, text: str) -> None:
    shutil.copy(PACK / "pack.json", tmp_path)
    assert contents(tmp_path) == contents()
    (tmp_path / "pack.json").write_text(text)
    with pytest.raises(BundleError, match="does not say what the pack holds"):
        contents(tmp_path)
