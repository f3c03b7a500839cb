"""When a rule is awake: a weekly schedule on the wall clock of the site.

The grammar, in which commas separate and a day after a time begins a new window::

    schedule = window {"," window}
    window   = [days] [times]           no days: every day; no times: the whole day
    days     = day-range {"," day-range}
    times    = time-range {"," time-range}
    day-range  = DAY | DAY "-" DAY      Mon Tue Wed Thu Fri Sat Sun; Fri-Mon wraps the week
    time-range = HH:MM "-" HH:MM        the start belongs to it, the end does not; 24:00 may end it

``Mon-Fri 08:00-12:00, 13:00-17:00, Sat, Sun 10:00-16:00`` is two windows. A range whose end comes
before its start runs past midnight and belongs to the day on which it starts: ``Sun 22:00-06:00``
ends on Monday morning.

Times are what a clock on the wall shows. Where the clock is put forward, the skipped minutes
never come; where it is put back, the repeated ones count both times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from edge.errors import UsageError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60
_WEEK = 7 * _DAY
_TIME_RANGE = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})", re.ASCII)

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed schedule.

    text: as written. spans: minutes of the week from Monday 00:00, ``[start, end)``, in
    order.
    """

    text: str
    spans: tuple[Span, ...]

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read a schedule; raises UsageError that says what is expected."""
        if not text.strip():
            raise _refusal(text, "nothing")
        spans: list[Span] = []
        days: set[int] = set()
        times: list[Span] = []
        for part in _parts(text):
            match = _TIME_RANGE.fullmatch(part)
            if match is not None:
                times.append(_time_range(text, part, match))
                continue
            if times:
                spans += _spans(days, times)
                days, times = set(), []
            days |= _day_range(text, part)
        spans += _spans(days, times)
        return cls(text, tuple(sorted(spans)))

    def contains(self, time: float, zone: tzinfo | None) -> bool:
        """Whether ``time``, seconds since the epoch, lies in the schedule as clocks in ``zone`` go.

        zone None is the time zone of the system.
        """
        local = datetime.fromtimestamp(time, zone)
        minute = local.weekday() * _DAY + local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self.spans)


def _parts(text: str) -> list[str]:
    joined = re.sub(r"\s*-\s*", "-", text.strip().lower())
    spaced = re.sub(r"\s*,\s*", ",", joined)
    return re.split(r"[,\s]", re.sub(r"\s+", " ", spaced))


def _day_range(text: str, part: str) -> set[int]:
    first, dash, last = part.partition("-")
    if first not in _DAYS or (dash and last not in _DAYS):
        raise _refusal(text, repr(part) if part else "nothing beside a comma")
    start = _DAYS.index(first)
    length = (_DAYS.index(last) - start) % 7 if dash else 0
    return {(start + i) % 7 for i in range(length + 1)}


def _time_range(text: str, part: str, match: re.Match[str]) -> Span:
    hour1, minute1, hour2, minute2 = (int(group) for group in match.groups())
    start, end = hour1 * 60 + minute1, hour2 * 60 + minute2
    if minute1 > 59 or minute2 > 59 or start >= _DAY or end > _DAY:
        raise _refusal(text, f"{part!r}, which no clock shows")
    if start == end:
        raise _refusal(text, f"{part!r}, which is empty", "A whole day is 00:00-24:00.")
    return (start, end if end > start else end + _DAY)


def _spans(days: set[int], times: list[Span]) -> Iterable[Span]:
    for day in days or set(range(7)):
        for start, end in times or [(0, _DAY)]:
            first, last = day * _DAY + start, day * _DAY + end
            yield first, min(last, _WEEK)
            if last > _WEEK:
                yield 0, last - _WEEK


def _refusal(text: str, found: str, remedy: str = "") -> UsageError:
    return UsageError(
        "the schedule cannot be read",
        expected="days and times such as 'Mon-Fri 22:00-06:00' or 'Mon,Wed 08:00-12:00, Sun'",
        found=f"{found} in {text!r}" if text.strip() else found,
        remedy=remedy,
    )
