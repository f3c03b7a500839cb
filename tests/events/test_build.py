"""Drafts, and the payloads they are checked by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydantic import ValidationError

from edge.errors import UsageError
from edge.events.build import Place, alert_event, system_event
from edge.events.catalogue import EVENTS
from edge.events.names import event_topic, source_of
from edge.events.payloads import FacePayload, ModelReference
from edge.types import Identity, Outcome, Phase

if TYPE_CHECKING:
    from tests.events.conftest import Committer, Drafter

CONTRACT = [
    *("sequence", "node_sequence", "phase", "synthetic"),
    *("track_id", "frame_index", "frame_size", "box", "zones"),
    *("person", "similarity", "threshold", "margin", "quality", "reason", "models"),
]


def test_a_face_payload_has_the_fields_of_the_contract_in_its_order() -> None:
    assert list(FacePayload.model_fields)[: len(CONTRACT)] == CONTRACT


def test_a_face_event_states_what_the_contract_shows(face: Drafter) -> None:
    draft = face()
    assert draft.source == "edgewarden/hq/gate-01/door"
    assert draft.type == "edgewarden.face.recognised.v1"
    assert draft.subject == "track/17"
    assert draft.time == 1795255200.123
    assert draft.data == {
        "phase": "started",
        "synthetic": False,
        "track_id": 17,
        "frame_index": 230,
        "frame_size": [640, 480],
        "box": [310.0, 88.5, 371.2, 160.0],
        "zones": [],
        "person": "a",
        "similarity": 0.71,
        "threshold": 0.49,
        "margin": 0.33,
        "quality": 0.82,
        "reason": None,
        "models": {"detector": {"bundle": "yunet-n", "variant": "fp32", "sha256": "a" * 64}},
        "track_frames": 40,
        "face_px": 61.2,
    }
    assert list(draft.data) == [*CONTRACT[2:], "track_frames", "face_px"]


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_an_event_that_exists(face: Drafter, outcome: Outcome) -> None:
    person = "a" if outcome is Outcome.RECOGNISED else None
    assert face(Identity(outcome, person)).type in {kind.type for kind in EVENTS}


def test_what_was_not_compared_is_null(face: Drafter) -> None:
    data = face(Identity(Outcome.PERSON_WITHOUT_FACE), threshold=None, face_px=0.0).data
    nulls = {name for name, value in data.items() if value is None}
    assert nulls == {"person", "similarity", "threshold", "margin", "quality", "reason"}


@pytest.mark.parametrize(
    "identity", [Identity(Outcome.RECOGNISED), Identity(Outcome.UNKNOWN, "a", 0.2, 0.2, 0.9)]
)
def test_a_person_is_named_where_recognised_and_only_there(
    face: Drafter, identity: Identity
) -> None:
    with pytest.raises(ValueError, match="only there"):
        face(identity)


def test_numbers_are_rounded_to_what_they_are_worth(face: Drafter) -> None:
    identity = Identity(Outcome.UNKNOWN, None, 0.123456, -0.00001, 0.98765)
    data = face(identity, box=np.array([-0.04, 1.25, 2.349, 3.351]), time=0.1234567).data
    assert (data["similarity"], data["quality"]) == (0.1235, 0.9877)
    assert str(data["margin"]) == "0.0"
    assert data["box"] == [0.0, 1.2, 2.3, 3.4]
    assert face(time=0.1234567).time == 0.123


def test_a_cosine_that_passes_one_by_a_hair_is_one(face: Drafter) -> None:
    hair = float(np.float32(1.0000001))
    assert hair > 1
    assert face(Identity(Outcome.RECOGNISED, "a", hair, hair, 1.0)).data["similarity"] == 1.0


@pytest.mark.parametrize(
    "changes",
    [
        {"track_id": -1},
        {"frame_index": 1.5},
        {"frame_size": (640, 0)},
        {"box": np.array([0.0, 0.0, np.nan, 1.0])},
        {"zones": ["Entrance"]},
        {"threshold": 1.5},
        {"threshold": -math.inf},
        {"face_px": -1.0},
        {"models": {"Detector": ModelReference(bundle="b", variant="v", sha256="a" * 64)}},
        {"track_frames": "40"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_value_that_no_event_may_state_is_refused(
    face: Drafter, changes: dict[str, object]
) -> None:
    with pytest.raises(ValidationError) as caught:
        face(**changes)
    assert next(iter(changes)) in str(caught.value)


@pytest.mark.parametrize("sha256", ["a" * 63, "A" * 64, ""])
def test_a_model_hash_is_a_sha256(sha256: str) -> None:
    with pytest.raises(ValidationError):
        ModelReference(bundle="b", variant="v", sha256=sha256)


def test_payloads_cannot_be_changed() -> None:
    reference = ModelReference(bundle="b", variant="v", sha256="a" * 64)
    with pytest.raises(ValidationError):
        reference.bundle = "c"  # type: ignore[misc]  # that it fails is what is tested


def test_an_alert_repeats_what_its_trigger_states(face: Drafter, committed: Committer) -> None:
    trigger = committed(face(zones=["entrance"]))
    draft = alert_event(trigger, rule="door", severity="warning")
    assert (draft.source, draft.subject, draft.time) == (
        trigger.source,
        trigger.subject,
        trigger.time,
    )
    assert draft.type == "edgewarden.alert.raised.v1"
    assert draft.data == {
        "phase": "once",
        "synthetic": False,
        "rule": "door",
        "severity": "warning",
        "trigger": {"id": trigger.id, "type": "edgewarden.face.recognised.v1"},
        "track_id": 17,
        "frame_index": 230,
        "frame_size": [640, 480],
        "box": [310.0, 88.5, 371.2, 160.0],
        "zones": ["entrance"],
        "person": "a",
        "similarity": 0.71,
        "threshold": 0.49,
        "models": trigger.data["models"],
    }


def test_an_alert_states_where_its_subject_is_by_now(face: Drafter, committed: Committer) -> None:
    trigger = committed(face(zones=[]))
    box = np.asarray([10, 20, 30, 40], np.float32)
    place = Place(time=trigger.time + 5, frame_index=380, box=box, zones=["entrance"])
    draft = alert_event(trigger, rule="door", severity="warning", place=place)
    assert draft.time == trigger.time + 5
    assert draft.data["frame_index"] == 380
    assert draft.data["box"] == [10, 20, 30, 40]
    assert draft.data["zones"] == ["entrance"]
    assert draft.data["track_id"] == 17


def test_an_alert_over_a_synthetic_event_is_synthetic(face: Drafter, committed: Committer) -> None:
    draft = alert_event(committed(face(synthetic=True)), rule="door", severity="info")
    assert draft.data["synthetic"] is True


def test_an_alert_over_a_system_event_has_no_subject(committed: Committer) -> None:
    lost = system_event("camera_lost", source=source_of("hq", "gate-01", "door"), time=3.0)
    draft = alert_event(committed(lost), rule="offline", severity="alert")
    assert draft.subject is None
    assert (draft.data["track_id"], draft.data["box"], draft.data["zones"]) == (None, None, [])


def test_a_system_event_states_its_reason_and_figures() -> None:
    draft = system_event(
        "outbox_dropped",
        source=source_of("hq", "gate-01", "_node"),
        time=5.0,
        reason="the disk is full",
        detail={"dropped": 12},
    )
    assert draft.type == "edgewarden.system.outbox_dropped.v1"
    assert draft.data == {
        "phase": Phase.ONCE.value,
        "synthetic": False,
        "reason": "the disk is full",
        "detail": {"dropped": 12},
    }


def test_a_reason_with_bytes_that_are_no_text_can_be_sent() -> None:
    name = b"clip-\xff.mkv".decode("utf-8", "surrogateescape")
    draft = system_event("camera_lost", source=source_of("a", "b", "c"), time=0.0, reason=name)
    assert draft.data["reason"] == "clip-?.mkv"


def test_the_topic_follows_from_source_and_type(face: Drafter) -> None:
    draft = face()
    assert (
        event_topic(draft.source, draft.type) == "edgewarden/hq/gate-01/door/events/face/recognised"
    )


@pytest.mark.parametrize("ids", [("HQ", "n", "c"), ("s", "a/b", "c"), ("s", "n", "_other")])
def test_a_source_is_made_of_ids(ids: tuple[str, str, str]) -> None:
    with pytest.raises(UsageError, match="id rule"):
        source_of(*ids)


@pytest.mark.parametrize("camera", ["_node", "_selftest"])
def test_the_daemon_and_its_selftest_have_sources(camera: str) -> None:
    assert source_of("hq", "n", camera) == f"edgewarden/hq/n/{camera}"
