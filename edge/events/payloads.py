"""The typed payloads of events: what stands under ``data``.

The descriptions of the fields are what consumers read in the JSON Schema. Numbers are rounded at
construction to what they are worth, which keeps the JSON short and replays byte-identical.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from edge.ids import ID_RULE
from edge.types import Phase, Severity


def _rounded(digits: int) -> BeforeValidator:
    def apply(value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            # Adding zero turns -0.0 into 0.0.
            return round(float(value), digits) + 0.0
        return value

    return BeforeValidator(apply)


Id = Annotated[str, Field(pattern=ID_RULE)]
Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]
Coordinate = Annotated[float, _rounded(1)]
Length = Annotated[float, Field(ge=0), _rounded(1)]
# Rounded before they are compared: a cosine of float32 vectors may pass 1 by a hair.
Cosine = Annotated[float, Field(ge=-1, le=1), _rounded(4)]
CosineMargin = Annotated[float, Field(ge=-1, le=2), _rounded(4)]
Share = Annotated[float, Field(ge=0, le=1), _rounded(4)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Scalar = str | int | float | bool | None


class Frozen(BaseModel):
    """What all payloads have in common: frozen, strict, finite, nothing unknown."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class ModelReference(Frozen):
    """The model that had a part in an event."""

    bundle: str
    """Name of the bundle."""
    variant: str
    """Which of its variants ran, such as fp32."""
    sha256: Sha256
    """SHA-256 of the bundle."""


class Trigger(Frozen):
    """The event that raised an alert."""

    id: str
    """Its id."""
    type: str
    """Its type."""


ModelRole = Annotated[str, Field(pattern="^[a-z][a-z_]*$")]
ModelReferences = Annotated[
    dict[ModelRole, ModelReference],
    Field(description="The models that had a part in this, by their role in the site file."),
]
Box = Annotated[
    tuple[Coordinate, Coordinate, Coordinate, Coordinate],
    Field(description="x1, y1, x2, y2 in pixels of the frame, y down; it may reach beyond it."),
]
FrameSize = Annotated[
    tuple[Count, Count], Field(description="Width and height of the frame, pixels.")
]
Position = Annotated[
    tuple[Coordinate, Coordinate],
    Field(
        description="x, y in pixels of the frame: what decides where it is; the centre of a "
        "face, the bottom centre of a person."
    ),
]
Fraction = Annotated[float, Field(ge=0, le=1), _rounded(4)]
LineEnds = Annotated[
    tuple[tuple[Fraction, Fraction], tuple[Fraction, Fraction]],
    Field(description="First and second point of the line, in fractions of the frame."),
]
Seconds = Annotated[float, Field(ge=0), _rounded(3)]


class Numbered(Frozen):
    """The numbers that the outbox gives an event, by which a consumer sees every gap."""

    sequence: Count
    """Number among the events of this source, from 1."""
    node_sequence: Count
    """Number among all events of this device, from 1."""


class Facts(Frozen):
    """What every event states besides its numbers."""

    phase: Phase
    """Where in the life of its subject the event stands."""
    synthetic: bool
    """True for events made from generated pictures, such as those of a self-test."""


class FaceFacts(Facts):
    """Who a followed face, or person without a face, is held to be, and why."""

    track_id: Index
    """Number of the track within its camera."""
    frame_index: Index
    """Index of the frame, from 0, in which this was decided or last seen."""
    frame_size: FrameSize
    box: Box
    zones: tuple[Id, ...]
    """The camera's zones in which it is."""
    person: Id | None
    """Who it is; null unless recognised."""
    similarity: Cosine | None
    """Cosine to the nearest enrolled person; null where nothing was compared."""
    threshold: Cosine | None
    """Lowest similarity that counts as a match; null without a recogniser."""
    margin: CosineMargin | None
    """Similarity less that to the second nearest person, or less 0 if there is only one."""
    quality: Share | None
    """How far the compared views can be trusted, 0 to 1."""
    reason: str | None
    """Why it was not recognised; null where it was."""
    models: ModelReferences
    track_frames: Index
    """Frames in which the track was seen so far."""
    face_px: Length
    """Largest shorter side of its face box so far, pixels; 0 where no face was seen."""


class BehaviourFacts(Facts):
    """What somebody does that the site file says to look for, and what that was judged by."""

    behaviour: Id
    """Id of the behaviour in the site file."""
    track_id: Index
    """Number of the track within its camera."""
    followed: Literal["face", "person"]
    """What of somebody is followed: all of them, or, without models.person, their face."""
    frame_index: Index
    """Index of the frame, from 0, in which this was seen; where the track has ended, its last."""
    frame_size: FrameSize
    box: Box
    point: Position
    zones: tuple[Id, ...]
    """The camera's zones in which the point is."""
    zone: Id | None
    """The zone that this is about; null for a line."""
    line: LineEnds | None
    direction: Literal["left_to_right", "right_to_left"] | None
    """Which way the line was crossed, for who looks from its first point to its second; null for a
    zone."""
    seconds: Seconds | None
    """For how long it has been seen in the zone so far; null for a line."""
    limit_s: Seconds | None
    """From how many seconds on staying is loitering; null for all else."""
    person: Id | None
    """Who it is, where their face is followed and recognised."""
    confidence: Share
    """The detector's score when it was last seen, 0 to 1; where the point is follows from the box
    alone."""
    reason: str
    """Why this is told now, after "it"."""
    models: ModelReferences


class ActFacts(Facts):
    """What somebody is recognised to do, by the pictures of them."""

    label: str
    """What they do, as the model for behaviours calls it."""
    track_id: Index
    """Number of the track within its camera."""
    frame_index: Index
    """Index of the frame, from 0, in which this was decided; where the track has ended, its
    last."""
    frame_size: FrameSize
    box: Box
    zones: tuple[Id, ...]
    """The camera's zones in which the bottom centre of the person is."""
    confidence: Share
    """Mean probability of the label over the latest clips that show it."""
    clips: Count
    """How many clips have shown it so far; they overlap."""
    seconds: Seconds
    """From the first of these clips to the last."""
    reason: str
    """Why this is told now, after "it"."""
    models: ModelReferences


class AlertFacts(Facts):
    """A rule matched an event. What the event does not state is null or empty."""

    rule: Id
    """Id of the rule in the site file."""
    severity: Severity
    """How grave the rule says this is."""
    trigger: Trigger
    track_id: Index | None
    """Number of the track within its camera."""
    frame_index: Index | None
    """Index of the frame, from 0."""
    frame_size: FrameSize | None
    box: Box | None
    zones: tuple[Id, ...]
    """The camera's zones in which the subject is."""
    person: Id | None
    """Who it is, where recognised."""
    similarity: Cosine | None
    """Cosine to the nearest enrolled person."""
    threshold: Cosine | None
    """Lowest similarity that counts as a match."""
    models: ModelReferences


class SystemFacts(Facts):
    """Something happened to the device or to one of its cameras."""

    reason: str | None
    """Why, in a sentence."""
    detail: dict[str, Scalar]
    """Figures that go with it, such as how many events were dropped."""


class FacePayload(FaceFacts, Numbered):
    """Data of a face event."""


class BehaviourPayload(BehaviourFacts, Numbered):
    """Data of an event about what somebody does."""


class ActPayload(ActFacts, Numbered):
    """Data of an event about what somebody is recognised to do."""


class AlertPayload(AlertFacts, Numbered):
    """Data of an alert."""


class SystemPayload(SystemFacts, Numbered):
    """Data of a system event."""


class CameraStatus(Frozen):
    """The retained state of a camera's stream."""

    state: Literal["live", "stale", "lost"]
    """live: frames arrive; stale: none for a while; lost: the stream is gone."""
    fps: Length
    """Frames per second over the last while."""
    since: str
    """Since when it is so: RFC 3339, UTC."""


Availability = Literal["online", "offline", "stopped"]
