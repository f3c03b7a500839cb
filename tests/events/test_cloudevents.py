from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import EventError
from edge.events.build import alert_event, system_event
from edge.events.cloudevents import format_time, from_json, parse_time, to_json
from edge.events.names import source_of
from edge.types import Event, Identity, Outcome

if TYPE_CHECKING:
    from tests.events.conftest import Committer, Drafter

CONTRACT = """{ "specversion": "1.0", "id": "019be1c7-6a3b-7123-8123-0123456789ab",
  "source": "edgewarden/hq/gate-01/door", "type": "edgewarden.face.recognised.v1",
  "subject": "track/17", "time": "2026-11-21T10:00:00.123Z", "datacontenttype": "application/json",
  "data": { "sequence": 42, "node_sequence": 97, "phase": "started", "synthetic": false,
            "track_id": 17, "frame_index": 230, "frame_size": [640, 480],
            "box": [310.0, 88.5, 371.2, 160.0], "zones": [],
            "person": "a", "similarity": 0.71, "threshold": 0.49, "margin": 0.33, "quality": 0.82,
            "reason": null, "models": {"detector": {"bundle": "yunet-n", "variant": "fp32",
            "sha256": "SHA"}}, "track_frames": 40, "face_px": 61.2 } }""".replace("SHA", "a" * 64)


@pytest.fixture
def event(face: Drafter, committed: Committer) -> Event:
    return committed(face())


def test_the_json_is_the_contracts_to_the_byte(event: Event) -> None:
    compact = json.dumps(json.loads(CONTRACT), separators=(",", ":"))
    assert to_json(event).decode() == compact


def test_an_event_is_one_line_whatever_its_text(committed: Committer) -> None:
    reason = "two\nlines\r\u2028and \u00fcml\u00e4uts \U0001f512"
    draft = system_event("degraded", source=source_of("a", "b", "_node"), time=0, reason=reason)
    raw = to_json(committed(draft))
    assert raw.count(b"\n") == raw.count(b"\r") == 0
    assert "ümläuts 🔒" in raw.decode()
    assert from_json(raw).data["reason"] == reason


def test_without_a_subject_there_is_none_in_the_json(committed: Committer) -> None:
    event = committed(system_event("started", source=source_of("a", "b", "_node"), time=0))
    assert "subject" not in json.loads(to_json(event))
    assert from_json(to_json(event)).subject is None


def test_what_was_written_is_read_back(face: Drafter, committed: Committer) -> None:
    event = committed(face(Identity(Outcome.UNKNOWN, None, 0.1, 0.05, 0.7, "no match")))
    alert = committed(alert_event(event, rule="r", severity="info"), node_sequence=98)
    for written in (event, alert):
        assert from_json(to_json(written)) == written
    assert (from_json(to_json(alert)).sequence, alert.node_sequence) == (42, 98)


def test_numbers_that_are_none_are_never_written(event: Event) -> None:
    event.data["similarity"] = float("nan")
    with pytest.raises(ValueError, match="JSON compliant"):
        to_json(event)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("specversion", "0.3"),
        ("id", "019be1c7-6a3b-4123-8123-0123456789ab"),
        ("id", "019BE1C7-6A3B-7123-8123-0123456789AB"),
        ("source", "edgewarden/hq/gate-01"),
        ("source", "edgewarden/hq/gate-01/_other"),
        ("type", "edgewarden.face.recognised.v2"),
        ("type", "edgewarden.system.started.v1"),
        ("type", 7),
        ("subject", ""),
        ("subject", None),
        ("subject", "track/x"),
        ("time", "2026-11-21T10:00:00Z"),
        ("time", "2026-11-21T10:00:00.123+00:00"),
        ("time", "2026-02-30T10:00:00.123Z"),
        ("datacontenttype", "text/plain"),
        ("data", []),
        ("extra", 1),
        ("data.extra", 1),
        ("data.sequence", 0),
        ("data.node_sequence", "97"),
        ("data.phase", "begun"),
        ("data.synthetic", 0),
        ("data.frame_size", [640, 480, 3]),
        ("data.box", [1.0, 2.0, 3.0]),
        ("data.similarity", 1.1),
        ("data.quality", -0.1),
        ("data.person", "Not An Id"),
        ("data.models", {"detector": {"bundle": "b", "variant": "v"}}),
    ],
)
def test_anything_else_is_refused(event: Event, place: str, value: object) -> None:
    document: dict[str, Any] = json.loads(to_json(event))
    target = document
    *path, last = place.split(".")
    for key in path:
        target = target[key]
    target[last] = value
    with pytest.raises(EventError):
        from_json(json.dumps(document).encode())


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "time", "data"])
def test_a_missing_attribute_is_refused(event: Event, name: str) -> None:
    document = json.loads(to_json(event))
    del document[name]
    with pytest.raises(EventError):
        from_json(json.dumps(document).encode())


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b'"type"', b"\xff", b'{"type": NaN}', b"[" * 100_000]
)
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(EventError):
        from_json(raw)


def test_a_key_given_twice_is_refused(event: Event) -> None:
    raw = to_json(event).replace(b'"phase":', b'"phase":"ended","phase":', 1)
    with pytest.raises(EventError, match="twice"):
        from_json(raw)


def test_the_message_says_where_without_repeating_the_value(event: Event) -> None:
    document = json.loads(to_json(event))
    document["data"]["person"] = "Very Private"
    with pytest.raises(EventError, match=r"data\.person") as caught:
        from_json(json.dumps(document).encode())
    assert "Very Private" not in str(caught.value)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (-0.001, "1969-12-31T23:59:59.999Z"),
        (951782400.5, "2000-02-29T00:00:00.500Z"),
        (1795255200.123, "2026-11-21T10:00:00.123Z"),
        (0.9996, "1970-01-01T00:00:01.000Z"),
        (-62135596800.0, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_rfc_3339_in_utc_with_milliseconds(time: float, text: str) -> None:
    assert format_time(time) == text
    assert parse_time(text) == round(time, 3)


@given(st.integers(-(10**13), 10**14))
def test_no_millisecond_is_lost_on_the_way(ms: int) -> None:
    assert parse_time(format_time(ms / 1000)) == ms / 1000
