"""Alerts from sightings: tables of what the loop sees, with the answers worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edge.config import Rule
from edge.rules.engine import Raised, RuleEngine, Sighting
from edge.types import Phase

STRANGER = Sighting(
    camera="door",
    event="face.unknown",
    trigger="e1",
    phase=Phase.STARTED,
    time=0.0,
    track_id=17,
)
ANN = replace(STRANGER, event="face.recognised", person="ann", trigger="e2")


def rule(**keys: Any) -> Rule:
    """A rule on unknown faces, unless told otherwise, as a site file would give it."""
    return Rule.model_validate({"id": "r", "on": ["face.unknown"], **keys})


def watch(rules: Sequence[Rule], *sightings: Sighting) -> list[list[tuple[str, tuple[str, ...]]]]:
    """Rule and zones of the alerts that each sighting raises, in turn, in one engine."""
    engine = RuleEngine(rules, timezone=timezone.utc)
    return [[(r.rule, r.zones) for r in engine.observe(sighting)] for sighting in sightings]


def counts(rules: Sequence[Rule], *sightings: Sighting) -> list[int]:
    return [len(raised) for raised in watch(rules, *sightings)]


# what a rule matches


def test_no_rules_raise_nothing() -> None:
    assert counts([], STRANGER, ANN) == [0, 0]


def test_an_alert_says_which_rule_and_what_it_saw() -> None:
    engine = RuleEngine([rule(severity="warning")])
    assert engine.observe(STRANGER) == [
        Raised(rule="r", severity="warning", zones=(), sighting=STRANGER)
    ]


@pytest.mark.parametrize(
    ("keys", "sighting", "raises"),
    [
        ({}, STRANGER, True),
        ({}, ANN, False),
        ({"on": ["face.recognised", "face.unknown"]}, ANN, True),
        ({"cameras": ["door"]}, STRANGER, True),
        ({"cameras": ["yard", "gate"]}, STRANGER, False),
        ({"people": ["*"]}, STRANGER, True),
        ({"people": ["ann"]}, STRANGER, False),
        ({"people": ["ann"], "on": ["face.recognised"]}, ANN, True),
        ({"people": ["bob"], "on": ["face.recognised"]}, ANN, False),
        ({"people": ["bob", "*"], "on": ["face.recognised"]}, ANN, True),
        ({"zones": ["entrance"]}, STRANGER, False),
        ({"zones": ["entrance"]}, replace(STRANGER, zones=("lawn",)), False),
        ({"zones": ["entrance"]}, replace(STRANGER, zones=("lawn", "entrance")), True),
        ({}, replace(STRANGER, zones=("lawn",)), True),
        ({}, replace(STRANGER, phase=Phase.UPDATED), True),
        (
            {"on": ["system.camera_lost"]},
            Sighting(
                camera="door",
                event="system.camera_lost",
                trigger="e",
                phase=Phase.ONCE,
                time=0,
            ),
            True,
        ),
    ],
)
def test_filters(keys: dict[str, Any], sighting: Sighting, raises: bool) -> None:
    assert counts([rule(**keys)], sighting) == [int(raises)]


def test_every_matching_rule_raises_its_own_in_the_order_of_the_file() -> None:
    rules = [rule(id="b"), rule(id="a"), rule(id="c", on=["face.spoof"])]
    assert watch(rules, STRANGER) == [[("b", ()), ("a", ())]]


def test_a_schedule_goes_by_the_time_of_the_sighting() -> None:
    rules = [rule(schedule="Mon-Sun 22:00-06:00")]
    evening = datetime(2026, 11, 16, 21, 59, 59, tzinfo=timezone.utc).timestamp()
    before, after = replace(STRANGER, time=evening), replace(STRANGER, time=evening + 1)
    assert counts(rules, before) == [0]
    assert counts(rules, after) == [1]
    shanghai = RuleEngine(rules, timezone=ZoneInfo("Asia/Shanghai"))
    assert len(shanghai.observe(before)) == 1  # 05:59:59 there


# occasions


def test_a_subject_that_stays_raises_once() -> None:
    frames = [replace(STRANGER, time=t / 10) for t in range(50)]
    assert counts([rule()], *frames) == [1] + [0] * 49


def test_a_new_event_of_the_same_track_is_a_new_occasion() -> None:
    updated = replace(STRANGER, trigger="e9", phase=Phase.UPDATED, time=5)
    assert counts([rule()], STRANGER, updated, updated) == [1, 1, 0]


def test_walking_into_a_zone_later_raises_then_and_again_on_return() -> None:
    away, there = STRANGER, replace(STRANGER, zones=("entrance",))
    rules = [rule(zones=["entrance"])]
    assert counts(rules, away, away, there, there, away, there) == [0, 0, 1, 0, 0, 1]


def test_a_schedule_that_opens_over_a_subject_raises_then() -> None:
    ten = datetime(2026, 11, 16, 22, tzinfo=timezone.utc).timestamp()
    frames = [replace(STRANGER, time=ten + t) for t in (-2, -1, 0, 1)]
    assert counts([rule(schedule="22:00-23:00")], *frames) == [0, 0, 1, 0]


def test_an_identity_that_is_found_out_later_raises_for_the_person() -> None:
    rules = [rule(on=["face.unknown", "face.recognised"], cooldown_s=60)]
    found_out = replace(ANN, phase=Phase.UPDATED, time=1)
    assert counts(rules, STRANGER, found_out, replace(found_out, time=2)) == [1, 1, 0]


def test_the_end_raises_nothing_that_is_known() -> None:
    end = replace(STRANGER, trigger="e3", phase=Phase.ENDED, time=1)
    assert counts([rule()], STRANGER, end) == [1, 0]
    assert counts([rule(zones=["lawn"])], STRANGER, replace(end, zones=("lawn",))) == [0, 0]


@pytest.mark.parametrize("before", [[], [STRANGER]], ids=["first event", "other identity"])
def test_the_end_raises_what_only_it_states(before: list[Sighting]) -> None:
    end = replace(ANN, phase=Phase.ENDED, time=1)
    assert counts([rule(on=["face.recognised"])], *before, end)[-1] == 1


def test_a_track_is_forgotten_at_its_end() -> None:
    end = replace(STRANGER, trigger="e3", phase=Phase.ENDED)
    rules = [rule(cooldown_s=60)]
    assert counts(rules, STRANGER, end, STRANGER) == [1, 0, 1]


def test_tracks_of_one_number_on_two_cameras_are_two() -> None:
    assert counts([rule(cooldown_s=60)], STRANGER, replace(STRANGER, camera="yard")) == [1, 1]


def test_events_without_a_track_are_each_an_occasion() -> None:
    lost = Sighting(
        camera="door", event="system.camera_lost", trigger="e", phase=Phase.ONCE, time=0
    )
    rules = [rule(on=["system.camera_lost"], cooldown_s=10)]
    steps = [replace(lost, time=t) for t in (0, 5, 10)]
    assert counts(rules, *steps, replace(lost, camera="yard")) == [1, 0, 1, 1]


# cooldowns


def seen(time: float, person: str | None = "ann", **keys: Any) -> Sighting:
    """A new track, with an event of its own, at that time."""
    event = "face.unknown" if person is None else "face.recognised"
    given = {"trigger": f"at {time}", "track_id": int(time * 10), **keys}
    return replace(STRANGER, time=time, person=person, event=event, **given)


ANYBODY = {"on": ["face.unknown", "face.recognised"], "cooldown_s": 60}


@pytest.mark.parametrize(
    ("keys", "sightings", "raised"),
    [
        ({}, [], []),
        # from the last alert, not from the last silenced occasion; its end is awake
        ({}, [seen(0), seen(30), seen(59.9), seen(60), seen(100), seen(120)], [1, 0, 0, 1, 0, 1]),
        ({"cooldown_s": 0}, [seen(0), seen(0.1), seen(0.2)], [1, 1, 1]),
        # each person, and each track without a name, on their own
        ({}, [seen(0), seen(1, "bob"), seen(2), seen(3, "bob")], [1, 1, 0, 0]),
        (
            {},
            [
                seen(0, None, track_id=1),
                seen(1, None, track_id=2),
                seen(2, None, track_id=1),
                seen(61, None, track_id=1),
            ],
            [1, 1, 0, 1],
        ),
        # a zone is that of one camera, and so is the whole frame
        ({}, [seen(0), seen(1, camera="yard"), seen(2), seen(3, camera="yard")], [1, 1, 0, 0]),
        # where the clock steps back no cooldown holds, and from there a new one runs
        ({}, [seen(1000), seen(990), seen(1049), seen(1050)], [1, 1, 0, 1]),
        # the schedule sleeps through the first sighting, which starts no cooldown
        ({"schedule": "00:01-24:00"}, [seen(59), seen(60), seen(61)], [0, 1, 0]),
    ],
)
def test_cooldowns_worked_by_hand(
    keys: dict[str, Any], sightings: list[Sighting], raised: list[int]
) -> None:
    assert counts([rule(**{**ANYBODY, **keys})], *sightings) == raised


def test_rules_cool_down_apart() -> None:
    rules = [rule(**ANYBODY), rule(**{**ANYBODY, "id": "q", "cooldown_s": 10})]
    assert watch(rules, seen(0), seen(10), seen(60)) == [
        [("r", ()), ("q", ())],
        [("q", ())],
        [("r", ()), ("q", ())],
    ]


def test_zones_cool_down_apart_and_one_alert_names_those_that_are_awake() -> None:
    rules = [rule(**ANYBODY, zones=["a", "b", "c"])]
    steps = [
        seen(0, zones=("a",)),
        seen(10, zones=("a", "b", "x")),
        seen(20, zones=("b", "a")),
        seen(61, zones=("b", "a")),
        seen(70, zones=("c", "b")),
    ]
    assert watch(rules, *steps) == [
        [("r", ("a",))],
        [("r", ("b",))],
        [],
        [("r", ("a",))],
        [("r", ("c", "b"))],
    ]


def test_what_a_cooldown_silenced_is_not_told_later() -> None:
    stays = [replace(seen(30), time=t) for t in (30.0, 45.0, 60.0, 90.0)]
    assert counts([rule(**ANYBODY)], seen(0), *stays) == [1, 0, 0, 0, 0]


def test_a_new_engine_remembers_nothing() -> None:
    assert counts([rule(**ANYBODY)], seen(0)) == counts([rule(**ANYBODY)], seen(1)) == [1]


def test_the_memory_holds_only_what_may_still_matter() -> None:
    engine = RuleEngine([rule(**ANYBODY)], timezone=timezone.utc)
    sizes = []
    for second in range(10_000):
        came = seen(second, f"p{second}")
        assert len(engine.observe(came)) == 1
        engine.observe(replace(came, phase=Phase.ENDED))
        stranger = seen(second + 0.5, None)
        assert len(engine.observe(stranger)) == 1
        engine.observe(replace(stranger, phase=Phase.ENDED))
        engine.keep()
        sizes.append(len(engine._last) + len(engine._stays))
    assert max(sizes) <= 1100
    assert len(engine.observe(seen(10_000, "p9950"))) == 0  # still silenced


def test_what_is_taken_back_was_never_observed() -> None:
    engine = RuleEngine([rule(**ANYBODY)], timezone=timezone.utc)
    assert len(engine.observe(seen(0))) == 1
    engine.undo()
    assert len(engine.observe(seen(0))) == 1
    engine.keep()
    engine.undo()
    assert len(engine.observe(seen(1))) == 0


# what people do


def test_what_a_track_does_leaves_the_cooldown_of_who_it_is_alone() -> None:
    rules = [rule(on=["face.unknown", "behaviour.intrusion"], zones=["yard"], cooldown_s=60)]
    here = replace(STRANGER, zones=("yard",))
    act = replace(here, event="behaviour.intrusion", trigger="b1", behaviour="no-entry")
    assert counts(
        rules,
        here,
        act,
        replace(act, trigger="b2", phase=Phase.ENDED, time=1.0),
        replace(STRANGER, time=2.0),
        replace(here, time=3.0),
        replace(act, trigger="b3", time=3.0),
    ) == [1, 1, 0, 0, 0, 0]


def test_a_track_that_is_forgotten_silences_nobody_with_its_number() -> None:
    engine = RuleEngine([rule(on=["behaviour.line_crossing"], cooldown_s=60)])
    act = replace(STRANGER, event="behaviour.line_crossing", phase=Phase.ONCE, behaviour="gate")
    assert len(engine.observe(act)) == 1
    engine.forget("door", 17, ["gate"])
    engine.undo()
    assert len(engine.observe(act)) == 1  # nothing of it was kept
    engine.keep()
    engine.forget("door", 18, ["gate"])
    engine.forget("door", 17, ["bench"])
    assert engine.observe(replace(act, trigger="e3", time=1.0)) == []
    engine.forget("door", 17, ["gate"])
    assert len(engine.observe(replace(act, trigger="e4", time=2.0))) == 1
