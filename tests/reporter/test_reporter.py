"""From scenes to committed events: one story a track, and alerts that name what raised them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.config import Rule
from edge.errors import StoreFullError
from edge.pipeline import Followed, Scene
from edge.reporter import CameraView
from edge.store.fake import FakeOutbox
from edge.types import Event, Frame, Identity, Outcome, Track

if TYPE_CHECKING:
    from tests.reporter.conftest import MakeReporter

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
VIEW = CameraView(id="door", rules_as="door", zones={"left": LEFT})
UNKNOWN = Identity(Outcome.UNKNOWN, similarity=0.2, margin=0.1, quality=0.8, reason="too far")
ANNA = Identity(Outcome.RECOGNISED, "anna", 0.8, 0.5, 0.9)
FACELESS = Identity(Outcome.PERSON_WITHOUT_FACE)


def followed(track_id: int, identity: Identity | None, *, x: float = 100.0) -> Followed:
    box = np.asarray([x - 30, 100, x + 30, 180], np.float32)
    track = Track(track_id, box, 0.9, 0, 20, 0, 25)
    return Followed(track, identity, None, 60.0, None)


def scene(
    active: Sequence[Followed] = (),
    changed: Sequence[int] = (),
    ended: Sequence[Followed] = (),
    *,
    index: int = 30,
    time: float = 1000.0,
) -> Scene:
    frame = Frame("door", index, time, np.zeros((240, 400, 3), np.uint8))
    return Scene(frame, tuple(active), frozenset(changed), tuple(ended))


def told(events: Sequence[Event]) -> list[tuple[str, object]]:
    return [(event.type.split(".")[2], event.data["phase"]) for event in events]


def test_nothing_seen_is_nothing_said(make: MakeReporter) -> None:
    reporter, outbox = make()
    assert reporter.report(scene(), VIEW) == []
    assert outbox.depth() == 0


def test_a_track_starts_is_updated_and_ends(make: MakeReporter) -> None:
    reporter, outbox = make()
    first = reporter.report(scene([followed(1, UNKNOWN)], [1]), VIEW)
    quiet = reporter.report(scene([followed(1, UNKNOWN)]), VIEW)
    second = reporter.report(scene([followed(1, ANNA)], [1]), VIEW)
    last = reporter.report(scene(ended=[followed(1, ANNA)]), VIEW)
    assert told(first) == [("unknown", "started")]
    assert quiet == []
    assert told(second) == [("recognised", "updated")]
    assert told(last) == [("recognised", "ended")]
    assert last[0].data["frame_index"] == 25  # where it was last seen
    assert last[0].data["track_frames"] == 20
    assert [e.node_sequence for e in outbox.pending(limit=10)] == [1, 2, 3]


def test_a_track_that_ends_unsaid_starts_first(make: MakeReporter) -> None:
    reporter, _ = make()
    low = Identity(Outcome.LOW_QUALITY, reason="too short")
    assert told(reporter.report(scene(ended=[followed(1, low)]), VIEW)) == [
        ("low_quality", "started"),
        ("low_quality", "ended"),
    ]


def test_models_and_threshold_are_those_that_had_a_part(make: MakeReporter) -> None:
    reporter, _ = make()
    (face,) = reporter.report(scene([followed(1, ANNA)], [1]), VIEW)
    (body,) = reporter.report(scene([followed(2, FACELESS)], [2]), VIEW)
    assert set(face.data["models"]) == {"detector", "recogniser"}  # type: ignore[call-overload]  # JSON
    assert face.data["threshold"] == 0.49
    assert set(body.data["models"]) == {"detector", "person"}  # type: ignore[call-overload]  # JSON
    assert body.data["threshold"] is None


def test_an_alert_follows_its_trigger_and_repeats_its_subject(make: MakeReporter) -> None:
    rule = Rule(id="stranger", on=("face.unknown",), cooldown_s=60.0)
    reporter, _ = make(rule)
    face, alert = reporter.report(scene([followed(1, UNKNOWN)], [1]), VIEW)
    assert alert.type == "edgewarden.alert.raised.v1"
    assert alert.data["trigger"] == {"id": face.id, "type": face.type}
    assert (alert.subject, alert.source) == (face.subject, face.source)
    assert alert.node_sequence == face.node_sequence + 1
    assert reporter.report(scene([followed(1, UNKNOWN)]), VIEW) == []


def test_walking_into_a_zone_raises_where_and_when_that_was(make: MakeReporter) -> None:
    rule = Rule(id="in", on=("face.unknown",), zones=("left",))
    reporter, _ = make(rule)
    (face,) = reporter.report(scene([followed(1, UNKNOWN, x=350)], [1]), VIEW)
    (alert,) = reporter.report(scene([followed(1, UNKNOWN, x=120)], index=75, time=1003.0), VIEW)
    assert face.data["zones"] == []
    assert alert.data["trigger"] == {"id": face.id, "type": face.type}
    assert alert.data["zones"] == ["left"]
    assert (alert.time, alert.data["frame_index"]) == (1003.0, 75)
    assert alert.data["box"] == [90, 100, 150, 180]


def test_rules_know_a_replayed_file_by_its_camera(make: MakeReporter) -> None:
    rule = Rule(id="r", on=("face.unknown",), cameras=("door",))
    stand_in = CameraView(id="file-7", rules_as="door", zones={})
    stranger = CameraView(id="file-8", rules_as="file-8", zones={})
    reporter, _ = make(rule)
    assert len(reporter.report(scene([followed(1, UNKNOWN)], [1]), stand_in)) == 2
    assert len(reporter.report(scene([followed(1, UNKNOWN)], [1]), stranger)) == 1


def test_an_event_about_a_camera_may_raise_an_alert(make: MakeReporter) -> None:
    rule = Rule(id="gone", on=("system.camera_lost",), severity="warning")
    reporter, _ = make(rule)
    lost, alert = reporter.system(
        "camera_lost", camera="door", time=5.0, reason="no frame for 10 s"
    )
    assert lost.source == "edgewarden/hq/gate/door"
    assert lost.data["reason"] == "no frame for 10 s"
    assert alert.data["rule"] == "gone"
    assert alert.data["trigger"] == {"id": lost.id, "type": lost.type}


def test_what_could_not_be_committed_is_told_again_whole(
    make: MakeReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk swallows neither an event, nor an alert, nor starts a cooldown."""
    rule = Rule(id="stranger", on=("face.unknown",), cooldown_s=60.0)
    reporter, outbox = make(rule)
    seen = scene([followed(1, UNKNOWN)], [1])

    def full(drafts: object, follow: Callable[..., object]) -> list[Event]:
        FakeOutbox._append(outbox, drafts, follow)  # type: ignore[arg-type]  # as given
        outbox.delete([event.node_sequence for event in outbox.pending(limit=10)])
        raise StoreFullError("no room")

    with monkeypatch.context() as broken:
        broken.setattr(outbox, "_append", full)
        with pytest.raises(StoreFullError):
            reporter.report(seen, VIEW)
    face, alert = reporter.report(seen, VIEW)
    assert told([face]) == [("unknown", "started")]
    assert alert.data["rule"] == "stranger"
    assert reporter.report(scene([followed(1, UNKNOWN)]), VIEW) == []
