"""``[snapshots]``: off unless it is there, and what it may say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.config import PICTURED, TRIGGERS, Site

Load = Callable[[str], Site]
Refuse = Callable[[str], str]


def test_without_the_section_there_are_no_pictures(load_more: Load) -> None:
    assert load_more("").snapshots is None


def test_being_there_is_enough(load_more: Load) -> None:
    snapshots = load_more("[snapshots]").snapshots
    assert snapshots is not None
    assert snapshots.what == "crop"
    assert snapshots.on == ("alert.raised", "face.recognised", "face.unknown")
    assert (snapshots.budget_mb, snapshots.keep_days) == (500, 7.0)
    assert (snapshots.quality, snapshots.mqtt) == (85, False)


def test_everything_can_be_said(load_more: Load) -> None:
    snapshots = load_more(
        "[snapshots]\nwhat = 'frame'\non = ['face.low_quality']\nbudget_mb = 20\nkeep_days = 0.5\n"
        "quality = 60\nmqtt = true\n[mqtt]\nhost = 'broker'"
    ).snapshots
    assert snapshots is not None
    assert (snapshots.what, snapshots.on) == ("frame", ("face.low_quality",))
    assert (snapshots.budget_mb, snapshots.keep_days) == (20, 0.5)
    assert (snapshots.quality, snapshots.mqtt) == (60, True)


def test_pictures_go_with_alerts_and_with_whatever_is_about_somebody() -> None:
    people = {name for name in TRIGGERS if name.startswith(("face.", "behaviour."))}
    assert set(PICTURED) == {"alert.raised", *people}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "kwality = 80",
            "snapshots.kwality: expected a known key; found the key 'kwality'. "
            "Did you mean 'quality'?",
        ),
        ("what = 'face'", "snapshots.what: expected 'crop' or 'frame'; found 'face'"),
        ("on = []", "snapshots.on: expected at least one; found an empty list"),
        (
            "on = ['face.unknwon']",
            "snapshots.on[0]: expected an event about somebody who can be seen, as family.name; "
            "found 'face.unknwon'. Did you mean 'face.unknown'?",
        ),
        (
            "on = ['system.started']",
            "snapshots.on[0]: expected an event about somebody who can be seen, as family.name; "
            "found 'system.started'. Known here: " + ", ".join(PICTURED) + ".",
        ),
        ("budget_mb = 0", "snapshots.budget_mb: expected a whole number from 1; found 0"),
        ("budget_mb = 1.5", "snapshots.budget_mb: expected a whole number; found 1.5"),
        ("keep_days = 0", "snapshots.keep_days: expected a number above 0; found 0"),
        ("keep_days = inf", "snapshots.keep_days: expected a number above 0; found inf"),
        ("quality = 0", "snapshots.quality: expected a whole number from 1; found 0"),
        ("quality = 101", "snapshots.quality: expected a whole number up to 100; found 101"),
        ("mqtt = 'yes'", "snapshots.mqtt: expected true or false; found 'yes'"),
        (
            "mqtt = true",
            "snapshots.mqtt: expected false without [mqtt], which names the broker; found true",
        ),
    ],
)
def test_refused_at_its_place(refuse_more: Refuse, text: str, problem: str) -> None:
    assert refuse_more("[snapshots]\n" + text) == problem


def test_a_list_of_sections_is_refused(refuse_more: Refuse) -> None:
    assert refuse_more("[[snapshots]]") == "snapshots: expected a table; found a list of 1"
