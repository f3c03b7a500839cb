"""CloudEvents 1.0 in structured JSON: one event, one line.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from edge.errors import EventError
from edge.events.catalogue import EVENTS, EventKind
from edge.events.names import SOURCE_RULE, SUBJECT_RULE
from edge.events.payloads import Numbered
from edge.strict_json import read_strict_json
from edge.types import Event

MAX_BYTES = 1 << 20
CONTENT_TYPE = "application/cloudevents+json"

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MS = timedelta(milliseconds=1)

UUID7_RULE = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
TIME_RULE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"


class Envelope(BaseModel):
    """The attributes that every event has around its data."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    specversion: Literal["1.0"]
    """Version of CloudEvents."""
    id: Annotated[str, Field(pattern=UUID7_RULE, json_schema_extra={"format": "uuid"})]
    """UUIDv7; with the source it names the event, so that a repeat can be told."""
    source: Annotated[str, Field(pattern=SOURCE_RULE)]
    """edgewarden/<site>/<node>/<camera>; the camera is _node for the daemon itself."""
    type: str
    """edgewarden.<family>.<name>.v1."""
    subject: Annotated[str, Field(pattern=SUBJECT_RULE)] = ""
    """track/<number> or person/<id>; absent where the event is about neither."""
    time: Annotated[str, Field(pattern=TIME_RULE, json_schema_extra={"format": "date-time"})]
    """When the picture was captured: RFC 3339, UTC, milliseconds."""
    datacontenttype: Literal["application/json"]
    """Media type of data."""
    data: Numbered
    """What happened."""


def _envelope_of(kind: EventKind) -> type[Envelope]:
    exact: Any = Literal.__getitem__(kind.type)
    words = f"{kind.family}_{kind.name}".split("_")
    return create_model(
        "".join(word.capitalize() for word in words),
        __base__=Envelope,
        __doc__=kind.description,
        type=(exact, Field(description="What kind of event this is.")),
        data=(kind.payload, Field(description="What happened.")),
    )


# The exact form of every event, by its type.
ENVELOPES: Mapping[str, type[Envelope]] = {kind.type: _envelope_of(kind) for kind in EVENTS}


def to_json(event: Event) -> bytes:
    """The event as one line of UTF-8 JSON, without the line end, keys in the contract's order."""
    attributes: dict[str, object] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": format_time(event.time),
        "datacontenttype": "application/json",
        "data": event.data,
    }
    if event.subject is None:
        del attributes["subject"]
    return json.dumps(
        attributes, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode("utf-8")


def from_json(raw: bytes) -> Event:
    """The event that ``to_json`` wrote.

    Raises EventError for anything else: not strict JSON, an unknown type, an attribute or field
    that is missing, unknown, of another type or out of its range.
    """
    try:
        value = read_strict_json(raw, limit=MAX_BYTES)
    except ValueError as exc:
        raise EventError("this is no event", expected="JSON", found=str(exc)) from exc
    kind = value.get("type") if isinstance(value, dict) else None
    model = ENVELOPES.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise EventError(
            "this is no event of a known type", expected=", ".join(ENVELOPES), found=repr(kind)
        )
    try:
        envelope = model.model_validate_json(raw)
        time = parse_time(envelope.time)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise EventError(f"this is no {kind}", found=f"{place}: {first['msg']}") from exc
    return Event(
        envelope.id,
        envelope.source,
        envelope.type,
        envelope.subject or None,
        time,
        envelope.data.model_dump(mode="json"),
    )


def format_time(time: float) -> str:
    """Seconds since the Unix epoch as RFC 3339 in UTC with milliseconds."""
    moment = _EPOCH + round(time * 1000) * _MS
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> float:
    """Seconds since the Unix epoch of what ``format_time`` wrote. Raises EventError otherwise."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError as exc:
        raise EventError(
            "this is no time", expected="RFC 3339, UTC, milliseconds", found=repr(text)
        ) from exc
    return (moment - _EPOCH) // _MS / 1000
