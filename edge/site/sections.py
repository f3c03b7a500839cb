"""The sections of the site file as frozen, checked values.

What one value may be is said here, at the value; what values say about each other across sections
is checked by ``edge.site.problems``. ``edge.config`` is the entry to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from edge.errors import UsageError
from edge.site.source import SourceAddress, SourceKind
from edge.site.values import (
    ANYONE,
    RECOGNISED,
    Host,
    Ids,
    Labels,
    Line,
    Listen,
    Margin,
    People,
    PicturedEvents,
    Rate,
    Seconds,
    SiteId,
    SitePath,
    Source,
    Text,
    Threshold,
    TimeZone,
    Triggers,
    Weekly,
    Zone,
    did_you_mean,
    refusal,
)
from edge.types import Severity

DEFAULT_MARGIN = 0.05


class Section(BaseModel):
    """What all sections share: frozen, nothing unknown, nothing converted, inputs kept private."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )


class SiteSection(Section):
    """``[site]``: names and folders of this device. timezone None is the system's."""

    id: SiteId
    node: SiteId
    state_dir: SitePath = Path("/var/lib/edgewarden")
    cache_dir: SitePath = Path("/var/cache/edgewarden")
    timezone: TimeZone | None = None


class Models(Section):
    """``[models]``: folders of bundles, and whose signatures count."""

    detector: SitePath
    recogniser: SitePath | None = None
    landmarks: SitePath | None = None
    person: SitePath | None = None
    liveness: SitePath | None = None
    anonymiser: SitePath | None = None
    enhancer: SitePath | None = None
    anomaly: SitePath | None = None
    behaviour: SitePath | None = None
    require_signed: bool = True
    trusted_keys: Annotated[tuple[SitePath, ...], Field(strict=False)] = ()


class Recognition(Section):
    """``[recognition]``: cosine similarities. threshold None asks the device, then the bundle."""

    threshold: Threshold | None = None
    margin: Margin = DEFAULT_MARGIN


class BehaviourSection(Section):
    """``[behaviour]``: what of what ``models.behaviour`` tells is an event.

    report: labels of its bundle; None: all but those of people who do nothing special. confidence:
    from which probability on a clip shows a label.
    """

    report: Labels | None = None
    confidence: Threshold = 0.8


class Intrusion(Section):
    """Somebody is in a zone where nobody may be. schedule: when; None is always."""

    kind: Literal["intrusion"]
    id: SiteId
    zone: SiteId
    schedule: Weekly | None = None


class LineCrossing(Section):
    """Somebody crosses a line; left and right are those of who looks from its first point to its
    second. line: two points in fractions of the frame."""

    kind: Literal["line_crossing"]
    id: SiteId
    line: Line
    direction: Literal["left_to_right", "right_to_left", "both"] = "both"
    schedule: Weekly | None = None


class Loitering(Section):
    """Somebody is in a zone for so many seconds of capture time."""

    kind: Literal["loitering"]
    id: SiteId
    zone: SiteId
    seconds: Rate
    schedule: Weekly | None = None


Behaviour = Intrusion | LineCrossing | Loitering

BEHAVIOURS: Mapping[str, type[Section]] = {
    "intrusion": Intrusion,
    "line_crossing": LineCrossing,
    "loitering": Loitering,
}


class Camera(Section):
    """One ``[[cameras]]``. fps None: every frame. zones: by id, in fractions of the frame.
    behaviours: what to look for in what people do there."""

    id: SiteId
    source: Source
    loop: bool = False
    fps: Rate | None = None
    zones: Mapping[SiteId, Zone] = Field(default_factory=dict)
    behaviours: Annotated[
        tuple[Annotated[Behaviour, Field(discriminator="kind")], ...], Field(strict=False)
    ] = ()

    @field_validator("loop")
    @classmethod
    def _only_files_loop(cls, loop: bool, info: ValidationInfo) -> bool:
        source = info.data.get("source")
        if loop and isinstance(source, SourceAddress) and source.kind is not SourceKind.FILE:
            raise refusal("false, since only files loop")
        return loop


class Rule(Section):
    """One ``[[rules]]``.

    cameras None: all. zones None: anywhere in the frame. labels: of ``behaviour.recognised``; None
    is all. schedule None: always. cooldown_s: seconds of silence after an alert for the same person
    and zone.
    """

    id: SiteId
    on: Triggers
    cameras: Ids | None = None
    zones: Ids | None = None
    people: People = (ANYONE,)
    labels: Labels | None = None
    schedule: Weekly | None = None
    cooldown_s: Seconds = 0.0
    severity: Severity = "alert"

    @model_validator(mode="after")
    def _labels_are_of_something(self) -> Rule:
        if self.labels is not None and RECOGNISED not in self.on:
            raise refusal(f"{RECOGNISED!r} in on beside labels", found=f"on = {list(self.on)}")
        return self


class Mqtt(Section):
    """``[mqtt]``: the broker, and the files that prove who speaks to whom."""

    host: Host
    port: Annotated[int, Field(ge=1, le=65535)] = 8883
    version: Literal["5", "3.1.1"] = "5"
    username: Text | None = None
    password_file: SitePath | None = None
    ca_file: SitePath | None = None
    client_cert: SitePath | None = None
    client_key: SitePath | None = None

    @model_validator(mode="after")
    def _certificate_has_key(self) -> Mqtt:
        if (self.client_cert is None) != (self.client_key is None):
            found = "client_key" if self.client_cert is None else "client_cert"
            raise refusal("client_cert and client_key together", found=f"only {found}")
        return self

    @model_validator(mode="after")
    def _password_is_somebodys(self) -> Mqtt:
        if self.password_file is not None and self.username is None:
            raise refusal("username beside password_file", found="only password_file")
        return self


class Metrics(Section):
    """``[metrics]``: where they are served; nowhere without this section."""

    listen: Listen


class Control(Section):
    """``[control]``: the socket of the running daemon. None: ``control.sock`` in state_dir."""

    socket: SitePath | None = None


class Snapshots(Section):
    """``[snapshots]``: pictures of what some events are about; none without this section.

    what: the subject and its surroundings, or the whole frame; the faces of everybody else are
    blurred in either. budget_mb: megabytes (10⁶ bytes) that all pictures may take; the oldest make
    room. keep_days: none is kept longer. quality: of the JPEG. mqtt: send them too.
    """

    what: Literal["crop", "frame"] = "crop"
    on: PicturedEvents = ("alert.raised", "face.recognised", "face.unknown")
    budget_mb: Annotated[int, Field(ge=1)] = 500
    keep_days: Rate = 7.0
    quality: Annotated[int, Field(ge=1, le=100)] = 85
    mqtt: bool = False


class Site(Section):
    """A whole site file. All paths are absolute; mqtt None keeps events in the outbox."""

    site: SiteSection
    models: Models
    recognition: Recognition = Recognition()
    behaviour: BehaviourSection = BehaviourSection()
    cameras: Annotated[tuple[Camera, ...], Field(strict=False)] = ()
    rules: Annotated[tuple[Rule, ...], Field(strict=False)] = ()
    mqtt: Mqtt | None = None
    snapshots: Snapshots | None = None
    metrics: Metrics | None = None
    control: Control = Control()

    @property
    def control_socket(self) -> Path:
        """The socket at which the running daemon answers."""
        return self.control.socket or self.site.state_dir / "control.sock"

    @property
    def tz(self) -> ZoneInfo | None:
        """The time zone of schedules; None is the system's."""
        return None if self.site.timezone is None else ZoneInfo(self.site.timezone)

    def camera(self, camera_id: str) -> Camera:
        """The camera of that id; raises UsageError that names the nearest."""
        for camera in self.cameras:
            if camera.id == camera_id:
                return camera
        known = tuple(camera.id for camera in self.cameras)
        raise UsageError(
            "no such camera in the site file",
            expected="the id of a camera",
            found=repr(camera_id),
            remedy=did_you_mean(camera_id, known),
        )
