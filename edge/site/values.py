"""What single values of the site file may be: annotated types that check, parse and explain."""

from __future__ import annotations

import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, TypeGuard, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from edge.errors import UsageError
from edge.ids import require_id
from edge.polygon import MAX_POINTS, Point, Polygon, polygon_fault
from edge.schedule import Schedule
from edge.site.listen import ListenAddress, TcpAddress, UnixAddress, parse_listen
from edge.site.source import SourceAddress

ANYONE = "*"

# A line that is no longer than a pixel has no two sides.
_SHORTEST = 1e-3

RECOGNISED = "behaviour.recognised"

# Every event type that a rule may name. An alert raises no alert.
TRIGGERS = (
    "face.recognised",
    "face.unknown",
    "face.low_quality",
    "face.spoof",
    "face.person_without_face",
    "behaviour.intrusion",
    "behaviour.line_crossing",
    "behaviour.loitering",
    RECOGNISED,
    "system.camera_lost",
    "system.camera_recovered",
    "system.degraded",
    "system.engine_building",
    "system.outbox_dropped",
    "system.selftest",
    "system.started",
    "system.stopped",
)

# Every event type that a snapshot may go with: those about somebody who can be seen.
PICTURED = (
    "alert.raised",
    *(name for name in TRIGGERS if name.startswith(("face.", "behaviour."))),
)

T = TypeVar("T")


def refusal(expected: str, *, found: str = "", remedy: str = "") -> PydanticCustomError:
    """What a validator raises; without ``found`` the value itself is described."""
    context = {"expected": expected, "found": found, "remedy": remedy}
    return PydanticCustomError("site", "not what a site file says here", context)


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """The remedy that names the nearest known word, or all of them when none is near."""
    near = get_close_matches(word, known, 1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known here: {', '.join(known)}." if known else "None is known here."


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether this is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(expected: str, fits: Callable[[float], bool]) -> BeforeValidator:
    def check(value: object) -> float:
        # The bound keeps out infinities and integers that no float can hold.
        if is_number(value) and abs(value) <= sys.float_info.max and fits(value):
            return float(value)
        raise refusal(expected)

    return BeforeValidator(check)


def _parsed(
    expected: str, kind: type[T] | tuple[type[T], ...], parse: Callable[[str, ValidationInfo], T]
) -> BeforeValidator:
    """Read a string by ``parse``, which may raise UsageError; a finished value passes."""

    def check(value: object, info: ValidationInfo) -> T:
        if not isinstance(value, str):
            if isinstance(value, kind):
                return value
            raise refusal(expected)
        try:
            return parse(value, info)
        except UsageError as exc:
            # A URL that slipped in here may hold a password: neither its words nor the cause may
            # quote it. Sources mask their own.
            if "://" in value and kind is not SourceAddress:
                raise refusal(exc.expected) from None
            raise refusal(exc.expected, found=exc.found, remedy=exc.remedy) from None

    return BeforeValidator(check)


def _id(text: str, _info: ValidationInfo) -> str:
    return require_id(text, "this")


def _person(text: str, _info: ValidationInfo) -> str:
    return text if text == ANYONE else require_id(text, "this")


def _folder(info: ValidationInfo) -> Path:
    return Path(info.context["folder"]) if info.context else Path()


def _path(text: str, info: ValidationInfo) -> Path:
    if not text.strip() or not text.isprintable():
        raise refusal("a path; a relative one counts from the folder of the site file")
    return _folder(info) / text


def _source(text: str, info: ValidationInfo) -> SourceAddress:
    return SourceAddress.parse(text, folder=_folder(info))


def _listen(text: str, info: ValidationInfo) -> ListenAddress:
    return parse_listen(text, folder=_folder(info))


def _schedule(text: str, _info: ValidationInfo) -> Schedule:
    return Schedule.parse(text)


def _host(text: str) -> str:
    if not text or not text.isprintable() or any(mark in text for mark in "/@ "):
        raise refusal("the broker's host name or address, alone")
    return text


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        known = tuple(sorted(available_timezones()))
        near = get_close_matches(name, known, 1)
        remedy = f"Did you mean {near[0]!r}?" if near else ""
        if not known:
            remedy = "This machine has no time zone database: install the package tzdata."
        raise refusal("a time zone such as 'Europe/Berlin'", remedy=remedy) from exc
    return name


def _trigger(name: str) -> str:
    if name not in TRIGGERS:
        raise refusal("an event type as family.name", remedy=did_you_mean(name, TRIGGERS))
    return name


def _pictured(name: str) -> str:
    if name not in PICTURED:
        expected = "an event about somebody who can be seen, as family.name"
        raise refusal(expected, remedy=did_you_mean(name, PICTURED))
    return name


def _point(value: object) -> Point:
    pair = tuple(value) if isinstance(value, (list, tuple)) else ()
    if len(pair) == 2 and all(is_number(v) and 0 <= v <= 1 for v in pair):
        return float(pair[0]), float(pair[1])
    raise refusal("[x, y], each a fraction of the frame in 0..1")


def _polygon(points: Polygon) -> Polygon:
    fault = polygon_fault(points)
    if fault is not None:
        expected = f"3 to {MAX_POINTS} points of a polygon whose edges do not cross"
        raise refusal(expected, found=fault)
    return points


def _line(points: Polygon) -> Polygon:
    if len(points) != 2 or max(abs(a - b) for a, b in zip(*points, strict=True)) < _SHORTEST:
        raise refusal("[[x, y], [x, y]], two points apart")
    return points


def _not_empty(items: tuple[T, ...]) -> tuple[T, ...]:
    if not items:
        raise refusal("at least one", found="an empty list")
    return items


def _text(value: str) -> str:
    if not value.strip():
        raise refusal("a text that is not empty")
    return value


SiteId = Annotated[str, _parsed("an id", str, _id)]
PersonOrAnyone = Annotated[str, _parsed("a person's id or '*'", str, _person)]
SitePath = Annotated[Path, _parsed("a path", Path, _path)]
Source = Annotated[SourceAddress, _parsed("a source as text", SourceAddress, _source)]
Listen = Annotated[ListenAddress, _parsed("an address as text", (TcpAddress, UnixAddress), _listen)]
Weekly = Annotated[Schedule, _parsed("a schedule as text", Schedule, _schedule)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
Trigger = Annotated[str, AfterValidator(_trigger)]
Pictured = Annotated[str, AfterValidator(_pictured)]
Host = Annotated[str, AfterValidator(_host)]
Text = Annotated[str, AfterValidator(_text)]
Threshold = Annotated[float, _number("a number above 0 and up to 1", lambda v: 0 < v <= 1)]
Margin = Annotated[float, _number("a number in 0..1", lambda v: 0 <= v <= 1)]
Rate = Annotated[float, _number("a number above 0", lambda v: v > 0)]
Seconds = Annotated[float, _number("seconds, 0 or more", lambda v: v >= 0)]
# TOML has lists only; a frozen section keeps tuples.
Zone = Annotated[
    tuple[Annotated[Point, BeforeValidator(_point)], ...],
    Field(strict=False),
    AfterValidator(_polygon),
]
Line = Annotated[
    tuple[Annotated[Point, BeforeValidator(_point)], ...],
    Field(strict=False),
    AfterValidator(_line),
]
Ids = Annotated[tuple[SiteId, ...], Field(strict=False), AfterValidator(_not_empty)]
Labels = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_not_empty)]
People = Annotated[tuple[PersonOrAnyone, ...], Field(strict=False), AfterValidator(_not_empty)]
Triggers = Annotated[tuple[Trigger, ...], Field(strict=False), AfterValidator(_not_empty)]
PicturedEvents = Annotated[tuple[Pictured, ...], Field(strict=False), AfterValidator(_not_empty)]
