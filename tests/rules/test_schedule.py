from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import UsageError
from edge.schedule import Schedule

BERLIN = ZoneInfo("Europe/Berlin")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def at(text: str) -> float:
    """``Mon 22:00`` in the week of 2026-11-16, UTC, as seconds since the epoch."""
    day, clock = text.split()
    date = 16 + DAYS.index(day)
    return datetime.fromisoformat(f"2026-11-{date} {clock}+00:00").timestamp()


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (
            "Mon-Sun 22:00-06:00",
            ["Mon 22:00", "Mon 23:59:59", "Tue 00:00", "Tue 05:59:59", "Mon 00:00", "Sun 22:00"],
            ["Mon 21:59:59", "Mon 06:00", "Sun 12:00"],
        ),
        # past midnight belongs to the day it starts on
        ("Fri 22:00-06:00", ["Fri 22:00", "Sat 05:59"], ["Fri 05:00", "Sat 22:00", "Sun 01:00"]),
        ("Sun 22:00-06:00", ["Sun 23:00", "Mon 05:59"], ["Mon 06:00", "Sun 05:00", "Mon 22:00"]),
        ("Sun 22:00-00:00", ["Sun 22:00", "Sun 23:59:59"], ["Mon 00:00", "Sun 21:59"]),
        # ranges of days that wrap the week
        ("Fri-Mon", ["Fri 00:00", "Sat 12:00", "Sun 12:00", "Mon 23:59:59"], ["Tue 00:00"]),
        ("Mon-Mon", ["Mon 12:00"], ["Sun 23:59:59", "Tue 00:00"]),
        # several
        (
            "Mon,Wed 08:00-12:00",
            ["Mon 08:00", "Wed 11:59:59"],
            ["Mon 07:59", "Mon 12:00", "Tue 09:00", "Wed 12:00"],
        ),
        (
            "Mon-Fri 08:00-12:00, 13:00-17:00, Sat, Sun 10:00-16:00",
            ["Tue 11:00", "Tue 13:00", "Sat 10:00", "Sun 15:59"],
            ["Tue 12:30", "Fri 17:00", "Sat 09:00", "Sun 16:00"],
        ),
        ("Mon-Fri 22:00-06:00, Sat-Sun", ["Sat 12:00", "Thu 23:00"], ["Thu 12:00"]),
        # days or times left out
        ("Sat", ["Sat 00:00", "Sat 23:59:59"], ["Fri 23:59:59", "Sun 00:00"]),
        ("08:00-09:00", ["Mon 08:30", "Sun 08:30"], ["Mon 09:00"]),
        ("Mon-Sun 00:00-24:00", ["Mon 00:00", "Sun 23:59:59"], []),
        # spelled otherwise
        (" mon - FRI  8:00 - 9:00 ,SAT 00:00-24:00", ["Mon 08:30", "Sat 12:00"], ["Sun 08:30"]),
    ],
)
def test_times_worked_by_hand(text: str, inside: list[str], outside: list[str]) -> None:
    schedule = Schedule.parse(text)
    assert [t for t in inside if not schedule.contains(at(t), timezone.utc)] == []
    assert [t for t in outside if schedule.contains(at(t), timezone.utc)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "nothing"),
        (" ", "nothing"),
        (",", "nothing beside a comma"),
        ("Mon,", "nothing beside a comma"),
        ("Mon,,Tue", "nothing beside a comma"),
        ("Monday", "'monday'"),
        ("Mon-", "'mon-'"),
        ("Mon-Fry", "'mon-fry'"),
        ("Mon-Wed-Fri", "'mon-wed-fri'"),
        ("Mon 22:00", "'22:00'"),
        ("Mon 22-06", "'22-06'"),
        ("Mon 24:00-06:00", "'24:00-06:00', which no clock shows"),
        ("Mon 22:00-24:01", "'22:00-24:01', which no clock shows"),
        ("Mon 22:60-23:00", "'22:60-23:00', which no clock shows"),
        ("Mon 08:00-08:00", "'08:00-08:00', which is empty"),
        ("Mon 08:00-09:00-10:00", "'08:00-09:00-10:00'"),
        ("Mon; Tue", "'mon;'"),
        ("Mon ٠٨:00-09:00", "'٠٨:00-09:00'"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, found: str) -> None:
    with pytest.raises(UsageError) as caught:
        Schedule.parse(text)
    assert caught.value.found.startswith(found)
    assert "Mon-Fri 22:00-06:00" in caught.value.expected


def test_a_whole_day_is_told_to_who_writes_an_empty_one() -> None:
    with pytest.raises(UsageError, match="A whole day is 00:00-24:00"):
        Schedule.parse("00:00-00:00")


def local(text: str, *, fold: int = 0) -> float:
    """A time on a clock in Berlin as seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def test_the_hour_that_is_skipped_in_spring_never_comes() -> None:
    # 2026-03-29, a Sunday: 02:00 CET becomes 03:00 CEST, at 01:00 UTC.
    before = datetime(2026, 3, 29, 0, 59, 59, tzinfo=timezone.utc).timestamp()
    skipped = Schedule.parse("Sun 02:00-03:00")
    assert not any(skipped.contains(before + 600 * step, BERLIN) for step in range(-6, 12))
    late = Schedule.parse("Sun 01:30-02:30")
    assert late.contains(before, BERLIN)
    assert not late.contains(before + 1, BERLIN)  # 03:00
    night = Schedule.parse("Sat 22:00-06:00")
    assert night.contains(local("2026-03-29T05:59"), BERLIN)
    assert not night.contains(local("2026-03-29T06:00"), BERLIN)
    assert local("2026-03-29T06:00") - local("2026-03-28T22:00") == 7 * 3600


def test_the_hour_that_comes_twice_in_autumn_counts_twice() -> None:
    # 2026-10-25, a Sunday: 03:00 CEST becomes 02:00 CET, at 01:00 UTC.
    twice = Schedule.parse("Sun 02:15-02:45")
    first, second = (local("2026-10-25T02:30", fold=fold) for fold in (0, 1))
    assert second - first == 3600
    assert twice.contains(first, BERLIN)
    assert not twice.contains(first + 1800, BERLIN)  # 02:00 again
    assert twice.contains(second, BERLIN)


def test_one_moment_is_another_day_elsewhere() -> None:
    moment = at("Mon 20:00")
    monday, tuesday = Schedule.parse("Mon"), Schedule.parse("Tue")
    assert monday.contains(moment, BERLIN)
    assert not tuesday.contains(moment, BERLIN)
    assert tuesday.contains(moment, ZoneInfo("Asia/Shanghai"))


@pytest.fixture
def system_in_new_york() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("system_in_new_york")
def test_without_a_time_zone_the_systems_counts() -> None:
    assert Schedule.parse("Mon 15:00-16:00").contains(at("Mon 20:30"), None)
    assert not Schedule.parse("Mon 20:00-21:00").contains(at("Mon 20:30"), None)


@given(
    day=st.sampled_from(DAYS),
    start=st.integers(0, 1439),
    length=st.integers(1, 1439),
    minute=st.integers(0, 7 * 1440 - 1),
)
def test_a_window_holds_just_its_minutes(day: str, start: int, length: int, minute: int) -> None:
    end = (start + length) % 1440
    text = f"{day} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    since = (minute - DAYS.index(day) * 1440 - start) % (7 * 1440)
    moment = at("Mon 00:00") + 60 * minute
    assert Schedule.parse(text).contains(moment, timezone.utc) == (since < length)
