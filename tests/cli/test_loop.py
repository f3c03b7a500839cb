"""Enrol, replay and look at the result, through the commands and on real files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Events = list[dict[str, Any]]


def read(path: Path) -> Events:
    return [json.loads(line) for line in path.read_text().splitlines()]


def kinds(events: Events) -> list[tuple[str, str]]:
    return [(event["type"].split(".")[2], event["data"]["phase"]) for event in events]


@pytest.fixture
def enrolled(run: Any, world: Any, clip: Any) -> Any:
    """The world with person 1 enrolled as anna."""
    code = run("enrol", "anna", clip(1, name="enrol"), "--config", world.site, "--consent", "yes")
    assert code == 0
    return world


def test_a_known_face_is_named_and_a_stranger_is_not(
    run: Any, enrolled: Any, clip: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    code = run("replay", clip(1), clip(2), "--config", enrolled.site, "--events", out)
    assert code == 0
    events = read(out)
    assert kinds(events) == [
        ("recognised", "started"),
        ("recognised", "ended"),
        ("unknown", "started"),
        ("unknown", "ended"),
    ]
    known, stranger = events[1]["data"], events[3]["data"]
    assert known["person"] == "anna"
    assert known["similarity"] > 0.9
    assert known["threshold"] == 0.6
    assert known["reason"] is None
    assert known["track_frames"] >= 35
    assert known["face_px"] == pytest.approx(96, abs=2)
    assert known["box"] == pytest.approx([100, 80, 196, 176], abs=2)
    assert known["models"]["recogniser"]["bundle"] == "recogniser-bundle"
    assert stranger["person"] is None
    assert stranger["similarity"] < 0.6
    assert [event["source"] for event in events[::2]] == [
        "edgewarden/hq/gate/person-1",
        "edgewarden/hq/gate/person-2",
    ]


def test_sequences_count_from_one_and_time_is_the_start_and_the_clip(
    run: Any, enrolled: Any, clip: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    arguments = ["--config", enrolled.site, "--events", out, "--start", "2026-11-21T10:00:00Z"]
    assert run("replay", clip(1), clip(2), *arguments) == 0
    events = read(out)
    assert [event["data"]["node_sequence"] for event in events] == [1, 2, 3, 4]
    assert [event["data"]["sequence"] for event in events] == [1, 2, 1, 2]
    assert all(event["time"].startswith("2026-11-21T10:00:0") for event in events)


def test_two_replays_are_identical_but_for_ids(
    run: Any, enrolled: Any, clip: Any, tmp_path: Path
) -> None:
    enrolled.site.write_text(
        enrolled.site.read_text() + '[[rules]]\nid = "all"\non = ["face.recognised"]\n'
    )
    files = [clip(1), clip(2)]
    replays = []
    for name in ("a", "b"):
        out = tmp_path / name
        assert run("replay", *files, "--config", enrolled.site, "--events", out) == 0
        events = read(out)
        for event in events:
            del event["id"]
            event["data"].get("trigger", {}).pop("id", None)
        replays.append(events)
    assert replays[0] == replays[1]
    assert len(replays[0]) == 5


def test_a_rule_raises_an_alert_that_names_its_trigger(
    run: Any, enrolled: Any, clip: Any, tmp_path: Path
) -> None:
    enrolled.site.write_text(
        enrolled.site.read_text()
        + '[[cameras]]\nid = "door"\nsource = "rtsp://host/s"\n'
        + "[cameras.zones]\nleft = [[0, 0], [0.6, 0], [0.6, 1], [0, 1]]\n"
        + "right = [[0.9, 0], [1, 0], [1, 1]]\n"
        + '[[rules]]\nid = "in"\non = ["face.unknown"]\nzones = ["left"]\nseverity = "warning"\n'
        + '[[rules]]\nid = "out"\non = ["face.unknown"]\nzones = ["right"]\n'
    )
    out = tmp_path / "out.jsonl"
    code = run("replay", clip(2), "--config", enrolled.site, "--events", out, "--camera", "door")
    assert code == 0
    events = read(out)
    assert [event["type"].split(".")[1] for event in events] == ["face", "alert", "face"]
    face, alert = events[0], events[1]
    assert face["data"]["zones"] == ["left"]
    assert alert["data"]["rule"] == "in"
    assert alert["data"]["severity"] == "warning"
    assert alert["data"]["trigger"] == {"id": face["id"], "type": face["type"]}
    assert alert["subject"] == face["subject"]


def test_nothing_but_ids_of_equal_stems_differ(
    run: Any, enrolled: Any, clip: Any, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    first = clip(2)
    second = tmp_path / "other" / first.name
    second.write_bytes(first.read_bytes())
    out = tmp_path / "out.jsonl"
    assert run("replay", first, second, "--config", enrolled.site, "--events", out) == 0
    cameras = {event["source"].rsplit("/", 1)[1] for event in read(out)}
    assert cameras == {"person-2", "person-2-2"}


def test_fps_of_the_camera_thins_out_by_frame_index(
    run: Any, enrolled: Any, clip: Any, tmp_path: Path, capsys: Any
) -> None:
    enrolled.site.write_text(
        enrolled.site.read_text() + '[[cameras]]\nid = "door"\nsource = "x.mp4"\nfps = 5\n'
    )
    capsys.readouterr()
    code = run("replay", clip(2), "--config", enrolled.site, "--camera", "door", "--json")
    assert code == 0
    counts = json.loads(capsys.readouterr().out)["files"]["person-2"]
    assert (counts["frames"], counts["analysed"]) == (40, 14)  # 15 fps to 5: each third


def test_damage_in_the_middle_is_told_and_what_was_seen_is_kept(
    run: Any, enrolled: Any, film: Any, portrait: Any, tmp_path: Path, capsys: Any
) -> None:
    path = film(tmp_path / "hurt.mkv", [portrait(1)] * 60)
    data = bytearray(path.read_bytes())
    first, last = len(data) * 6 // 10, len(data) * 9 // 10
    data[first:last] = bytes(byte ^ 0x5A for byte in data[first:last])
    path.write_bytes(data)
    out = tmp_path / "out.jsonl"
    capsys.readouterr()
    assert run("replay", path, "--config", enrolled.site, "--events", out, "--json") == 1
    told = json.loads(capsys.readouterr().out)["files"]["hurt"]
    assert 10 < told["frames"] < 50
    assert told["stated"] == 60
    assert told["corrupt"] <= 1
    assert "is damaged" in told["broken"]
    assert [event["data"]["phase"] for event in read(out)] == ["started", "ended"]
    assert run("replay", path, "--config", enrolled.site) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(f"frames {told['frames']} (60 stated), corrupt {told['corrupt']}, ")
    row = next(line.split() for line in lines if line.endswith("broken"))
    assert row == ["hurt", str(told["frames"]), "60", str(told["corrupt"]), "broken"]


def test_a_whole_file_is_said_to_be_used_up(
    run: Any, enrolled: Any, clip: Any, capsys: Any
) -> None:
    capsys.readouterr()
    assert run("replay", clip(1), "--config", enrolled.site) == 0
    out = capsys.readouterr().out
    assert "frames 40 (40 stated), corrupt 0, files 1" in out
    assert "broken" not in out


def test_the_annotated_video_shows_the_name(
    run: Any, enrolled: Any, clip: Any, tmp_path: Path, portrait: Callable[..., Any]
) -> None:
    from edge.media import open_video

    target = tmp_path / "seen.mp4"
    source = clip(1)
    assert run("replay", source, "--config", enrolled.site, "--annotate", target) == 0
    with open_video(target) as reader:
        pictures = [picture.image for picture in reader]
    assert len(pictures) == 40
    plain, drawn = portrait(1), pictures[30]
    assert drawn.shape == plain.shape
    beside_box = (slice(60, 78), slice(100, 150))  # the label stands above the box
    assert abs(drawn[beside_box].astype(int) - plain[beside_box]).max() > 60
    far_away = (slice(250, 280), slice(250, 300))
    assert abs(drawn[far_away].astype(int) - plain[far_away]).max() < 20


def test_dark_frames_have_no_face_and_no_event(
    run: Any, enrolled: Any, tmp_path: Path, film: Any, portrait: Any
) -> None:
    dark = film(tmp_path / "dark.mp4", [portrait(1) * 0] * 20)
    out = tmp_path / "out.jsonl"
    assert run("replay", dark, "--config", enrolled.site, "--events", out) == 0
    assert read(out) == []


def test_enrolling_twice_adds_and_somebody_else_s_face_is_refused(
    run: Any, enrolled: Any, clip: Any, capsys: Any
) -> None:
    enrol = ["--config", enrolled.site, "--consent", "yes"]
    assert run("enrol", "anna", clip(1), *enrol) == 0
    assert run("enrol", "anna", clip(2), *enrol) == 2
    assert "another face" in capsys.readouterr().err
    assert run("enrol", "berta", clip(1), *enrol) == 2
    assert "already enrolled as 'anna'" in capsys.readouterr().err
    capsys.readouterr()
    assert run("gallery", "list", "--config", enrolled.site, "--json") == 0
    (anna,) = json.loads(capsys.readouterr().out)
    assert (anna["id"], anna["templates"]) == ("anna", 2)


def test_an_erased_person_is_a_stranger_again(
    run: Any, enrolled: Any, clip: Any, tmp_path: Path
) -> None:
    assert run("gallery", "erase", "anna", "--config", enrolled.site) == 0
    out = tmp_path / "out.jsonl"
    assert run("replay", clip(1), "--config", enrolled.site, "--events", out) == 0
    assert kinds(read(out)) == [("unknown", "started"), ("unknown", "ended")]


def test_templates_of_another_model_never_match(
    run: Any, enrolled: Any, clip: Any, tmp_path: Path, models: Path
) -> None:
    code = run(
        "bundle", "new", models / "recogniser.onnx", "--template", "arcface-bgr",
        "--out", tmp_path / "other-bundle",
    )  # fmt: skip
    assert code == 0
    enrolled.edit("recogniser-bundle", "other-bundle")
    out = tmp_path / "out.jsonl"
    assert run("replay", clip(1), "--config", enrolled.site, "--events", out) == 0
    events = read(out)
    assert kinds(events) == [("unknown", "started"), ("unknown", "ended")]
    assert events[0]["data"]["reason"] == "nobody is enrolled"
