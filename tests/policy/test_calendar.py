"""When something is expected: parsing, and due moments checked against a model that watches a zone's clock."""

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from chalicelib.policy.calendar import RecurringDeadline, next_due, parse_expectation, parse_holidays, previous_due, wall_time_of
from tests.policy.zones import EDGES, KOLKATA, LORD_HOWE, NEW_YORK, NUUK, PARIS, SANTIAGO, SYDNEY, utc

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
INDIA = ("2026-01-26", "12-25")


class Clock:
    """Twenty-four days of a zone's clock, minute by minute."""

    def __init__(self, zone: str, around: date) -> None:
        zone_info = ZoneInfo(zone)
        self.begin = datetime.combine(around, time(), UTC) - 9 * DAY
        shown = [(self.begin + minute * MINUTE).astimezone(zone_info).replace(tzinfo=None) for minute in range(24 * 24 * 60)]
        self.shown = shown
        self.last = {wall: self.begin + minute * MINUTE for minute, wall in enumerate(shown)}  # the last moment of each wall time
        self.first_after = sorted(self.last)
        self.days = sorted({wall.date() for wall in shown})[1:-1]

    def deadline(self, wall: datetime) -> datetime:
        """The last moment at which the clock shows a wall time; if it never does, the first at which it shows a later one."""
        if wall in self.last:
            return self.last[wall]
        later = self.first_after[bisect_left(self.first_after, wall)]
        return next(self.begin + minute * MINUTE for minute, shown in enumerate(self.shown) if shown == later)


clock_of = cache(Clock)


def expected(deadline: RecurringDeadline, zone: str, around: date) -> list[datetime]:
    clock = clock_of(zone, around)
    if deadline.every == "hour":
        return [clock.begin + number * MINUTE for number, wall in enumerate(clock.shown) if wall.minute == deadline.minute]
    days = [day for day in clock.days if occurs_on(deadline, day)]
    return sorted({clock.deadline(datetime.combine(day, time()) + deadline.minute * MINUTE) for day in days})


def occurs_on(deadline: RecurringDeadline, day: date) -> bool:
    if deadline.every == "month":
        last = (day.replace(day=28) + 4 * DAY).replace(day=1) - DAY
        return day == (day.replace(day=deadline.day) if deadline.day <= last.day else None) if deadline.day else day == last
    return day.weekday() in deadline.days and not (deadline.business and (day.month, day.day) == (3, 30))


@pytest.mark.parametrize(
    ("text", "written"),
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
def test_expectation_is_read_and_written_back(text: str, written: str | None) -> None:
    expectation = parse_expectation(text, PARIS, INDIA)
    assert str(expectation) == (written or text)
    assert parse_expectation(str(expectation), "UTC", INDIA) == expectation


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "invalid expected time"),
        ("daily", "invalid expected time"),
        ("daily 08:00", "invalid expected time"),
        ("by 08:00", "invalid expected time"),
        ("daily by 8:00", "invalid expected time"),
        ("daily by 24:00", "the last minute of a day is 23:59"),
        ("daily by 0٨:00", "invalid expected time"),
        ("hourly by 15", "invalid expected time"),
        ("daily by :15", "invalid expected time"),
        ("workdays by 08:00", "unknown days; use mon, tue"),
        ("monthly by 08:00", "invalid day of the month"),
        ("monthly 0 by 08:00", "invalid day of the month"),
        ("monthly first by 08:00", "invalid day of the month"),
        ("monthly 32 by 08:00", "no month has a day 32"),
        ("daily by 08:00 Mars/Olympus", "unknown time zone 'Mars/Olympus'"),
        ("daily by 08:00 IST", "invalid expected time"),
        ("cron 0 6 * *", "cron takes five fields"),
        ("cron 0 6 * * * UTC UTC", "cron takes five fields"),
        ("cron 0 0 6 * * *", "unknown time zone '*'"),
        ("cron 0 6 * * * Mars/Olympus", "unknown time zone 'Mars/Olympus'"),
        ("cron 61 6 * * *", "bad minute"),
        ("cron 0 6 31 2 *", "bad day-of-month"),
        ("cron 0 6 */20 * 1L", "never occurs"),
        (f"cron {'9' * 5000} * * * *", "invalid cron expression"),
        ([], "no time given"),
        (["daily by 08:00", "soon"], "invalid expected time 'soon'"),
    ],
)
def test_invalid_expectation_is_rejected_in_one_sentence(text: str | list[str], problem: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{10,}[^.\n]$") as error:
        parse_expectation(text, "UTC")
    assert problem in str(error.value)
    assert type(error.value) is ValueError


def test_business_days_need_holidays_and_a_day_without_one() -> None:
    with pytest.raises(ValueError, match="require a list of holidays"):
        parse_expectation("business days by 06:00", "UTC")
    every_day = [f"{date(2024, 1, 1) + number * DAY:%m-%d}" for number in range(366)]
    with pytest.raises(ValueError, match=r"'business days by 06:00 UTC' never occurs"):
        parse_expectation("business days by 06:00", "UTC", every_day)


@pytest.mark.parametrize(
    "entry", ["", "christmas", "2026-02-31", "02-31", "2026-1-26", "2026", "26-01-2026", "2026-02-29", "1٢-25"]
)
def test_invalid_holiday_is_rejected(entry: str) -> None:
    with pytest.raises(ValueError, match="invalid holiday"):
        parse_holidays(["12-25", entry])


def test_leap_day_may_be_a_holiday_of_every_year() -> None:
    assert parse_holidays(["02-29", "2028-02-29"]) == ("02-29", "2028-02-29")


@pytest.mark.parametrize(
    ("text", "zone", "after", "due"),
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
        # set back over midnight: 00:01 -> 23:01 of the day before
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
        ("business days by 06:00", KOLKATA, "2025-01-24 12:00", "2025-01-27 00:30"),  # Republic Day was on a Sunday
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
def test_due_moments_are_correct_at_clock_changes_and_ends_of_months(text: str, zone: str, after: str, due: str) -> None:
    expectation = parse_expectation(text, zone, INDIA)
    assert next_due(expectation, utc(after)) == utc(due)
    assert previous_due(expectation, utc(due)) == utc(due)
    assert previous_due(expectation, utc(due) - timedelta(microseconds=1)) <= utc(after)


def test_configured_day_is_returned_although_its_hour_is_skipped() -> None:
    late = parse_expectation("daily by 23:30", NUUK)
    due = next_due(late, utc("2026-03-28 12:00"))
    assert due.astimezone(ZoneInfo(NUUK)).date() == date(2026, 3, 29)
    assert wall_time_of(late, due) == (datetime.fromisoformat("2026-03-28 23:30"), NUUK)


def test_each_of_several_expectations_is_computed_in_its_own_zone() -> None:
    both = parse_expectation(["weekdays by 06:00 Asia/Kolkata", "sat by 09:00"], PARIS)
    assert str(both) == "weekdays by 06:00 Asia/Kolkata, sat by 09:00 Europe/Paris"
    at, dues = utc("2026-06-04 12:00"), []
    for _ in range(3):
        at = next_due(both, at)
        dues.append((at, wall_time_of(both, at)[1]))
    assert dues == [(utc("2026-06-05 00:30"), KOLKATA), (utc("2026-06-06 07:00"), PARIS), (utc("2026-06-08 00:30"), KOLKATA)]


near = some.sampled_from([0, 15, 30, 60, 90, 105, 120, 135, 150, 165, 180, 1380, 1395, 1410]) | some.integers(0, 1439)
days = some.sets(some.integers(0, 6), min_size=1).map(lambda chosen: tuple(sorted(chosen)))
by_days = some.builds(lambda days, minute: RecurringDeadline("day", "", days, minute=minute), days, near)
by_business = near.map(lambda minute: RecurringDeadline("day", "", tuple(range(5)), business=True, minute=minute))
by_month = some.builds(lambda day, minute: RecurringDeadline("month", "", day=day, minute=minute), some.integers(0, 31), near)
by_hour = some.integers(0, 59).map(lambda minute: RecurringDeadline("hour", "", minute=minute))


@given(by_days | by_business | by_hour, some.sampled_from(EDGES), some.integers(-2_000, 2_000), some.integers(0, 59))
@example(RecurringDeadline("hour", "", minute=45), (LORD_HOWE, date(2026, 4, 5)), 0, 0)
def test_due_moments_are_those_of_a_watched_clock(
    deadline: RecurringDeadline, edge: tuple[str, date], apart: int, seconds: int
) -> None:
    zone, around = edge
    expectation = parse_expectation(f"{deadline}{zone}", "UTC", ("03-30",))
    at = datetime.combine(around, time(), UTC) + timedelta(minutes=apart, seconds=seconds)
    moments = expected(deadline, zone, around)
    index = bisect_right(moments, at)
    assert next_due(expectation, at) == moments[index]
    assert previous_due(expectation, at) == moments[index - 1]


@given(by_month, some.sampled_from([PARIS, SYDNEY, LORD_HOWE, "UTC"]), some.integers(0, 3 * 365 * 24))
def test_monthly_moments_are_those_of_every_month_that_has_the_day(deadline: RecurringDeadline, zone: str, hours: int) -> None:
    expectation = parse_expectation(f"{deadline}{zone}", "UTC")
    at = utc("2026-01-01 00:00") + timedelta(hours=hours)
    zone_info = ZoneInfo(zone)
    months = [date(2025 + number // 12, number % 12 + 1, 1) for number in range(6 * 12)]
    days = [
        day
        for month in months
        for number in range(31)
        if (day := month + number * DAY).month == month.month and occurs_on(deadline, day)
    ]
    walls = [datetime.combine(day, time()) + deadline.minute * MINUTE for day in days]
    moments = [wall.replace(tzinfo=zone_info, fold=1).astimezone(UTC) for wall in walls]  # the last; other tests cover gaps
    real = [m.astimezone(zone_info).replace(tzinfo=None) == wall for m, wall in zip(moments, walls, strict=True)]
    due = next_due(expectation, at)
    index = bisect_right(moments, at)
    if all(real):
        assert due == moments[index]
        assert previous_due(expectation, at) == moments[index - 1]
    assert wall_time_of(expectation, due)[0] in walls


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
    expectation = parse_expectation(f"cron {','.join(map(str, minutes))} {','.join(map(str, hours))} * * * {zone}", "UTC")
    clock = clock_of(zone, around)
    walls = [datetime.combine(day, time(hour, minute)) for day in clock.days for hour in hours for minute in minutes]
    moments = sorted({clock.deadline(wall) for wall in walls})
    at = datetime.combine(around, time(), UTC) + apart * MINUTE
    index = bisect_right(moments, at)
    assert next_due(expectation, at) == moments[index]
    assert previous_due(expectation, at) == moments[index - 1]
