"""The AsyncAPI document: every topic, what is sent there and how.

https://www.asyncapi.com/docs/reference/specification/v3.0.0, with the MQTT bindings 0.2.0 of
https://github.com/asyncapi/bindings.
"""

from __future__ import annotations

from typing import get_args

from edge import __version__
from edge.events.catalogue import EVENTS, EventKind
from edge.events.cloudevents import CONTENT_TYPE, ENVELOPES
from edge.events.names import AVAILABILITY_TOPIC, EVENT_TOPIC, SNAPSHOT_TOPIC, STATUS_TOPIC
from edge.events.payloads import Availability, CameraStatus
from edge.events.schema import JsonObject, definitions
from edge.ids import NODE_CAMERA, SELFTEST_CAMERA

_BINDING = "0.2.0"
_JPEG = "image/jpeg"
_AVAILABILITY, _STATUS, _SNAPSHOT = "availability", "camera_status", "snapshot"


def asyncapi() -> JsonObject:
    """The AsyncAPI 3.0 document of everything that a device sends over MQTT."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Edgewarden",
            "version": __version__,
            "description": "Events of cameras, the state of devices and their cameras, and "
            "snapshots where they are asked for. Events are delivered at least once: their id "
            "tells a repeat, sequence and node_sequence a gap. Snapshots may be lost.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"broker": _broker()},
        "channels": {
            **{_key(kind): _event_channel(kind) for kind in EVENTS},
            _AVAILABILITY: _channel(
                _AVAILABILITY, AVAILABILITY_TOPIC, "Whether a device is there. Retained."
            ),
            _STATUS: _channel(_STATUS, STATUS_TOPIC, "How a camera's stream is. Retained."),
            _SNAPSHOT: _channel(
                _SNAPSHOT,
                SNAPSHOT_TOPIC,
                "The picture that goes with an event. Sent once, at QoS 0, and not retained.",
            ),
        },
        "operations": {
            **{f"send_{_key(kind)}": _operation(_key(kind), retain=False) for kind in EVENTS},
            f"send_{_AVAILABILITY}": _operation(_AVAILABILITY, retain=True),
            f"send_{_STATUS}": _operation(_STATUS, retain=True),
            f"send_{_SNAPSHOT}": _operation(_SNAPSHOT, qos=0, retain=False),
        },
        "components": {
            "parameters": _parameters(),
            "messages": _messages(),
            "schemas": {
                **definitions(
                    [*ENVELOPES.values(), CameraStatus],
                    ref_template="#/components/schemas/{model}",
                ),
                "Availability": {
                    "type": "string",
                    "enum": list(get_args(Availability)),
                    "description": "online: connected; offline: lost without a word, sent by the "
                    "broker as the will message; stopped: ended in good order.",
                },
                "Snapshot": {
                    "type": "string",
                    "format": "binary",
                    "contentMediaType": _JPEG,
                    "description": "A JPEG file: the subject of the event and its surroundings, "
                    "or the whole frame. The faces of everybody else are blurred.",
                },
            },
        },
    }


def _key(kind: EventKind) -> str:
    return f"{kind.family}_{kind.name}"


def _broker() -> JsonObject:
    return {
        "host": "{host}:{port}",
        "protocol": "mqtt",
        "description": "The broker of the site file's [mqtt]; MQTT 5 or 3.1.1, with TLS or not.",
        "variables": {
            "host": {"default": "localhost", "description": "Host of the broker."},
            "port": {"default": "8883", "description": "Port of the broker."},
        },
        "bindings": {
            "mqtt": {
                "lastWill": {
                    "topic": AVAILABILITY_TOPIC,
                    "qos": 1,
                    "message": "offline",
                    "retain": True,
                },
                "bindingVersion": _BINDING,
            }
        },
    }


def _event_channel(kind: EventKind) -> JsonObject:
    topic = EVENT_TOPIC.replace("{family}", kind.family).replace("{name}", kind.name)
    return _channel(_key(kind), topic, kind.description)


def _channel(key: str, address: str, description: str) -> JsonObject:
    names = [name for name in _parameters() if f"{{{name}}}" in address]
    return {
        "address": address,
        "description": description,
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in names},
        "messages": {key: {"$ref": f"#/components/messages/{key}"}},
    }


def _operation(key: str, *, retain: bool, qos: int = 1) -> JsonObject:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{key}"},
        "messages": [{"$ref": f"#/channels/{key}/messages/{key}"}],
        "bindings": {"mqtt": {"qos": qos, "retain": retain, "bindingVersion": _BINDING}},
    }


def _parameters() -> dict[str, JsonObject]:
    return {
        "site": {"description": "Id of the site, from the site file."},
        "node": {"description": "Id of the device, from the site file."},
        "camera": {
            "description": f"Id of the camera, from the site file. In events also {NODE_CAMERA}: "
            f"the device itself, and {SELFTEST_CAMERA}: its self-test.",
        },
        "event_id": {"description": "Id of the event that the picture goes with."},
    }


def _messages() -> JsonObject:
    events: JsonObject = {
        _key(kind): _message(kind.type, ENVELOPES[kind.type].__name__, kind.description)
        for kind in EVENTS
    }
    return {
        **events,
        _AVAILABILITY: {
            **_message(_AVAILABILITY, "Availability", "One of three words, as plain text."),
            "contentType": "text/plain",
        },
        _STATUS: {
            **_message(_STATUS, CameraStatus.__name__, "The state of a camera's stream."),
            "contentType": "application/json",
        },
        _SNAPSHOT: {
            **_message(_SNAPSHOT, "Snapshot", "A picture of what an event is about."),
            "contentType": _JPEG,
        },
    }


def _message(name: str, schema: str, summary: str) -> JsonObject:
    return {
        "name": name,
        "summary": summary,
        "contentType": CONTENT_TYPE,
        "payload": {"$ref": f"#/components/schemas/{schema}"},
    }
