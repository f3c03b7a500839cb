"""From scenes to committed events about what people do, and the alerts that follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge.config import Intrusion, LineCrossing, Loitering, Rule
from edge.errors import StoreFullError
from edge.pipeline import Followed, Scene
from edge.reporter import CameraView
from edge.store.fake import FakeOutbox
from edge.types import Event, Frame, Identity, Outcome, Track

if TYPE_CHECKING:
    from tests.reporter.conftest import MakeReporter

YARD = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
FLOOR = ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))
INTRUSION = Intrusion(kind="intrusion", id="no-entry", zone="yard")
LOITERING = Loitering(kind="loitering", id="bench", zone="yard", seconds=5.0)
GATE = LineCrossing(kind="line_crossing", id="gate", line=((0.25, 1.0), (0.25, 0.0)))
VIEW = CameraView(
    id="door",
    rules_as="door",
    zones={"yard": YARD, "floor": FLOOR},
    behaviours=(INTRUSION, GATE, LOITERING),
)
ANNA = Identity(Outcome.RECOGNISED, "anna", 0.8, 0.5, 0.9)


def track(track_id: int, x: float, index: int) -> Track:
    """A box 100 px high whose bottom centre is at x, 180 in a frame of 400 x 240."""
    box = np.asarray([x * 400 - 20, 80, x * 400 + 20, 180], np.float32)
    return Track(track_id, box, 0.912345, 0, 20, 0, index)


def scene(index: int, people: dict[int, float] | None = None, **changes: Any) -> Scene:
    """A frame a second, with people by id and where they are."""
    frame = Frame("door", index, float(index), np.zeros((240, 400, 3), np.uint8))
    followed = tuple(track(track_id, x, index) for track_id, x in (people or {}).items())
    return Scene(frame, (), frozenset(), (), people=followed, **changes)


def faces(index: int, people: dict[int, tuple[float, Identity | None]]) -> Scene:
    frame = Frame("door", index, float(index), np.zeros((240, 400, 3), np.uint8))
    active = tuple(Followed(track(i, x, index), who) for i, (x, who) in people.items())
    return Scene(frame, active, frozenset(), ())


def told(events: Sequence[Event]) -> list[tuple[str, object]]:
    return [(event.type.split(".", 1)[1], event.data["phase"]) for event in events]


def test_an_event_says_what_where_and_why(make: MakeReporter) -> None:
    reporter, _ = make()
    assert reporter.report(scene(0, {7: 0.1}), VIEW) == []
    crossing, intrusion = sorted(
        reporter.report(scene(1, {7: 0.75}), VIEW), key=lambda event: event.type, reverse=True
    )
    assert intrusion.type == "edgewarden.behaviour.intrusion.v1"
    assert (intrusion.source, intrusion.subject) == ("edgewarden/hq/gate/door", "track/7")
    assert intrusion.data == {
        "sequence": 1,
        "node_sequence": 1,
        "phase": "started",
        "synthetic": False,
        "behaviour": "no-entry",
        "track_id": 7,
        "followed": "person",
        "frame_index": 1,
        "frame_size": [400, 240],
        "box": [280.0, 80.0, 320.0, 180.0],
        "point": [300.0, 180.0],
        "zones": ["yard", "floor"],
        "zone": "yard",
        "line": None,
        "direction": None,
        "seconds": 0.0,
        "limit_s": None,
        "person": None,
        "confidence": 0.9123,
        "reason": "is in a zone where nobody may be",
        "models": {"person": {"bundle": "person", "variant": "fp32", "sha256": "a" * 64}},
    }
    assert crossing.type == "edgewarden.behaviour.line_crossing.v1"
    about = ("phase", "zone", "line", "direction", "seconds", "reason")
    assert {name: crossing.data[name] for name in about} == {
        "phase": "once",
        "zone": None,
        "line": [[0.25, 1.0], [0.25, 0.0]],
        "direction": "left_to_right",
        "seconds": None,
        "reason": "crossed the line from left to right",
    }


def test_a_stay_begins_and_ends(make: MakeReporter) -> None:
    reporter, _ = make()
    events = [
        (index, *pair)
        for index in range(12)
        for pair in told(reporter.report(scene(index, {7: 0.75} if index < 9 else {}), VIEW))
    ]
    assert events == [
        (0, "behaviour.intrusion.v1", "started"),
        (5, "behaviour.loitering.v1", "started"),
        (9, "behaviour.loitering.v1", "ended"),
        (9, "behaviour.intrusion.v1", "ended"),
    ]


def test_the_end_says_where_and_when_it_was_last_seen(make: MakeReporter) -> None:
    reporter, _ = make()
    for index in range(4):
        reporter.report(scene(index, {7: 0.75}), VIEW)
    (ended,) = reporter.report(scene(6), VIEW)
    assert (ended.time, ended.data["frame_index"], ended.data["seconds"]) == (6.0, 3, 3.0)
    assert ended.data["reason"] == "is followed no more"


def test_a_camera_that_looks_for_nothing_says_nothing(make: MakeReporter) -> None:
    reporter, _ = make(Rule(id="r", on=("behaviour.intrusion",)))
    view = CameraView(id="door", rules_as="door", zones=VIEW.zones)
    assert reporter.report(scene(0, {7: 0.75}), view) == []


def test_cameras_are_kept_apart(make: MakeReporter) -> None:
    reporter, _ = make()
    other = CameraView(id="yard", rules_as="yard", zones=VIEW.zones, behaviours=(INTRUSION,))
    assert len(reporter.report(scene(0, {7: 0.75}), VIEW)) == 1
    assert len(reporter.report(scene(0, {7: 0.75}), other)) == 1
    assert reporter.report(scene(1, {7: 0.75}), VIEW) == []
    assert told(reporter.report(scene(1), other)) == [("behaviour.intrusion.v1", "ended")]


def test_faces_stand_in_where_nobody_looks_for_people(make: MakeReporter) -> None:
    reporter, _ = make(Rule(id="r", on=("behaviour.intrusion",), people=("anna",)))
    (started,) = reporter.report(faces(0, {7: (0.75, None)}), VIEW)
    assert (started.data["followed"], started.data["person"]) == ("face", None)
    assert started.data["point"] == [300.0, 130.0]
    assert list(started.data["models"]) == ["detector", "recogniser"]  # type: ignore[call-overload]  # JSON
    updated, alert = reporter.report(faces(1, {7: (0.75, ANNA)}), VIEW)
    assert (updated.data["phase"], updated.data["person"]) == ("updated", "anna")
    assert alert.data["trigger"] == {"id": updated.id, "type": updated.type}
    assert alert.data["person"] == "anna"


# rules


def alerts(events: Sequence[Event]) -> list[object]:
    return [e.data["trigger"]["id"] for e in events if e.type.startswith("edgewarden.alert.")]  # type: ignore[index]  # JSON


def test_an_alert_follows_and_repeats_who_and_where(make: MakeReporter) -> None:
    reporter, _ = make(Rule(id="in-the-yard", on=("behaviour.intrusion",), severity="warning"))
    started, alert = reporter.report(scene(0, {7: 0.75}), VIEW)
    assert alert.data["trigger"] == {"id": started.id, "type": started.type}
    assert (alert.data["rule"], alert.data["severity"]) == ("in-the-yard", "warning")
    for name in ("track_id", "frame_index", "frame_size", "box", "zones", "models"):
        assert alert.data[name] == started.data[name]
    assert told(reporter.report(scene(1, {7: 0.8}), VIEW)) == []
    # The end of it is no occasion.
    assert told(reporter.report(scene(2), VIEW)) == [("behaviour.intrusion.v1", "ended")]


@pytest.mark.parametrize(
    ("zones", "raises"), [(("yard",), 1), (("floor",), 0), (("floor", "yard"), 1)]
)
def test_a_behaviour_is_in_its_own_zone(
    make: MakeReporter, zones: tuple[str, ...], raises: int
) -> None:
    reporter, _ = make(Rule(id="r", on=("behaviour.intrusion",), zones=zones))
    assert len(alerts(reporter.report(scene(0, {7: 0.75}), VIEW))) == raises


def test_a_crossing_is_in_the_zones_where_it_ends(make: MakeReporter) -> None:
    reporter, _ = make(Rule(id="r", on=("behaviour.line_crossing",), zones=("floor",)))
    reporter.report(scene(0, {7: 0.1}), VIEW)
    assert len(alerts(reporter.report(scene(1, {7: 0.4}), VIEW))) == 1


def test_a_cooldown_is_that_of_one_track_and_one_behaviour(make: MakeReporter) -> None:
    on = ("behaviour.intrusion", "behaviour.line_crossing", "behaviour.loitering")
    reporter, _ = make(Rule(id="r", on=on, cooldown_s=60))
    raised = [
        len(alerts(reporter.report(scene(index, people), VIEW)))
        for index, people in enumerate(
            [
                {7: 0.1},
                {7: 0.75},  # comes over the line and into the yard
                {7: 0.1},  # back: the line again
                {7: 0.75},
                {7: 0.75, 8: 0.75},  # somebody else
                *[{7: 0.75}] * 5,  # loiters by now
            ]
        )
    ]
    assert raised == [0, 2, 0, 0, 1, 0, 1, 0, 0, 0]


def test_a_new_track_is_not_silenced_by_one_that_had_its_number(make: MakeReporter) -> None:
    """After a camera was lost its tracks are counted from 1 again."""
    reporter, _ = make(Rule(id="r", on=("behaviour.line_crossing",), cooldown_s=600))
    for start in (0, 10):
        assert reporter.report(scene(start, {1: 0.1}), VIEW) == []
        assert len(alerts(reporter.report(scene(start + 1, {1: 0.4}), VIEW))) == 1
        assert reporter.report(scene(start + 2), VIEW) == []


def test_a_rule_that_wakes_during_an_intrusion_raises_it(make: MakeReporter) -> None:
    rule = Rule.model_validate(
        {"id": "r", "on": ("behaviour.intrusion",), "schedule": "Thu 00:01-00:02"}
    )
    reporter, _ = make(rule)
    view = CameraView(id="door", rules_as="door", zones=VIEW.zones, behaviours=(INTRUSION,))
    (started,) = reporter.report(scene(58, {7: 0.75}), view)
    assert reporter.report(scene(59, {7: 0.75}), view) == []
    (alert,) = reporter.report(scene(60, {7: 0.8}), view)
    assert alert.data["trigger"] == {"id": started.id, "type": started.type}
    assert (alert.time, alert.data["frame_index"]) == (60.0, 60)
    assert reporter.report(scene(61, {7: 0.8}), view) == []


def test_who_it_is_and_what_they_do_are_told_apart(make: MakeReporter) -> None:
    """The story of a face that ends and the story of what the same track does."""
    rules = [
        Rule(id="who", on=("face.recognised",), cooldown_s=60),
        Rule(id="what", on=("behaviour.intrusion",), cooldown_s=60),
    ]
    reporter, _ = make(*rules)
    here = faces(0, {7: (0.75, ANNA)})
    seen = Scene(here.frame, here.active, frozenset({7}), ())
    raised = [e.data["rule"] for e in reporter.report(seen, VIEW) if "rule" in e.data]
    assert raised == ["who", "what"]
    assert reporter.report(faces(1, {7: (0.75, ANNA)}), VIEW) == []


# what is not committed has not happened


def test_what_could_not_be_committed_is_told_again_whole(
    make: MakeReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = Rule(id="r", on=("behaviour.intrusion", "behaviour.line_crossing"), cooldown_s=60.0)
    reporter, outbox = make(rule)

    def full(drafts: object, follow: Callable[..., object]) -> list[Event]:
        FakeOutbox._append(outbox, drafts, follow)  # type: ignore[arg-type]  # as given
        outbox.delete([event.node_sequence for event in outbox.pending(limit=10)])
        raise StoreFullError("no room")

    reporter.report(scene(0, {7: 0.1}), VIEW)
    for seen in (scene(1, {7: 0.75}), scene(2)):
        with monkeypatch.context() as broken:
            broken.setattr(outbox, "_append", full)
            with pytest.raises(StoreFullError):
                reporter.report(seen, VIEW)
        events = reporter.report(seen, VIEW)
        if seen.people:
            assert told(events) == [
                ("behaviour.intrusion.v1", "started"),
                ("behaviour.line_crossing.v1", "once"),
                *[("alert.raised.v1", "once")] * 2,
            ]
        else:
            assert told(events) == [("behaviour.intrusion.v1", "ended")]


def test_a_scene_that_is_lost_altogether_leaves_nothing_behind(
    make: MakeReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter, outbox = make()
    reporter.report(scene(0, {7: 0.75}), VIEW)

    def full(drafts: object, follow: object) -> list[Event]:
        raise StoreFullError("no room")

    with monkeypatch.context() as broken:
        broken.setattr(outbox, "_append", full)
        with pytest.raises(StoreFullError):
            reporter.report(scene(1), VIEW)  # the end of track 7
    assert told(reporter.report(scene(2, {8: 0.75}), VIEW)) == [
        ("behaviour.intrusion.v1", "ended"),
        ("behaviour.intrusion.v1", "started"),
    ]


def test_a_beginning_that_is_lost_altogether_has_no_end(
    make: MakeReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter, outbox = make()

    def full(drafts: object, follow: Callable[..., object]) -> list[Event]:
        FakeOutbox._append(outbox, drafts, follow)  # type: ignore[arg-type]  # as given
        raise StoreFullError("no room")

    with monkeypatch.context() as broken:
        broken.setattr(outbox, "_append", full)
        with pytest.raises(StoreFullError):
            reporter.report(scene(0, {7: 0.75}), VIEW)
    assert reporter.report(scene(1), VIEW) == []
