"""The file of thresholds: merged, and whole whatever happens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibration.thresholds_file import read_thresholds, record_threshold, thresholds_path
from edge.errors import OutputError, UsageError

ENTRY = {"metric": "cosine", "value": 0.4}


def test_entries_are_added_and_replaced_by_bundle(tmp_path: Path) -> None:
    path = thresholds_path(tmp_path / "new" / "state")
    assert read_thresholds(path) == {}
    record_threshold(path, "aa", ENTRY)
    record_threshold(path, "bb", ENTRY | {"data": "Größe"})
    record_threshold(path, "aa", ENTRY | {"value": 0.5})
    assert read_thresholds(path) == {
        "aa": {"metric": "cosine", "value": 0.5},
        "bb": {"metric": "cosine", "value": 0.4, "data": "Größe"},
    }
    assert [file.name for file in path.parent.iterdir()] == ["thresholds.json"]


def test_a_state_folder_that_cannot_be_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises((OutputError, UsageError), match=r"thresholds\.json"):
        record_threshold(thresholds_path(tmp_path / "state"), "aa", ENTRY)


def test_a_file_that_would_be_too_large_to_read_again_is_not_written(tmp_path: Path) -> None:
    path = thresholds_path(tmp_path)
    record_threshold(path, "aa", ENTRY)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="would become too large"):
        record_threshold(path, "bb", ENTRY | {"data": "x" * (1 << 20)})
    assert path.read_bytes() == before
    assert json.loads(before) == {"aa": ENTRY}
