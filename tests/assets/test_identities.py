"""Final identities on real clips: two people enrolled from one clip each, a third never seen.

The whole way is gone by the commands that the README names; here the result is held.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main

EMPTY = "bottle-detection.mp4"


def _demo(assets: Path, out: Path, detector: str, *more: str) -> Path:
    folders = [str(assets / "models"), str(assets / "videos")]
    where = ["--out", str(out), "--detector", detector, "--nobody", EMPTY]
    assert main(["demo", *folders, *where, *more]) == 0
    return out / Path(detector).stem


def _verdict(folder: Path, capsys: Any) -> dict[str, Any]:
    capsys.readouterr()
    words = ["--truth", str(folder / "truth.csv"), "--enrolled", "a,b", "--json"]
    assert main(["evaluate", "identification", str(folder / "events.jsonl"), *words]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def _events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def _require_all_right(result: dict[str, Any]) -> None:
    assert [verdict for verdict in result["verdicts"] if not verdict["right"]] == []
    assert result["units"] >= 14
    assert (result["precision"], result["recall"], result["f1"]) == (1.0, 1.0, 1.0)
    assert result["threshold"] == 0.49
    assert result["lowest_genuine"] > 0.49 > result["highest_impostor"]
    assert result["gap"] > 0.2


@pytest.mark.parametrize(
    ("detector", "options"),
    [
        ("yunet_n_dynamic.onnx", ("--twice",)),
        ("yunet_n_320_320.onnx", ("--unsigned",)),
    ],
)
def test_everyone_is_named_right_or_not_at_all(
    assets: Path, tmp_path: Path, capsys: Any, detector: str, options: Sequence[str]
) -> None:
    folder = _demo(assets, tmp_path, detector, *options)
    if "--twice" in options:
        assert "identical but for their ids" in capsys.readouterr().out
    result = _verdict(folder, capsys)
    _require_all_right(result)
    events = _events(folder)
    assert [e for e in events if e["source"].endswith("/bottle-detection")] == []
    _require_whole_stories(events)


def _require_whole_stories(events: list[dict[str, Any]]) -> None:
    """Every track starts once and ends once, and no name is ever below its threshold."""
    stories: dict[tuple[str, str], list[str]] = {}
    for event in events:
        if ".face." in event["type"]:
            stories.setdefault((event["source"], event["subject"]), []).append(
                event["data"]["phase"]
            )
        if event["type"] == "edgewarden.face.recognised.v1":
            assert event["data"]["similarity"] >= event["data"]["threshold"]
            assert event["data"]["margin"] >= 0.05
    assert stories
    for phases in stories.values():
        assert phases[0] == "started"
        assert phases[-1] == "ended"
        assert phases.count("started") == phases.count("ended") == 1
    sequences = [event["data"]["node_sequence"] for event in events]
    assert sequences == list(range(1, len(events) + 1))


def test_a_second_person_in_the_picture_is_told_apart_by_pointing(
    assets: Path, tmp_path: Path, capsys: Any
) -> None:
    """The clip shows several walking people; none dominates, so one has to be pointed at."""
    folder = tmp_path
    for model, template, name in (
        ("yunet_n_dynamic.onnx", "yunet", "yunet-n"),
        ("face-reidentification-retail-0095.onnx", "reid-0095", "reid-0095"),
    ):
        words = ["--template", template, "--out", str(folder / name)]
        assert main(["bundle", "new", str(assets / "models" / model), *words]) == 0
    site = folder / "site.toml"
    site.write_text(
        '[site]\nid = "t"\nnode = "n"\nstate_dir = "state"\ncache_dir = "cache"\n'
        '[models]\ndetector = "yunet-n"\nrecogniser = "reid-0095"\nrequire_signed = false\n'
    )
    clip = str(assets / "videos" / "head-pose-face-detection-female-and-male.gif")
    enrol = ["--config", str(site), "--consent", "sample video"]
    assert main(["enrol", "x", clip, *enrol]) == 2
    error = capsys.readouterr().err
    assert "more than one person" in error
    pointed = error.split("--at ")[-1].rstrip(".\n ")
    assert main(["enrol", "x", clip, *enrol, "--at", pointed]) == 0
