"""Who sets the threshold: the site file, then this device's calibration, then the bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import Site, threshold_for
from edge.errors import SiteFileError, UsageError
from edge.types import OperatingPoint

Load = Callable[[str], Site]
WithState = Callable[[str], Site]

SHA = "ab" * 32
SHIPPED: list[dict[str, object]] = [
    {"metric": "euclidean", "value": 1.1, "data": "a"},
    {"metric": "cosine", "value": 0.49, "fmr": 0.01, "data": "b"},
    {"metric": "cosine", "value": 0.6, "fmr": 0.001, "data": "c"},
]


@pytest.fixture
def with_state(load: Load) -> WithState:
    """A site whose state_dir is the folder of its file."""
    text = "[site]\nid='a'\nnode='b'\nstate_dir='.'\n[models]\ndetector='d'\n[recognition]\n"
    return lambda recognition: load(text + recognition)


def calibrate(folder: Path, table: object) -> Path:
    path = folder / "thresholds.json"
    path.write_text(json.dumps(table))
    return path


def test_the_site_file_comes_first(with_state: WithState, tmp_path: Path) -> None:
    calibrate(tmp_path, {SHA: {"metric": "cosine", "value": 0.3}})
    assert threshold_for(with_state("threshold=0.7\nmargin=0.1"), SHIPPED, SHA) == OperatingPoint(
        threshold=0.7, margin=0.1, source="the site file"
    )


def test_then_the_calibration_of_this_very_bundle(with_state: WithState, tmp_path: Path) -> None:
    path = calibrate(tmp_path, {SHA: {"metric": "cosine", "value": 0.3, "fmr": 0.01}})
    site = with_state("margin=0.1")
    assert threshold_for(site, SHIPPED, SHA) == OperatingPoint(
        threshold=0.3, margin=0.1, source=str(path)
    )
    assert threshold_for(site, SHIPPED, "cd" * 32).source == "the bundle"


def test_then_the_first_cosine_of_the_bundle(with_state: WithState) -> None:
    assert threshold_for(with_state(""), SHIPPED, SHA) == OperatingPoint(
        threshold=0.49, margin=0.05, source="the bundle"
    )


@pytest.mark.parametrize(
    "shipped", [[], SHIPPED[:1], [{"metric": "cosine", "value": 0.0}], [{"metric": "cosine"}]]
)
def test_without_any_the_refusal_says_how_to_set_one(
    with_state: WithState, shipped: list[dict[str, object]]
) -> None:
    remedy = r"edgewarden calibrate threshold .* set threshold under \[recognition\]"
    with pytest.raises(SiteFileError, match=remedy):
        threshold_for(with_state(""), shipped, SHA)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"SHA": 0.5}',
        b'{"SHA": {"metric": "euclidean", "value": 0.5}}',
        b'{"SHA": {"metric": "cosine"}}',
        b'{"SHA": {"metric": "cosine", "value": true}}',
        b'{"SHA": {"metric": "cosine", "value": NaN}}',
        b'{"SHA": {"metric": "cosine", "value": 1.5}}',
        b'{"SHA": {"metric": "cosine", "value": -0.5}}',
        b'{"x": {"metric": "cosine", "value": 0.5}, "x": {"metric": "cosine", "value": 0.6}}',
    ],
)
def test_a_calibration_that_cannot_be_used_is_not_passed_over(
    with_state: WithState, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "thresholds.json").write_bytes(content.replace(b"SHA", SHA.encode()))
    with pytest.raises(UsageError, match=r"thresholds\.json cannot be used.*under \[recognition\]"):
        threshold_for(with_state(""), SHIPPED, SHA)


@pytest.mark.parametrize(
    "foreign", [0.5, None, [], {}, {"metric": "euclidean", "value": 1.1}, {"metric": "apcer"}]
)
def test_what_is_said_of_another_bundle_does_no_harm(
    with_state: WithState, tmp_path: Path, foreign: object
) -> None:
    path = calibrate(tmp_path, {"x": foreign, SHA: {"metric": "cosine", "value": 0.3}})
    site = with_state("")
    assert threshold_for(site, SHIPPED, SHA) == OperatingPoint(
        threshold=0.3, margin=0.05, source=str(path)
    )
    assert threshold_for(site, SHIPPED, "cd" * 32).source == "the bundle"


def test_a_calibration_that_cannot_be_read_is_not_passed_over(
    with_state: WithState, tmp_path: Path
) -> None:
    (tmp_path / "thresholds.json").mkdir()
    with pytest.raises(UsageError, match="found Is a directory"):
        threshold_for(with_state(""), SHIPPED, SHA)
