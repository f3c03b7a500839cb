"""How sources, types, subjects and topics are spelled.

An event type is ``edgewarden.<family>.<name>.v1``; its topic follows from source and type alone.
"""

from __future__ import annotations

from edge.ids import ID_RULE, NODE_CAMERA, SELFTEST_CAMERA, require_id

ROOT = "edgewarden"

EVENT_TOPIC = ROOT + "/{site}/{node}/{camera}/events/{family}/{name}"
AVAILABILITY_TOPIC = ROOT + "/{site}/{node}/availability"
STATUS_TOPIC = ROOT + "/{site}/{node}/{camera}/status"
SNAPSHOT_TOPIC = ROOT + "/{site}/{node}/{camera}/snapshots/{event_id}"

_ID = ID_RULE.strip("^$")
SOURCE_RULE = f"^{ROOT}/{_ID}/{_ID}/({_ID}|{NODE_CAMERA}|{SELFTEST_CAMERA})$"
SUBJECT_RULE = f"^(track/[0-9]+|person/{_ID})$"


def source_of(site: str, node: str, camera: str) -> str:
    """The source of a camera's events. Raises UsageError where an id breaks the id rule.

    camera: ``_node`` for events of the daemon itself, ``_selftest`` for those of the self-test.
    """
    require_id(site, "the site id")
    require_id(node, "the node id")
    if camera not in (NODE_CAMERA, SELFTEST_CAMERA):
        require_id(camera, "the camera id")
    return f"{ROOT}/{site}/{node}/{camera}"


def type_of(family: str, name: str) -> str:
    """The event type of a family and a name, such as ``edgewarden.face.unknown.v1``."""
    return f"{ROOT}.{family}.{name}.v1"


def track_subject(track_id: int) -> str:
    """The subject of an event about one track."""
    return f"track/{track_id}"


def event_topic(source: str, event_type: str) -> str:
    """The topic of an event, from its source and its type."""
    _, site, node, camera = source.split("/")
    _, family, name, _ = event_type.split(".")
    return EVENT_TOPIC.format(site=site, node=node, camera=camera, family=family, name=name)


def snapshot_topic(source: str, event_id: str) -> str:
    """The topic of the picture that goes with an event, from the event's source and id."""
    _, site, node, camera = source.split("/")
    return SNAPSHOT_TOPIC.format(site=site, node=node, camera=camera, event_id=event_id)
