from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from edge.events.asyncapi import asyncapi
from edge.events.catalogue import EVENTS
from edge.events.cloudevents import to_json
from edge.events.names import event_topic, snapshot_topic
from edge.events.payloads import CameraStatus

if TYPE_CHECKING:
    from tests.events.conftest import Committer, Drafter


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    # Through JSON, as whoever reads it gets it.
    found: dict[str, Any] = json.loads(json.dumps(asyncapi()))
    return found


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/")
    node: Any = document
    for key in reference[2:].split("/"):
        node = node[key]
    return node


def payload_of(document: dict[str, Any], channel: str) -> Any:
    """A validator for what is sent on a channel; references lead through the whole document."""
    (message,) = document["channels"][channel]["messages"].values()
    payload = resolve(document, message["$ref"])["payload"]
    return jsonschema.Draft7Validator({**document, **payload})


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert len(found) > 40
    for reference in found:
        resolve(document, reference)


def test_nothing_is_described_that_nothing_refers_to(document: dict[str, Any]) -> None:
    found = set(references(document))
    for section, entries in document["components"].items():
        for name in entries:
            assert f"#/components/{section}/{name}" in found


def test_there_is_a_channel_for_every_topic(document: dict[str, Any]) -> None:
    addresses = {channel["address"] for channel in document["channels"].values()}
    source = "edgewarden/{site}/{node}/{camera}"
    assert addresses == {
        *(event_topic(source, kind.type) for kind in EVENTS),
        "edgewarden/{site}/{node}/availability",
        "edgewarden/{site}/{node}/{camera}/status",
        snapshot_topic(source, "{event_id}"),
    }


def test_the_parameters_of_a_channel_are_those_of_its_address(document: dict[str, Any]) -> None:
    for channel in document["channels"].values():
        assert set(channel["parameters"]) == set(re.findall(r"{(\w+)}", channel["address"]))


def test_every_channel_has_one_operation_that_sends_its_messages(document: dict[str, Any]) -> None:
    sent = [operation["channel"]["$ref"] for operation in document["operations"].values()]
    assert sorted(sent) == sorted(f"#/channels/{key}" for key in document["channels"])
    for operation in document["operations"].values():
        assert operation["action"] == "send"
        for message in operation["messages"]:
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")


def test_events_go_at_least_once_and_states_are_retained(document: dict[str, Any]) -> None:
    for operation in document["operations"].values():
        binding = operation["bindings"]["mqtt"]
        address = resolve(document, operation["channel"]["$ref"])["address"]
        assert binding["qos"] == (0 if "/snapshots/" in address else 1)
        assert binding["retain"] is address.endswith(("/availability", "/status"))


def test_a_snapshot_is_a_jpeg_under_the_id_of_its_event(document: dict[str, Any]) -> None:
    channel = document["channels"]["snapshot"]
    assert channel["address"] == "edgewarden/{site}/{node}/{camera}/snapshots/{event_id}"
    message = resolve(document, channel["messages"]["snapshot"]["$ref"])
    assert message["contentType"] == "image/jpeg"
    assert resolve(document, message["payload"]["$ref"])["format"] == "binary"


def test_the_will_says_offline_on_the_availability_topic(document: dict[str, Any]) -> None:
    will = document["servers"]["broker"]["bindings"]["mqtt"]["lastWill"]
    assert will["topic"] == document["channels"]["availability"]["address"]
    assert (will["qos"], will["retain"]) == (1, True)
    assert payload_of(document, "availability").is_valid(will["message"])


def test_a_real_event_is_what_its_channel_says(
    document: dict[str, Any], face: Drafter, committed: Committer
) -> None:
    event = json.loads(to_json(committed(face())))
    assert payload_of(document, "face_recognised").is_valid(event)
    assert not payload_of(document, "face_unknown").is_valid(event)
    event["data"]["box"].append(5.0)
    assert not payload_of(document, "face_recognised").is_valid(event)


@pytest.mark.parametrize("word", ["online", "offline", "stopped"])
def test_availability_is_one_of_three_words(document: dict[str, Any], word: str) -> None:
    assert payload_of(document, "availability").is_valid(word)
    assert not payload_of(document, "availability").is_valid(word.upper())


def test_a_real_status_is_what_its_channel_says(document: dict[str, Any]) -> None:
    status = CameraStatus(state="live", fps=9.94, since="2026-11-21T10:00:00.123Z")
    sent = json.loads(status.model_dump_json())
    assert sent == {"state": "live", "fps": 9.9, "since": "2026-11-21T10:00:00.123Z"}
    assert payload_of(document, "camera_status").is_valid(sent)
    assert not payload_of(document, "camera_status").is_valid({**sent, "state": "gone"})
