"""Every event there is: family, name, payload and what it means.

Families that nothing emits yet are not here; a consumer need not know them.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.events.names import type_of
from edge.events.payloads import (
    ActPayload,
    AlertPayload,
    BehaviourPayload,
    FacePayload,
    Numbered,
    SystemPayload,
)


@dataclass(frozen=True, slots=True)
class EventKind:
    """One kind of event. payload: the type of its data."""

    family: str
    name: str
    payload: type[Numbered]
    description: str

    @property
    def type(self) -> str:
        """Its CloudEvents type."""
        return type_of(self.family, self.name)


EVENTS: tuple[EventKind, ...] = (
    EventKind("alert", "raised", AlertPayload, "A rule matched an event."),
    EventKind(
        "face", "recognised", FacePayload, "A followed face is held to be an enrolled person."
    ),
    EventKind("face", "unknown", FacePayload, "A followed face is nobody who is enrolled."),
    EventKind(
        "face", "low_quality", FacePayload, "A followed face was never seen well enough to compare."
    ),
    EventKind(
        "face", "person_without_face", FacePayload, "A followed person does not show their face."
    ),
    EventKind(
        "behaviour",
        "intrusion",
        BehaviourPayload,
        "Somebody is in a zone where nobody may be: ``started`` when they enter, ``ended`` when "
        "they leave or are followed no more.",
    ),
    EventKind(
        "behaviour",
        "line_crossing",
        BehaviourPayload,
        "Somebody crossed a line, in the ``direction`` stated; always ``once``.",
    ),
    EventKind(
        "behaviour",
        "loitering",
        BehaviourPayload,
        "Somebody stays in a zone: ``started`` after ``limit_s`` seconds, ``ended`` when they "
        "leave or are followed no more.",
    ),
    EventKind(
        "behaviour",
        "recognised",
        ActPayload,
        "Somebody does what the model for behaviours was trained to tell, such as ``fall``: "
        "``started`` when several clips show it, ``ended`` when none of the latest does or they "
        "are followed no more.",
    ),
    EventKind("system", "camera_lost", SystemPayload, "A camera's stream is gone."),
    EventKind("system", "camera_recovered", SystemPayload, "A camera's stream is back."),
    EventKind(
        "system",
        "degraded",
        SystemPayload,
        "The device works, but not as it was set up: ``started`` when a problem begins, ``ended`` "
        "when it is over, with its name in ``detail.problem``.",
    ),
    EventKind(
        "system", "engine_building", SystemPayload, "An engine is being built for this device."
    ),
    EventKind("system", "outbox_dropped", SystemPayload, "Events were dropped, for want of room."),
    EventKind(
        "system",
        "selftest",
        SystemPayload,
        "A self-test is over: ``passed``, ``expected``, ``came``, ``recall``, latencies and "
        "``not_tested`` in ``detail``.",
    ),
    EventKind("system", "started", SystemPayload, "The daemon started."),
    EventKind("system", "stopped", SystemPayload, "The daemon stopped in good order."),
)
