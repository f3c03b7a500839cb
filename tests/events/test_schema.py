from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from edge.config import Intrusion, LineCrossing, Loitering
from edge.events.build import alert_event, system_event
from edge.events.catalogue import EVENTS
from edge.events.cloudevents import to_json
from edge.events.names import source_of
from edge.events.schema import json_schema
from edge.types import Identity, Outcome

if TYPE_CHECKING:
    from edge.types import EventDraft
    from tests.events.conftest import Committer, DraftConduct, Drafter

Documents = dict[str, dict[str, Any]]

BEHAVIOURS = (
    Intrusion(kind="intrusion", id="yard", zone="yard"),
    LineCrossing(kind="line_crossing", id="gate", line=((0.5, 0.0), (0.5, 1.0))),
    Loitering(kind="loitering", id="bench", zone="yard", seconds=60.0),
)


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def documents(
    face: Drafter, conduct: DraftConduct, act: EventDraft, committed: Committer
) -> Documents:
    """One real event of every kind, as JSON, by its type."""
    people = {Outcome.RECOGNISED: "a"}
    events = [
        committed(face(Identity(o, people.get(o), 0.5, 0.1, 0.9), zones=["z"])) for o in Outcome
    ]
    source = source_of("hq", "gate-01", "_node")
    events += [
        committed(system_event(kind.name, source=source, time=1.5, detail={"n": 1, "f": 0.5}))  # type: ignore[arg-type]  # the table's names are the literal's
        for kind in EVENTS
        if kind.family == "system"
    ]
    events += [
        *(committed(conduct(behaviour)) for behaviour in BEHAVIOURS),
        committed(act),
        committed(alert_event(events[0], rule="r", severity="alert")),
        committed(alert_event(events[-1], rule="r", severity="info")),
    ]
    return {f"{event.type} {i}": json.loads(to_json(event)) for i, event in enumerate(events)}


def test_real_events_of_every_kind_keep_the_schema(validator: Any, documents: Documents) -> None:
    assert {document["type"] for document in documents.values()} == {k.type for k in EVENTS}
    for document in documents.values():
        validator.validate(document)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("specversion", "1.1"),
        ("id", "not-a-uuid"),
        ("type", "edgewarden.face.spoof.v1"),
        ("type", "edgewarden.system.started.v1"),
        ("source", "elsewhere/hq/gate-01/door"),
        ("subject", ""),
        ("time", "2026-11-21"),
        ("extra", 1),
        ("data.extra", 1),
        ("data.sequence", 0),
        ("data.phase", "begun"),
        ("data.box", [1, 2, 3]),
        ("data.box", [1, 2, 3, 4, 5]),
        ("data.box", [1, 2, 3, "4"]),
        ("data.frame_size", [0, 480]),
        ("data.similarity", 1.01),
        ("data.margin", -1.01),
        ("data.quality", 1.01),
        ("data.face_px", -0.1),
        ("data.person", "Upper Case"),
        ("data.models", {"Detector!": {}}),
        ("data.models", {"detector": {"bundle": "b", "variant": "v", "sha256": "x"}}),
    ],
)
def test_wrong_events_break_the_schema(
    validator: Any, documents: Documents, place: str, value: object
) -> None:
    document = deepcopy(documents["edgewarden.face.recognised.v1 0"])
    assert validator.is_valid(document)
    target = document
    *path, last = place.split(".")
    for key in path:
        target = target[key]
    target[last] = value
    assert not validator.is_valid(document)


def test_every_field_of_every_event_is_needed(validator: Any, documents: Documents) -> None:
    for document in documents.values():
        for name in document["data"]:
            incomplete = deepcopy(document)
            del incomplete["data"][name]
            assert not validator.is_valid(incomplete), (document["type"], name)


def test_the_schema_says_what_every_field_means() -> None:
    definitions: dict[str, Any] = json_schema()["$defs"]  # type: ignore[assignment]  # JSON
    undescribed = [
        f"{name}.{field}"
        for name, definition in definitions.items()
        for field, schema in definition.get("properties", {}).items()
        if "description" not in json.dumps(schema) and "$ref" not in schema
    ]
    assert undescribed == []
    assert all("description" in definition for definition in definitions.values())
