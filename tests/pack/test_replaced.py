"""A bundle of the pack in place of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import OutputError
from export.reference.pack.build import _put


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A bundle that is there."""
    folder = tmp_path / "pack" / "world-face"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("before")
    return folder


def test_a_new_bundle_takes_the_place_of_what_was_there(tmp_path: Path, target: Path) -> None:
    made = tmp_path / "work" / "world-face"
    made.mkdir(parents=True)
    (made / "manifest.json").write_text("after")
    assert _put(made, target) == target
    assert (target / "manifest.json").read_text() == "after"
    assert list((tmp_path / "work").iterdir()) == []


def test_what_was_there_stays_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, target: Path
) -> None:
    (tmp_path / "work").mkdir()
    with pytest.raises(OutputError):
        _put(tmp_path / "work" / "world-face", target)
    assert (target / "manifest.json").read_text() == "before"
