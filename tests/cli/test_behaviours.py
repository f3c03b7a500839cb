"""Behaviours of a site file, replayed from a real file through the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BEHAVIOURS = """[[cameras]]
id = "door"
source = "rtsp://host/s"
[cameras.zones]
left = [[0, 0], [0.6, 0], [0.6, 1], [0, 1]]
right = [[0.9, 0], [1, 0], [1, 1]]
[[cameras.behaviours]]
kind = "intrusion"
id = "left-of-the-door"
zone = "left"
schedule = "22:00-06:00"
[[cameras.behaviours]]
kind = "intrusion"
id = "right-of-the-door"
zone = "right"
[[cameras.behaviours]]
kind = "loitering"
id = "bench"
zone = "left"
seconds = 1.5
[[rules]]
id = "r"
on = ["behaviour.intrusion", "behaviour.loitering"]
zones = ["left"]
"""


def replay(run: Any, world: Any, clip: Path, out: Path, *words: str) -> list[dict[str, Any]]:
    config = ("--config", world.site, "--events", out, *words)
    assert run("replay", clip, *config) == 0
    events = [json.loads(line) for line in out.read_text().splitlines()]
    for event in events:
        del event["id"]
        event["data"].get("trigger", {}).pop("id", None)
    return events


def test_a_face_that_stays_intrudes_and_loiters(
    run: Any, world: Any, clip: Any, tmp_path: Path
) -> None:
    world.site.write_text(world.site.read_text() + BEHAVIOURS)
    at_night = ("--camera", "door", "--start", "2026-11-21T22:30:00Z")
    world.edit('id = "hq"', 'id = "hq"\ntimezone = "UTC"')
    path = clip(2)
    events = replay(run, world, path, tmp_path / "1.jsonl", *at_night)
    told = [
        (event["type"].split(".", 1)[1], event["data"]["phase"], event["data"].get("behaviour"))
        for event in events
        if "face" not in event["type"]
    ]
    assert told == [
        ("behaviour.intrusion.v1", "started", "left-of-the-door"),
        ("alert.raised.v1", "once", None),
        ("behaviour.loitering.v1", "started", "bench"),
        ("alert.raised.v1", "once", None),
        ("behaviour.loitering.v1", "ended", "bench"),
        ("behaviour.intrusion.v1", "ended", "left-of-the-door"),
    ]
    (begun,) = [e for e in events if "loitering" in e["type"] and e["data"]["phase"] == "started"]
    assert 1.5 <= begun["data"]["seconds"] < 1.7
    assert begun["data"]["followed"] == "face"
    assert replay(run, world, path, tmp_path / "2.jsonl", *at_night) == events

    by_day = replay(
        run,
        world,
        path,
        tmp_path / "3.jsonl",
        "--camera",
        "door",
        "--start",
        "2026-11-21T12:00:00Z",
    )
    assert not any("intrusion" in event["type"] for event in by_day)
    elsewhere = replay(run, world, path, tmp_path / "4.jsonl")
    assert {event["type"].split(".")[1] for event in elsewhere} == {"face"}


WALK = """[site]
id = "hq"
node = "gate"
state_dir = "state"
[models]
detector = "detector"
person = "person"
require_signed = false
[[cameras]]
id = "door"
source = "rtsp://host/s"
zones.left = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
[[cameras.behaviours]]
kind = "line_crossing"
id = "middle"
line = [[0.5, 1], [0.5, 0]]
[[cameras.behaviours]]
kind = "intrusion"
id = "left"
zone = "left"
"""


def test_of_two_people_who_come_nearer_one_walks_over_the_line(
    run: Any, assets: Path, tmp_path: Path
) -> None:
    """A real clip: a woman walks from the middle to its left, a man stays to its right."""
    models = {"detector": ("yunet_n_dynamic", "yunet"), "person": ("yolox_nano", "yolox")}
    for role, (name, template) in models.items():
        model = assets / "models" / f"{name}.onnx"
        out = ("--out", tmp_path / role)
        assert run("bundle", "new", model, "--template", template, *out) == 0
    site, events = tmp_path / "site.toml", tmp_path / "out.jsonl"
    site.write_text(WALK)
    clip = assets / "videos" / "face-demographics-walking.gif"
    words = ("--config", site, "--events", events, "--camera", "door")
    assert run("replay", clip, *words) == 0
    told = [json.loads(line) for line in events.read_text().splitlines()]
    acts = [event["data"] for event in told if "behaviour" in event["type"]]
    assert [(act["behaviour"], act["phase"], act["direction"]) for act in acts] == [
        ("left", "started", None),
        ("middle", "once", "right_to_left"),
        ("left", "ended", None),
    ]
    assert len({act["track_id"] for act in acts}) == 1
    assert {act["followed"] for act in acts} == {"person"}
    assert all(act["confidence"] > 0.3 for act in acts)
