"""``evaluate identification`` from files to what it prints, on events made by the product."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.cli import main
from edge.events.build import face_event
from edge.events.cloudevents import to_json
from edge.events.payloads import ModelReference
from edge.store.outbox import SqliteOutbox
from edge.types import EventDraft, Identity, Outcome, Phase

A = Identity(Outcome.RECOGNISED, "a", 0.9, 0.5, 0.8)
STRANGER = Identity(Outcome.UNKNOWN, None, 0.2, 0.1, 0.8)

Evaluate = Callable[..., int]


def ended(camera: str, identity: Identity) -> EventDraft:
    return face_event(
        identity,
        source=f"edgewarden/hq/gate/{camera}",
        time=0.0,
        phase=Phase.ENDED,
        track_id=1,
        track_frames=60,
        frame_index=60,
        frame_size=(640, 480),
        box=np.array([10, 10, 80, 80], np.float32),
        zones=(),
        face_px=64.0,
        threshold=0.49,
        models={"detector": ModelReference(bundle="yunet-n", variant="fp32", sha256="a" * 64)},
    )


@pytest.fixture
def lines(tmp_path: Path) -> list[bytes]:
    """The events of a, of a stranger, and of a clip that no list names."""
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        events = outbox.append([ended("one", A), ended("two", STRANGER), ended("three", STRANGER)])
    return [to_json(event) for event in events]


@pytest.fixture
def evaluate(tmp_path: Path, lines: list[bytes]) -> Evaluate:
    """Run the command on the events and a list of clips."""

    def run(*more: str, truth: str = "one.mkv,a\ntwo.mkv,c\nlost.mkv,a\n", raw: Any = None) -> int:
        (tmp_path / "truth.csv").write_text(f"file,person\n{truth}")
        events = tmp_path / "events.jsonl"
        events.write_bytes(b"\n".join(lines) if raw is None else raw)
        words = ["evaluate", "identification", str(events), "--truth", str(tmp_path / "truth.csv")]
        enrolled = () if "--enrolled" in more else ("--enrolled", "a,b")
        return main([*words, *enrolled, *more])

    return run


def test_the_report_ends_with_one_line_that_says_what_its_figures_mean(
    evaluate: Evaluate, capsys: Any
) -> None:
    assert evaluate() == 0
    text = capsys.readouterr().out.splitlines()
    assert text[0].split()[-1] == "verdict"
    assert [row.split()[-1] for row in text[2:5]] == ["ok", "ok", "WRONG"]
    assert text[-2] == ""
    for word in ("units:", "bystanders:", "lowest margin:", "highest impostor:"):
        assert word in text[-1]


def test_silent_clips_and_unjudged_cameras_are_told_and_stand_in_the_json(
    evaluate: Evaluate, capsys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert evaluate("--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["silent"], result["unjudged"]) == (["lost"], ["three"])
    assert (result["units"], result["right"], result["false_negatives"]) == (3, 2, 1)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "no event at all from: lost (was it replayed under this name?)",
        "not judged, since the list of clips does not name it: three",
    ]


def test_nothing_is_warned_of_where_clips_and_cameras_agree(
    evaluate: Evaluate, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert evaluate(truth="one.mkv,a\ntwo.mkv,c\nthree.mkv,c\nempty.mkv,\n") == 0
    assert caplog.records == []


def test_a_name_that_is_not_among_the_enrolled_is_refused(evaluate: Evaluate, capsys: Any) -> None:
    assert evaluate("--enrolled", "b") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "not among the enrolled; expected only b; found a." in said.err


def test_a_bad_line_is_named_with_its_file(
    evaluate: Evaluate, lines: list[bytes], capsys: Any
) -> None:
    assert evaluate(raw=lines[0] + b"\n\n" + lines[1][:-5] + b"\n") == 2
    assert "events.jsonl, line 3: this is no event; expected JSON" in capsys.readouterr().err


def test_events_that_cannot_be_read_are_refused_with_the_reason_alone(
    tmp_path: Path, capsys: Any
) -> None:
    words = ["evaluate", "identification", str(tmp_path), "--truth", "x.csv", "--enrolled", "a"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "; found Is a directory" in said
    assert "Errno" not in said


@pytest.mark.parametrize(
    "option",
    [
        ("--min-frames", "0"),
        ("--min-frames", "-1"),
        ("--min-face", "0"),
        ("--min-face", "-40"),
        ("--min-face", "nan"),
        ("--min-face", "inf"),
        ("--min-face", "big"),
    ],
)
def test_limits_have_to_be_positive(
    evaluate: Evaluate, capsys: Any, option: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        evaluate("=".join(option))
    assert stop.value.code == 2
    assert option[0] in capsys.readouterr().err


def test_a_limit_leaves_short_tracks_out(evaluate: Evaluate, capsys: Any) -> None:
    assert evaluate("--json", "--min-frames", "61") == 0
    assert json.loads(capsys.readouterr().out)["right"] == 0
