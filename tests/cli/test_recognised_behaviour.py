"""What people do, recognised by a real model of clips, replayed from real files by the command."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edge.assembly import load_models
from edge.config import load_site
from edge.errors import SiteFileError
from tests.small_behaviour import add_behaviour, add_bundle, classifier_model, scenes
from tests.small_world import World, film

RULE = '[[rules]]\nid = "fallen"\non = ["behaviour.recognised"]\n'


@pytest.fixture
def acting(world: World) -> World:
    add_behaviour(world)
    return world


def replay(run: Any, world: World, clip: Path, *words: object) -> list[dict[str, Any]]:
    """The events but those of faces, without their ids."""
    out = world.folder / "out.jsonl"
    assert run("replay", clip, "--config", world.site, "--events", out, *words) == 0
    events = [json.loads(line) for line in out.read_text().splitlines()]
    for event in events:
        del event["id"]
        event["data"].get("trigger", {}).pop("id", None)
    return [event for event in events if "face" not in event["type"]]


def told(events: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [
        (event["type"].split(".")[1], event["data"]["phase"], event["data"].get("label"))
        for event in events
    ]


def refusal(site: Path, match: str) -> str:
    """What is said when the models are loaded."""
    with ExitStack() as stack, pytest.raises(SiteFileError, match=match) as caught:
        stack.enter_context(load_models(load_site(site)))
    return str(caught.value)


def test_who_moves_is_told_to_fall_until_they_lie_still(run: Any, acting: World) -> None:
    acting.site.write_text(acting.site.read_text() + RULE + 'labels = ["fall"]\n')
    pictures = scenes(("still", 45), ("moving", 45), ("still", 90))
    path = film(acting.folder / "yard.mp4", pictures, fps=15.0)
    events = replay(run, acting, path)
    assert told(events) == [
        ("behaviour", "started", "fall"),
        ("alert", "once", None),
        ("behaviour", "ended", "fall"),
    ]
    begun, alert, over = (event["data"] for event in events)
    assert 45 < begun["frame_index"] < 90 < over["frame_index"] < 160
    assert begun["confidence"] > 0.8
    assert begun["clips"] == 2
    assert begun["seconds"] == pytest.approx(0.5, abs=0.1)
    assert begun["reason"] == "was seen in 2 of the last 4 clips"
    assert over["reason"] == "was not seen in the last 4 clips"
    assert set(begun["models"]) == {"person", "behaviour"}
    assert (alert["rule"], alert["track_id"]) == ("fallen", begun["track_id"])
    x1, y1, x2, y2 = begun["box"]
    assert (x1, y1, x2, y2) == pytest.approx((112, 96, 208, 256), abs=2)
    assert replay(run, acting, path) == events


def test_what_goes_on_ends_with_its_track(run: Any, acting: World) -> None:
    path = film(acting.folder / "a.mp4", scenes(("moving", 60), ("gone", 60)), fps=15.0)
    events = replay(run, acting, path)
    assert told(events) == [("behaviour", "started", "fall"), ("behaviour", "ended", "fall")]
    over = events[1]["data"]
    assert over["reason"] == "is followed no more"
    assert over["frame_index"] in (58, 59)  # who is settled is looked at in every second frame


def test_what_is_not_reported_and_what_is_not_sure_is_no_event(run: Any, acting: World) -> None:
    path = film(acting.folder / "a.mp4", scenes(("moving", 60)), fps=15.0)
    before = acting.site.read_text()
    acting.site.write_text(before + '[behaviour]\nreport = ["climb", "walk"]\n')
    assert told(replay(run, acting, path)) == []
    acting.site.write_text(before + "[behaviour]\nconfidence = 1.0\n")
    assert told(replay(run, acting, path)) == []
    acting.site.write_text(before + RULE + 'labels = ["climb"]\n')
    assert {kind for kind, _, _ in told(replay(run, acting, path))} == {"behaviour"}


def test_an_ordinary_behaviour_is_told_where_it_is_asked_for(run: Any, acting: World) -> None:
    path = film(acting.folder / "a.mp4", scenes(("still", 60)), fps=15.0)
    assert told(replay(run, acting, path)) == []
    acting.site.write_text(acting.site.read_text() + '[behaviour]\nreport = ["walk"]\n')
    events = replay(run, acting, path)
    assert told(events) == [("behaviour", "started", "walk"), ("behaviour", "ended", "walk")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[behaviour]\nreport = ["fal"]\n', "Did you mean 'fall'?"),
        (RULE + 'labels = ["walk"]\n', "found 'walk'"),
        (RULE + 'labels = ["clim"]\n', "Did you mean 'climb'?"),
        ('[behaviour]\nreport = ["fall"]\n' + RULE + 'labels = ["climb"]\n', "expected fall"),
    ],
)
def test_a_label_that_is_never_told_is_refused_at_the_start(
    acting: World, text: str, found: str
) -> None:
    acting.site.write_text(acting.site.read_text() + text)
    assert found in refusal(acting.site, "names a behaviour that is not told")


def test_a_model_of_ordinary_behaviours_alone_is_refused(acting: World) -> None:
    ordinary = ("walk", "sit", "normal")
    folder = add_bundle(
        acting.folder, "calm", classifier_model(), template="clip-classifier", labels=ordinary
    )
    acting.edit("acts-bundle", folder.name)
    assert "walk, sit, normal" in refusal(acting.site, "nothing that models.behaviour recognises")


def test_doctor_names_the_classifier_and_says_what_is_amiss(
    run: Any, acting: World, capsys: pytest.CaptureFixture[str]
) -> None:
    run("doctor", "--config", acting.site)
    assert "behaviour acts/fp32" in capsys.readouterr().out
    acting.edit('person = "person-bundle"\n', "")
    assert run("doctor", "--config", acting.site) != 0
    assert "models.person beside it" in capsys.readouterr().out


def test_nothing_is_written_into_the_classifiers_bundle(run: Any, acting: World) -> None:
    path = film(acting.folder / "a.mp4", scenes(("still", 2)), fps=15.0)
    out = acting.folder / "acts-bundle" / "out.jsonl"
    assert run("replay", path, "--config", acting.site, "--events", out) == 2
    assert not out.exists()
