"""Schedules of digests: how they are written, and that each digest is due once although the clocks change."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.schedule import Schedule
from chalicelib.policy.quiet_hours import next_time, parse_schedule
from tests.policy.zones import (
    DAY,
    EDGES,
    EVERY,
    KOLKATA,
    LORD_HOWE,
    MINUTE,
    NEW_YORK,
    PARIS,
    SANTIAGO,
    SYDNEY,
    WORK,
    ZONES,
    days,
    days_of,
    minutes,
    utc,
)


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("daily 08:00", Schedule("day", EVERY, 480)),
        ("daily 00:00", Schedule("day", EVERY, 0)),
        ("weekdays 08:00", Schedule("day", WORK, 480)),
        ("weekly mon 09:00", Schedule("week", (0,), 540)),
        ("weekly sun 23:59 Asia/Kolkata", Schedule("week", (6,), 1439, KOLKATA)),
        ("hourly", Schedule("hour")),
        ("hourly Australia/Lord_Howe", Schedule("hour", zone=LORD_HOWE)),
    ],
)
def test_schedule_is_read_and_written_back(text: str, schedule: Schedule) -> None:
    assert parse_schedule(text) == schedule
    assert str(schedule) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "daily",
        "08:00",
        "daily 8:00",
        "daily 24:00",
        "daily 25:00",
        "daily 08:60",
        "weekly 09:00",
        "weekly monday 09:00",
        "weekly mon tue 09:00",
        "monthly 1 08:00",
        "weekdays",
        "hourly 08:00",
        "hourly hourly",
        "daily 08:00 Mars/Olympus",
        "Asia/Kolkata",
        "daily 08:00-09:00",
        "daily 0٨:00",
    ],
)
def test_invalid_schedule_is_rejected_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{10,120}[^.\n]$") as error:
        parse_schedule(text)
    assert type(error.value) is ValueError


@pytest.mark.parametrize(
    ("text", "zone", "after", "then"),
    [
        ("daily 02:30", PARIS, "2026-03-28 12:00", "2026-03-29 01:00"),  # skipped
        ("daily 02:30", PARIS, "2026-10-24 12:00", "2026-10-25 00:30"),  # the first
        ("daily 02:30", PARIS, "2026-10-25 00:30", "2026-10-26 01:30"),  # and not the second
        ("daily 01:30", NEW_YORK, "2026-11-01 05:30", "2026-11-02 06:30"),
        ("daily 02:30", SYDNEY, "2026-10-03 12:00", "2026-10-03 16:00"),
        ("daily 00:30", SANTIAGO, "2026-09-06 03:59", "2026-09-06 04:00"),
        ("daily 23:30", SANTIAGO, "2026-04-05 02:30", "2026-04-06 03:30"),
        ("weekly sun 00:00", SANTIAGO, "2026-09-01 00:00", "2026-09-06 04:00"),
        ("daily 02:15", LORD_HOWE, "2026-10-03 12:00", "2026-10-03 15:30"),
        ("daily 01:45", LORD_HOWE, "2026-04-04 14:45", "2026-04-05 15:15"),
        ("daily 08:00", KOLKATA, "2026-06-01 02:29:59.999999", "2026-06-01 02:30"),
        ("daily 08:00", KOLKATA, "2026-06-01 02:30", "2026-06-02 02:30"),
        ("daily 08:00 Asia/Kolkata", PARIS, "2026-06-01 00:00", "2026-06-01 02:30"),
        ("weekdays 08:00", "UTC", "2026-06-05 08:00", "2026-06-08 08:00"),
        ("weekly mon 09:00", "UTC", "2026-06-01 09:00", "2026-06-08 09:00"),
        ("hourly", KOLKATA, "2026-06-01 00:00", "2026-06-01 00:30"),
        ("hourly", PARIS, "2026-10-25 00:00", "2026-10-25 01:00"),  # 02:00 twice, as the clock shows it
        ("hourly", LORD_HOWE, "2026-10-03 14:30", "2026-10-03 16:00"),  # 01:00, and no 02:00
        ("hourly", LORD_HOWE, "2026-04-04 14:00", "2026-04-04 15:30"),  # 01:00 and 02:00, 01:30 twice between
    ],
)
def test_digest_is_due_correctly_when_the_clocks_change(text: str, zone: str, after: str, then: str) -> None:
    assert next_time(parse_schedule(text), zone, utc(after)) == utc(then)


schedules = some.builds(Schedule, some.just("day"), days, minutes)


@given(schedules, some.sampled_from(EDGES), some.integers(-2_000, 2_000), some.integers(0, 59))
def test_digest_is_due_when_the_clock_first_shows_its_time(
    schedule: Schedule, edge: tuple[str, date], apart: int, seconds: int
) -> None:
    zone, around = edge
    after = datetime.combine(around, time(), UTC) + timedelta(minutes=apart, seconds=seconds)
    expected = days_of(zone, around).digests(schedule)
    assert next_time(schedule, zone, after) == expected[bisect_right(expected, after)]


@pytest.mark.parametrize(("zone", "around"), EDGES)
def test_hourly_is_every_full_hour_the_clock_shows(zone: str, around: date) -> None:
    clock = days_of(zone, around)
    expected = [clock.begin + minute * MINUTE for minute, wall in enumerate(clock.shown) if wall.minute == 0]
    assert list(chain(Schedule("hour"), zone, expected[0] - MINUTE, expected[-1])) == expected


def chain(schedule: Schedule, zone: str, after: datetime, last: datetime) -> Iterator[datetime]:
    """The digests after a moment, each strictly later than the one before."""
    while (then := next_time(schedule, zone, after)) <= last:
        assert then > after
        yield then
        after = then


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("minute", [0, 30, 90, 105, 135, 150, 480, 1380, 1410, 1439])
def test_daily_digest_is_due_once_on_every_date_of_a_year(zone: str, minute: int) -> None:
    zone_info = ZoneInfo(zone)
    begin, end = datetime(2026, 1, 1, tzinfo=zone_info), datetime(2027, 1, 1, tzinfo=zone_info)
    moments = chain(Schedule("day", EVERY, minute), zone, begin.astimezone(UTC) - MINUTE, end.astimezone(UTC) - MINUTE)
    dates = [moment.astimezone(zone_info).date() for moment in moments]
    assert dates == [date(2026, 1, 1) + number * DAY for number in range(365)]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("day", range(7))
def test_weekly_digest_is_due_once_a_week(zone: str, day: int) -> None:
    zone_info = ZoneInfo(zone)
    begin, end = datetime(2026, 1, 5, tzinfo=zone_info), datetime(2027, 1, 4, tzinfo=zone_info)  # both are Mondays
    for minute in (0, 30, 150, 1410):
        moments = chain(Schedule("week", (day,), minute), zone, begin.astimezone(UTC) - MINUTE, end.astimezone(UTC) - MINUTE)
        dates = [moment.astimezone(zone_info).date() for moment in moments]
        assert dates == [date(2026, 1, 5) + day * DAY + week * 7 * DAY for week in range(52)]
