"""From verdicts on clips to committed events, and the alerts that follow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from edge.config import Rule
from edge.errors import StoreFullError
from edge.pipeline import Scene
from edge.reporter import CameraView
from edge.rules.acts import ActSettings
from edge.types import Event, Frame, Track, Verdict
from tests.reporter.conftest import MakeReporter, models_of, new_reporter

YARD = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
VIEW = CameraView(id="door", rules_as="door", zones={"yard": YARD})
ACTS = ActSettings(labels=("fall", "run"), confidence=0.8)
MODELS = models_of("detector", "person", "behaviour")


@pytest.fixture
def make() -> MakeReporter:
    return partial(new_reporter, roles=tuple(MODELS), threshold=None, acts=ACTS)


def rule(**keys: Any) -> Rule:
    return Rule.model_validate({"id": "r", "on": ("behaviour.recognised",), **keys}, strict=False)


def scene(index: int, *labels: str, x: float = 0.25, people: Sequence[int] = (7,)) -> Scene:
    """A frame each half second; the clips of track 7 that end with it show the labels."""
    frame = Frame("door", index, index / 2, np.zeros((240, 400, 3), np.uint8))
    box = np.asarray([x * 400 - 20, 80, x * 400 + 20, 180], np.float32)
    tracks = tuple(Track(number, box, 0.9, 0, 20, 0, index) for number in people)
    verdicts = tuple(Verdict(7, label, 0.912345) for label in labels)
    return Scene(frame, (), frozenset(), (), people=tracks, verdicts=verdicts)


def told(events: Sequence[Event]) -> list[tuple[str, object, object]]:
    return [(e.type.split(".")[1], e.data["phase"], e.data.get("label")) for e in events]


def test_an_event_says_what_who_and_by_which_models(make: MakeReporter) -> None:
    reporter, _ = make()
    assert reporter.report(scene(0, "fall"), VIEW) == []
    (event,) = reporter.report(scene(1, "fall", x=0.75), VIEW)
    assert event.type == "edgewarden.behaviour.recognised.v1"
    assert (event.source, event.subject) == ("edgewarden/hq/gate/door", "track/7")
    assert event.data == {
        "sequence": 1,
        "node_sequence": 1,
        "phase": "started",
        "synthetic": False,
        "label": "fall",
        "track_id": 7,
        "frame_index": 1,
        "frame_size": [400, 240],
        "box": [280.0, 80.0, 320.0, 180.0],
        "zones": ["yard"],
        "confidence": 0.9123,
        "clips": 2,
        "seconds": 0.5,
        "reason": "was seen in 2 of the last 2 clips",
        "models": {role: MODELS[role].model_dump() for role in ("person", "behaviour")},
    }


def test_what_is_over_has_the_last_frame_of_its_track(make: MakeReporter) -> None:
    reporter, _ = make()
    for index in range(3):
        reporter.report(scene(index, "fall"), VIEW)
    (over,) = reporter.report(scene(5, people=()), VIEW)
    assert (over.data["phase"], over.data["frame_index"]) == ("ended", 2)


def test_rules_are_for_all_labels_or_for_some(make: MakeReporter) -> None:
    reporter, _ = make(rule(labels=("run",)))
    assert told(reporter.report(scene(0, "fall", "run"), VIEW)) == []
    events = reporter.report(scene(1, "fall", "run"), VIEW)
    assert told(events) == [
        ("behaviour", "started", "fall"),
        ("behaviour", "started", "run"),
        ("alert", "once", None),
    ]
    assert events[2].data["trigger"] == {"id": events[1].id, "type": events[1].type}
    reporter, _ = make(rule())
    reporter.report(scene(0, "fall", "run"), VIEW)
    assert [kind for kind, _, _ in told(reporter.report(scene(1, "fall", "run"), VIEW))] == [
        *("behaviour", "behaviour", "alert", "alert")
    ]


def test_who_walks_into_a_rules_zone_while_they_do_it_raises_an_alert(make: MakeReporter) -> None:
    reporter, _ = make(rule(zones=("yard",)))
    reporter.report(scene(0, "run"), VIEW)
    assert told(reporter.report(scene(1, "run"), VIEW)) == [("behaviour", "started", "run")]
    (alert,) = reporter.report(scene(2, x=0.75), VIEW)
    assert (alert.type, alert.data["zones"]) == ("edgewarden.alert.raised.v1", ["yard"])
    assert reporter.report(scene(3, x=0.75), VIEW) == []


def test_each_label_has_a_cooldown_of_its_own_and_no_track_inherits_one(
    make: MakeReporter,
) -> None:
    reporter, _ = make(rule(cooldown_s=3600))
    alerts: list[int] = []

    def show(index: int, *labels: str, people: Sequence[int] = (7,)) -> None:
        events = reporter.report(scene(index, *labels, people=people), VIEW)
        alerts.extend(index for event in events if event.type == "edgewarden.alert.raised.v1")

    for index, label in enumerate(["fall"] * 2 + ["walk"] * 4 + ["fall"] * 2 + ["run"] * 2):
        show(index, label)
    assert alerts == [1, 9]  # the second fall is silenced, the run is not
    show(10, people=())
    show(11, "fall")
    show(12, "fall")
    assert alerts == [1, 9, 12]  # somebody else


def test_what_has_no_room_is_told_when_there_is_some(
    make: MakeReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter, outbox = make(rule())
    reporter.report(scene(0, "fall"), VIEW)

    def full(drafts: object, follow: object) -> list[Event]:
        raise StoreFullError("no room")

    with monkeypatch.context() as broken:
        broken.setattr(outbox, "_append", full)
        with pytest.raises(StoreFullError):
            reporter.report(scene(1, "fall"), VIEW)
    assert told(reporter.report(scene(1, "fall"), VIEW)) == [
        ("behaviour", "started", "fall"),
        ("alert", "once", None),
    ]
