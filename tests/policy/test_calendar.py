"""When something is expected: what is read, and that the moments are right by a model that watches a zone's clock."""

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from chalicelib.policy.calendar import Times, next_due, parse_expectation, parse_holidays, previous_due, wall_of
from tests.policy.test_quiet_hours import EDGES, KOLKATA, LORD_HOWE, NEW_YORK, NUUK, PARIS, SANTIAGO, SYDNEY, utc

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
INDIA = ("2026-01-26", "12-25")


class Clock:
    """Some days of a zone's clock, minute by minute."""

    def __init__(self, zone: str, around: date) -> None:
        there = ZoneInfo(zone)
        self.begin = datetime.combine(around, time(), UTC) - 9 * DAY
        shown = [(self.begin + each * MINUTE).astimezone(there).replace(tzinfo=None) for each in range(24 * 24 * 60)]
        self.shown = shown
        self.last = {wall: self.begin + each * MINUTE for each, wall in enumerate(shown)}  # the last time each is shown
        self.first_after = sorted(self.last)
        self.days = sorted({wall.date() for wall in shown})[1:-1]

    def deadline(self, wall: datetime) -> datetime:
        """The last moment at which the clock shows this; where it never does, the first at which it shows more."""
        if wall in self.last:
            return self.last[wall]
        later = self.first_after[bisect_left(self.first_after, wall)]
        return next(self.begin + each * MINUTE for each, shown in enumerate(self.shown) if shown == later)


clock_of = cache(Clock)


def expected(times: Times, zone: str, around: date) -> list[datetime]:
    clock = clock_of(zone, around)
    if times.every == "hour":
        return [clock.begin + each * MINUTE for each, wall in enumerate(clock.shown) if wall.minute == times.minute]
    wanted = [day for day in clock.days if is_wanted(times, day)]
    return sorted({clock.deadline(datetime.combine(day, time()) + times.minute * MINUTE) for day in wanted})


def is_wanted(times: Times, day: date) -> bool:
    if times.every == "month":
        last = (day.replace(day=28) + 4 * DAY).replace(day=1) - DAY
        return day == (day.replace(day=times.day) if times.day <= last.day else None) if times.day else day == last
    return day.weekday() in times.days and not (times.business and (day.month, day.day) == (3, 30))


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("daily by 08:00", "daily by 08:00 Europe/Paris"),
        ("weekdays by 06:00 Asia/Kolkata", None),
        ("  Mon  Wed fri BY 09:00", "mon wed fri by 09:00 Europe/Paris"),
        ("sat-sun by 10:00", "weekend by 10:00 Europe/Paris"),
        ("fri-mon by 10:00 UTC", "mon fri sat sun by 10:00 UTC"),
        ("business days by 06:00", "business days by 06:00 Europe/Paris"),
        ("monthly 1 by 09:00", "monthly 1 by 09:00 Europe/Paris"),
        ("monthly last by 18:00", "monthly last by 18:00 Europe/Paris"),
        ("hourly by :15", "hourly by :15 Europe/Paris"),
        ("hourly by :05 Australia/Lord_Howe", None),
        ("cron 0 6 * * 1-5 Asia/Kolkata", None),
        ("cron  */15 * * * */2", "cron */15 * * * */2 Europe/Paris"),
        ("cron 0 6 * * MON-FRI UTC", None),
    ],
)
def test_expectation_is_read_and_said_again(text: str, again: str | None) -> None:
    found = parse_expectation(text, PARIS, INDIA)
    assert str(found) == (again or text)
    assert parse_expectation(str(found), "UTC", INDIA) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no time at which something is expected"),
        ("daily", "is no time at which something is expected"),
        ("daily 08:00", "is no time at which something is expected"),
        ("by 08:00", "is no time at which something is expected"),
        ("daily by 8:00", "is no time at which something is expected"),
        ("daily by 24:00", "a day's last minute is 23:59"),
        ("daily by 0٨:00", "is no time at which something is expected"),
        ("hourly by 15", "is no time at which something is expected"),
        ("daily by :15", "is no time at which something is expected"),
        ("workdays by 08:00", "names no days"),
        ("monthly by 08:00", "names no day of the month"),
        ("monthly 0 by 08:00", "names no day of the month"),
        ("monthly first by 08:00", "names no day of the month"),
        ("monthly 32 by 08:00", "no month has a day 32"),
        ("daily by 08:00 Mars/Olympus", "is not a time zone"),
        ("daily by 08:00 IST", "is no time at which something is expected"),
        ("cron 0 6 * *", "after cron come five fields"),
        ("cron 0 6 * * * UTC UTC", "after cron come five fields"),
        ("cron 0 0 6 * * *", "'*' is not a time zone"),
        ("cron 0 6 * * * Mars/Olympus", "is not a time zone"),
        ("cron 61 6 * * *", "bad minute"),
        ("cron 0 6 31 2 *", "bad day-of-month"),
        ("cron 0 6 */20 * 1L", "never comes"),
        (f"cron {'9' * 5000} * * * *", "cannot be read"),
        ([], "it names no time"),
        (["daily by 08:00", "soon"], "'soon' is no time"),
    ],
)
def test_what_is_no_expectation_is_refused_in_one_sentence(text: str | list[str], told: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{10,}[^.\n]$") as refused:
        parse_expectation(text, "UTC")
    assert told in str(refused.value)
    assert type(refused.value) is ValueError


def test_business_days_need_holidays_and_some_day_that_is_none() -> None:
    with pytest.raises(ValueError, match="no holidays are named"):
        parse_expectation("business days by 06:00", "UTC")
    each_day = [f"{date(2024, 1, 1) + each * DAY:%m-%d}" for each in range(366)]
    with pytest.raises(ValueError, match=r"'business days by 06:00 UTC' never comes"):
        parse_expectation("business days by 06:00", "UTC", each_day)


@pytest.mark.parametrize(
    "entry", ["", "christmas", "2026-02-31", "02-31", "2026-1-26", "2026", "26-01-2026", "2026-02-29", "1٢-25"]
)
def test_holiday_that_is_no_date_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="is no date of a holiday"):
        parse_holidays(["12-25", entry])


def test_leap_day_may_be_a_holiday_of_each_year() -> None:
    assert parse_holidays(["02-29", "2028-02-29"]) == ("02-29", "2028-02-29")


@pytest.mark.parametrize(
    ("text", "zone", "after", "then"),
    [
        # spring, northern: the first moment after the gap
        ("daily by 02:30", PARIS, "2026-03-28 12:00", "2026-03-29 01:00"),
        ("cron 30 2 * * *", PARIS, "2026-03-28 12:00", "2026-03-29 01:00"),
        ("daily by 02:30", NEW_YORK, "2026-03-08 00:00", "2026-03-08 07:00"),
        # autumn, northern: the second
        ("daily by 02:30", PARIS, "2026-10-24 12:00", "2026-10-25 01:30"),
        ("daily by 02:30", PARIS, "2026-10-25 00:30", "2026-10-25 01:30"),
        ("cron 30 2 * * *", PARIS, "2026-10-25 00:30", "2026-10-25 01:30"),
        ("daily by 02:30", PARIS, "2026-10-25 01:30", "2026-10-26 01:30"),
        ("daily by 01:30", NEW_YORK, "2026-11-01 05:30", "2026-11-01 06:30"),
        # southern, the other way round
        ("daily by 02:30", SYDNEY, "2026-10-03 12:00", "2026-10-03 16:00"),
        ("daily by 02:30", SYDNEY, "2026-04-04 12:00", "2026-04-04 16:30"),
        ("daily by 00:30", SANTIAGO, "2026-09-06 03:59", "2026-09-06 04:00"),
        ("daily by 23:30", SANTIAGO, "2026-04-05 02:30", "2026-04-05 03:30"),
        # half an hour
        ("daily by 02:15", LORD_HOWE, "2026-10-03 12:00", "2026-10-03 15:30"),
        ("daily by 01:45", LORD_HOWE, "2026-04-04 12:00", "2026-04-04 15:15"),
        # back over midnight: 00:01 -> 23:01 of the day before
        ("daily by 23:30", "America/St_Johns", "2010-11-07 02:30:30", "2010-11-07 03:00"),
        ("hourly by :30", "America/St_Johns", "2010-11-07 02:30:30", "2010-11-07 03:00"),
        # as often as the clock shows it
        ("hourly by :15", PARIS, "2026-10-25 00:15", "2026-10-25 01:15"),
        ("hourly by :15", PARIS, "2026-03-29 00:15", "2026-03-29 01:15"),
        ("hourly by :15", LORD_HOWE, "2026-10-03 15:15", "2026-10-03 16:15"),
        ("hourly by :45", LORD_HOWE, "2026-04-04 14:45", "2026-04-04 15:15"),
        # days, and the ends of months
        ("weekdays by 06:00 Asia/Kolkata", "UTC", "2026-03-06 00:30", "2026-03-09 00:30"),
        ("business days by 06:00", KOLKATA, "2026-01-23 12:00", "2026-01-27 00:30"),  # Monday is Republic Day
        ("business days by 06:00", KOLKATA, "2025-01-24 12:00", "2025-01-27 00:30"),  # it was on a Sunday
        ("business days by 06:00", KOLKATA, "2026-12-24 12:00", "2026-12-28 00:30"),
        ("monthly 1 by 09:00", "UTC", "2026-02-01 09:00", "2026-03-01 09:00"),
        ("monthly last by 18:00", "UTC", "2026-02-01 00:00", "2026-02-28 18:00"),
        ("monthly last by 18:00", "UTC", "2028-02-01 00:00", "2028-02-29 18:00"),
        ("monthly 31 by 18:00", "UTC", "2026-03-31 18:00", "2026-05-31 18:00"),
        ("cron 0 6 29 2 *", "UTC", "2026-01-01 00:00", "2028-02-29 06:00"),
        ("cron 0 6 29 2 *", "UTC", "2096-03-01 00:00", "2104-02-29 06:00"),
        ("cron 0 6 L * *", "UTC", "2026-02-01 00:00", "2026-02-28 06:00"),
    ],
)
def test_next_is_right_at_clock_changes_and_ends_of_months(text: str, zone: str, after: str, then: str) -> None:
    found = parse_expectation(text, zone, INDIA)
    assert next_due(found, utc(after)) == utc(then)
    assert previous_due(found, utc(then)) == utc(then)
    assert previous_due(found, utc(then) - timedelta(microseconds=1)) <= utc(after)


def test_day_that_was_meant_is_told_where_its_hour_is_skipped() -> None:
    late = parse_expectation("daily by 23:30", NUUK)
    due = next_due(late, utc("2026-03-28 12:00"))
    assert due.astimezone(ZoneInfo(NUUK)).date() == date(2026, 3, 29)
    assert wall_of(late, due) == (datetime.fromisoformat("2026-03-28 23:30"), NUUK)


def test_several_expectations_are_each_minded_in_its_zone() -> None:
    both = parse_expectation(["weekdays by 06:00 Asia/Kolkata", "sat by 09:00"], PARIS)
    assert str(both) == "weekdays by 06:00 Asia/Kolkata, sat by 09:00 Europe/Paris"
    at, found = utc("2026-06-04 12:00"), []
    for _ in range(3):
        at = next_due(both, at)
        found.append((at, wall_of(both, at)[1]))
    assert found == [(utc("2026-06-05 00:30"), KOLKATA), (utc("2026-06-06 07:00"), PARIS), (utc("2026-06-08 00:30"), KOLKATA)]


near = some.sampled_from([0, 15, 30, 60, 90, 105, 120, 135, 150, 165, 180, 1380, 1395, 1410]) | some.integers(0, 1439)
days = some.sets(some.integers(0, 6), min_size=1).map(lambda chosen: tuple(sorted(chosen)))
by_days = some.builds(lambda days, minute: Times("day", "", days, minute=minute), days, near)
by_business = near.map(lambda minute: Times("day", "", tuple(range(5)), business=True, minute=minute))
by_month = some.builds(lambda day, minute: Times("month", "", day=day, minute=minute), some.integers(0, 31), near)
by_hour = some.integers(0, 59).map(lambda minute: Times("hour", "", minute=minute))


@given(by_days | by_business | by_hour, some.sampled_from(EDGES), some.integers(-2_000, 2_000), some.integers(0, 59))
@example(Times("hour", "", minute=45), (LORD_HOWE, date(2026, 4, 5)), 0, 0)
def test_due_moments_are_those_of_a_clock_that_is_watched(times: Times, edge: tuple[str, date], apart: int, seconds: int) -> None:
    zone, around = edge
    found = parse_expectation(f"{times}{zone}", "UTC", ("03-30",))
    at = datetime.combine(around, time(), UTC) + timedelta(minutes=apart, seconds=seconds)
    moments = expected(times, zone, around)
    place = bisect_right(moments, at)
    assert next_due(found, at) == moments[place]
    assert previous_due(found, at) == moments[place - 1]


@given(by_month, some.sampled_from([PARIS, SYDNEY, LORD_HOWE, "UTC"]), some.integers(0, 3 * 365 * 24))
def test_monthly_moments_are_those_of_each_month_that_has_the_day(times: Times, zone: str, hours: int) -> None:
    found = parse_expectation(f"{times}{zone}", "UTC")
    at = utc("2026-01-01 00:00") + timedelta(hours=hours)
    there = ZoneInfo(zone)
    starts = [date(2025 + each // 12, each % 12 + 1, 1) for each in range(6 * 12)]
    wanted = [
        day
        for start in starts
        for each in range(31)
        if (day := start + each * DAY).month == start.month and is_wanted(times, day)
    ]
    walls = [datetime.combine(day, time()) + times.minute * MINUTE for day in wanted]
    moments = [wall.replace(tzinfo=there, fold=1).astimezone(UTC) for wall in walls]  # the last; what is skipped is told apart
    real = [m.astimezone(there).replace(tzinfo=None) == wall for m, wall in zip(moments, walls, strict=True)]
    then = next_due(found, at)
    place = bisect_right(moments, at)
    if all(real):
        assert then == moments[place]
        assert previous_due(found, at) == moments[place - 1]
    assert wall_of(found, then)[0] in walls


@given(
    some.lists(some.integers(0, 59), min_size=1, max_size=3, unique=True),
    some.lists(some.integers(0, 23), min_size=1, max_size=4, unique=True),
    some.sampled_from(EDGES),
    some.integers(-2_000, 2_000),
)
def test_cron_moments_are_the_deadlines_of_its_wall_times(
    minutes: list[int], hours: list[int], edge: tuple[str, date], apart: int
) -> None:
    zone, around = edge
    found = parse_expectation(f"cron {','.join(map(str, minutes))} {','.join(map(str, hours))} * * * {zone}", "UTC")
    clock = clock_of(zone, around)
    walls = [datetime.combine(day, time(hour, minute)) for day in clock.days for hour in hours for minute in minutes]
    moments = sorted({clock.deadline(wall) for wall in walls})
    at = datetime.combine(around, time(), UTC) + apart * MINUTE
    place = bisect_right(moments, at)
    assert next_due(found, at) == moments[place]
    assert previous_due(found, at) == moments[place - 1]
