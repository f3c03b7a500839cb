"""Events made from what the loop knows: drafts, which the outbox numbers and stores.

Raises ValueError for values that no event may state (pydantic's ValidationError is one): that is
a fault of the caller, never of its input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.config import LineCrossing, Loitering
from edge.events.names import track_subject, type_of
from edge.events.payloads import (
    ActFacts,
    AlertFacts,
    BehaviourFacts,
    FaceFacts,
    Facts,
    ModelReference,
    Scalar,
    SystemFacts,
    Trigger,
)
from edge.rules.acts import Act
from edge.rules.behaviours import Conduct
from edge.types import Event, EventDraft, FloatArray, Identity, Outcome, Phase, Severity

SystemName = Literal[
    "camera_lost",
    "camera_recovered",
    "degraded",
    "engine_building",
    "outbox_dropped",
    "selftest",
    "started",
    "stopped",
]

# What an alert repeats of the event that raised it.
_REPEATED = (
    "track_id",
    "frame_index",
    "frame_size",
    "box",
    "person",
    "similarity",
    "threshold",
)


def face_event(
    identity: Identity,
    *,
    source: str,
    time: float,
    phase: Phase,
    track_id: int,
    track_frames: int,
    frame_index: int,
    frame_size: tuple[int, int],
    box: FloatArray,
    zones: Sequence[str],
    face_px: float,
    threshold: float | None,
    models: Mapping[str, ModelReference],
    synthetic: bool = False,
) -> EventDraft:
    """Who a track is held to be.

    source: as ``source_of`` gives it. time: capture time of the frame. box: float32 ``[4]``,
    pixels. track_frames: frames in which the track was seen. face_px: the largest shorter side of
    its face box. threshold: None without a recogniser. models: by their role in the site file.
    """
    if (identity.outcome is Outcome.RECOGNISED) != (identity.person is not None):
        raise ValueError(f"a person is named where recognised and only there: {identity}")
    x1, y1, x2, y2 = (float(value) for value in box)
    facts = FaceFacts(
        phase=phase,
        synthetic=synthetic,
        track_id=track_id,
        frame_index=frame_index,
        frame_size=frame_size,
        box=(x1, y1, x2, y2),
        zones=tuple(zones),
        person=identity.person,
        similarity=identity.similarity,
        threshold=threshold,
        margin=identity.margin,
        quality=identity.quality,
        reason=identity.reason,
        models=dict(models),
        track_frames=track_frames,
        face_px=face_px,
    )
    return _draft(
        facts,
        source=source,
        type=type_of("face", identity.outcome.value),
        subject=track_subject(track_id),
        time=time,
    )


def behaviour_event(
    conduct: Conduct,
    *,
    source: str,
    time: float,
    frame_index: int,
    frame_size: tuple[int, int],
    zones: Sequence[str],
    models: Mapping[str, ModelReference],
    synthetic: bool = False,
) -> EventDraft:
    """What somebody does. time: capture time of the frame. models: by their role."""
    behaviour, track = conduct.behaviour, conduct.mover.track
    x1, y1, x2, y2 = (float(value) for value in track.box)
    line = None
    if isinstance(behaviour, LineCrossing):
        first, second = behaviour.line
        line = (first, second)
    facts = BehaviourFacts(
        phase=conduct.phase,
        synthetic=synthetic,
        behaviour=behaviour.id,
        track_id=track.id,
        followed=conduct.mover.kind,
        frame_index=frame_index,
        frame_size=frame_size,
        box=(x1, y1, x2, y2),
        point=(conduct.point[0] * frame_size[0], conduct.point[1] * frame_size[1]),
        zones=tuple(zones),
        zone=None if isinstance(behaviour, LineCrossing) else behaviour.zone,
        line=line,
        direction=conduct.direction,
        seconds=conduct.seconds,
        limit_s=behaviour.seconds if isinstance(behaviour, Loitering) else None,
        person=conduct.mover.person,
        confidence=track.score,
        reason=conduct.reason,
        models=dict(models),
    )
    return _draft(
        facts,
        source=source,
        type=type_of("behaviour", behaviour.kind),
        subject=track_subject(track.id),
        time=time,
    )


def act_event(
    act: Act,
    *,
    source: str,
    time: float,
    frame_index: int,
    frame_size: tuple[int, int],
    zones: Sequence[str],
    models: Mapping[str, ModelReference],
    synthetic: bool = False,
) -> EventDraft:
    """What somebody is recognised to do. time: capture time of the frame. models: by their role."""
    track = act.mover.track
    x1, y1, x2, y2 = (float(value) for value in track.box)
    facts = ActFacts(
        phase=act.phase,
        synthetic=synthetic,
        label=act.label,
        track_id=track.id,
        frame_index=frame_index,
        frame_size=frame_size,
        box=(x1, y1, x2, y2),
        zones=tuple(zones),
        confidence=act.confidence,
        clips=act.clips,
        seconds=act.seconds,
        reason=act.reason,
        models=dict(models),
    )
    return _draft(
        facts,
        source=source,
        type=type_of("behaviour", "recognised"),
        subject=track_subject(track.id),
        time=time,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and when a subject was when a rule matched: perhaps long after its last event.

    time: capture time of the frame. box: float32 ``[4]``, pixels.
    """

    time: float
    frame_index: int
    box: FloatArray
    zones: Sequence[str]


def alert_event(
    trigger: Event, *, rule: str, severity: Severity, place: Place | None = None
) -> EventDraft:
    """The alert that a rule raises over an event which is in the outbox.

    It has the trigger's source and subject, and repeats what the trigger states; place: where the
    subject is now, None where that is what the trigger says.
    """
    facts = AlertFacts.model_validate(
        {
            "phase": Phase.ONCE,
            "synthetic": trigger.data["synthetic"],
            "rule": rule,
            "severity": severity,
            "trigger": Trigger(id=trigger.id, type=trigger.type),
            **{name: trigger.data.get(name) for name in _REPEATED},
            "zones": trigger.data.get("zones", ()),
            "models": trigger.data.get("models", {}),
            **_moved(place),
        },
        # The trigger's data is JSON by now: lists stand for tuples.
        strict=False,
    )
    return _draft(
        facts,
        source=trigger.source,
        type=type_of("alert", "raised"),
        subject=trigger.subject,
        time=trigger.time if place is None else place.time,
    )


def _moved(place: Place | None) -> dict[str, object]:
    if place is None:
        return {}
    box = tuple(float(value) for value in place.box)
    return {"frame_index": place.frame_index, "box": box, "zones": tuple(place.zones)}


def system_event(
    name: SystemName,
    *,
    source: str,
    time: float,
    reason: str | None = None,
    detail: Mapping[str, Scalar] | None = None,
    phase: Phase = Phase.ONCE,
    synthetic: bool = False,
) -> EventDraft:
    """Something that happened to the device (camera ``_node``) or to one of its cameras."""
    # File names may hold bytes that are no text; an event must be sendable all the same.
    readable = None if reason is None else reason.encode("utf-8", "replace").decode("utf-8")
    facts = SystemFacts(
        phase=phase, synthetic=synthetic, reason=readable, detail=dict(detail or {})
    )
    return _draft(facts, source=source, type=type_of("system", name), subject=None, time=time)


def _draft(facts: Facts, *, source: str, type: str, subject: str | None, time: float) -> EventDraft:
    # Whole milliseconds: what the JSON can say is what the event holds.
    return EventDraft(source, type, subject, round(time, 3), facts.model_dump(mode="json"))
