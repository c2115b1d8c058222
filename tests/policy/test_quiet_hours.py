"""Quiet hours and times of digests: parsing, and correct times when the clocks change."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import accumulate
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from chalicelib.domain.schedule import QuietHours, Schedule
from chalicelib.policy.quiet_hours import never_ends, next_time, parse_quiet, parse_schedule, quiet_until

EVERY, WORK, WEEKEND = tuple(range(7)), tuple(range(5)), (5, 6)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
EIGHT_DAYS = timedelta(days=8)

PARIS, NEW_YORK, SYDNEY = "Europe/Paris", "America/New_York", "Australia/Sydney"
SANTIAGO, LORD_HOWE, KOLKATA = "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata"
NUUK = "America/Nuuk"  # the last hour of a Saturday is skipped
ZONES = (PARIS, NEW_YORK, SYDNEY, SANTIAGO, LORD_HOWE, KOLKATA)
EDGES = (
    (PARIS, date(2026, 3, 29)),  # 02:00 -> 03:00
    (PARIS, date(2026, 10, 25)),  # 03:00 -> 02:00
    (NEW_YORK, date(2026, 3, 8)),  # 02:00 -> 03:00
    (NEW_YORK, date(2026, 11, 1)),  # 02:00 -> 01:00
    (SYDNEY, date(2026, 4, 5)),  # 03:00 -> 02:00
    (SYDNEY, date(2026, 10, 4)),  # 02:00 -> 03:00
    (SANTIAGO, date(2026, 4, 5)),  # 00:00 -> 23:00 of the day before
    (SANTIAGO, date(2026, 9, 6)),  # 00:00 -> 01:00
    (LORD_HOWE, date(2026, 4, 5)),  # 02:00 -> 01:30
    (LORD_HOWE, date(2026, 10, 4)),  # 02:00 -> 02:30
    (NUUK, date(2026, 3, 29)),  # 23:00 of the day before -> 00:00
    (NUUK, date(2026, 10, 25)),  # 00:00 -> 23:00 of the day before
    (KOLKATA, date(2026, 6, 1)),  # never
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Days:
    """Twenty days of a zone's clock, minute by minute: the time it shows, the latest shown so far, the earliest still to come."""

    def __init__(self, zone: str, around: date) -> None:
        self.begin = datetime.combine(around, time(), UTC) - 5 * DAY
        zone_info = ZoneInfo(zone)
        shown = [(self.begin + minute * MINUTE).astimezone(zone_info).replace(tzinfo=None) for minute in range(20 * 24 * 60)]
        self.shown = shown
        self.reached = list(accumulate(shown, max))
        self.ahead = list(accumulate(reversed(shown), min))[::-1]

    def at(self, moment: datetime) -> int:
        return (moment - self.begin) // MINUTE

    def quiet(self, quiet: QuietHours, minute: int) -> bool:
        """Whether the start was shown or skipped, and the end, or a time just before it, is still to be shown."""
        for back in range(-1, 3):
            day = datetime.combine(self.shown[minute].date(), time()) - back * DAY
            start, end = day + quiet.start * MINUTE, day + quiet.end * MINUTE
            if quiet.end <= quiet.start:
                end += DAY
            unended = self.ahead[minute] < end or self.ahead[minute + 1] <= end
            if day.weekday() in quiet.days and start <= self.reached[minute] and unended:
                return True
        return False

    def digests(self, schedule: Schedule) -> list[datetime]:
        """The minutes at which the clock first shows the schedule's time of each day, or a later one."""
        moments = []
        for minute in range(1, len(self.shown)):
            before, now = self.reached[minute - 1], self.reached[minute]
            for day in {before.date(), now.date()}:
                wall = datetime.combine(day, time()) + schedule.minute * MINUTE
                if day.weekday() in schedule.days and before < wall <= now:
                    moments.append(self.begin + minute * MINUTE)
        return moments


days_of = cache(Days)


@pytest.mark.parametrize(
    ("text", "quiet", "written"),
    [
        ("22:00-07:00", QuietHours(EVERY, 1320, 420), "22:00-07:00"),
        ("weekdays 22:00-07:00", QuietHours(WORK, 1320, 420), "weekdays 22:00-07:00"),
        ("  Weekdays   22:00-07:00 ", QuietHours(WORK, 1320, 420), "weekdays 22:00-07:00"),
        ("mon-fri 18:00-09:00", QuietHours(WORK, 1080, 540), "weekdays 18:00-09:00"),
        ("fri 18:00-24:00", QuietHours((4,), 1080, 1440), "fri 18:00-24:00"),
        ("fri-mon 00:00-06:30", QuietHours((0, 4, 5, 6), 0, 390), "mon fri sat sun 00:00-06:30"),
        ("weekend", QuietHours(WEEKEND, 0, 1440), "weekend"),
        ("sat-sun", QuietHours(WEEKEND, 0, 1440), "weekend"),
        ("sun sat", QuietHours(WEEKEND, 0, 1440), "weekend"),
        ("wed", QuietHours((2,), 0, 1440), "wed"),
        ("22:00-00:00", QuietHours(EVERY, 1320, 0), "22:00-00:00"),
        ("22:00-07:00 Asia/Kolkata", QuietHours(EVERY, 1320, 420, KOLKATA), "22:00-07:00 Asia/Kolkata"),
        ("weekend UTC", QuietHours(WEEKEND, 0, 1440, "UTC"), "weekend UTC"),
        ("weekend America/Argentina/Buenos_Aires", QuietHours(WEEKEND, 0, 1440, "America/Argentina/Buenos_Aires"), None),
    ],
)
def test_quiet_hours_are_read_and_written_back(text: str, quiet: QuietHours, written: str | None) -> None:
    assert parse_quiet(text) == quiet
    assert str(quiet) == (written or text)


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
        "nights",
        "22:00",
        "22-07",
        "7:00-9:00",
        "22:00-22:00",
        "00:00-00:00",
        "24:00-07:00",
        "22:00-25:00",
        "22:00-24:30",
        "22:60-07:00",
        "22:00 - 07:00",
        "22:00-07:00 08:00-09:00",
        "22:00-07:00 weekdays",
        "workdays 22:00-07:00",
        "mon-funday",
        "mon,tue",
        "weekend Mars/Olympus",
        "Asia/Kolkata",
        "22:00-07:00 ../etc/passwd",
        "22:00-07:00 Europe/",
        "22:00-07:00 IST",
        "٢٢:٠٠-٠٧:٠٠",
        "1٨:00-07:00",
    ],
)
def test_invalid_quiet_hours_are_rejected_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{10,120}[^.\n]$") as error:
        parse_quiet(text)
    assert type(error.value) is ValueError


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


days = some.sets(some.integers(0, 6), min_size=1).map(lambda chosen: tuple(sorted(chosen)))
near = some.sampled_from([0, 15, 30, 60, 90, 105, 120, 135, 150, 165, 180, 210, 1380, 1395, 1410])
minutes = near | some.integers(0, 1439)
zones = some.sampled_from(("", "", *ZONES))
quiets = some.builds(QuietHours, days, minutes, minutes | some.just(1440), zones).filter(lambda quiet: quiet.start != quiet.end)


@given(quiets)
@example(QuietHours(EVERY, 0, 1440, KOLKATA))
def test_written_quiet_hours_read_back_as_the_same(quiet: QuietHours) -> None:
    assert parse_quiet(str(quiet)) == quiet


@pytest.mark.parametrize(
    ("text", "zone", "now", "until"),
    [
        # spring, northern: 29 March has no 02:00 to 03:00
        ("22:00-02:30", PARIS, "2026-03-28 23:00", "2026-03-29 01:00"),
        ("02:30-04:00", PARIS, "2026-03-29 00:59", None),
        ("02:30-04:00", PARIS, "2026-03-29 01:00", "2026-03-29 02:00"),
        ("02:10-02:50", PARIS, "2026-03-29 01:00", None),  # skipped entirely
        ("22:00-07:00", NEW_YORK, "2026-03-08 04:00", "2026-03-08 11:00"),
        # autumn, northern: 25 October has 02:00 to 03:00 twice
        ("22:00-02:30", PARIS, "2026-10-24 23:00", "2026-10-25 01:30"),  # the second
        ("02:30-04:00", PARIS, "2026-10-25 00:29", None),
        ("02:30-04:00", PARIS, "2026-10-25 00:30", "2026-10-25 03:00"),  # from the first
        ("02:30-02:45", PARIS, "2026-10-25 00:30", "2026-10-25 01:45"),
        ("22:00-01:30", NEW_YORK, "2026-11-01 05:45", "2026-11-01 06:30"),
        ("22:00-01:00", NEW_YORK, "2026-11-01 04:00", "2026-11-01 06:00"),  # the second 01:00
        ("22:00-02:00", NEW_YORK, "2026-11-01 04:00", "2026-11-01 07:00"),  # there is only one 02:00
        # southern, the other way round
        ("22:00-02:30", SYDNEY, "2026-10-03 12:00", "2026-10-03 16:00"),
        ("22:00-02:30", SYDNEY, "2026-04-04 12:00", "2026-04-04 16:30"),
        # midnight is skipped, or the hour before it is shown twice
        ("sat", SANTIAGO, "2026-09-05 12:00", "2026-09-06 04:00"),
        ("sun", SANTIAGO, "2026-09-06 03:59", None),
        ("sun", SANTIAGO, "2026-09-06 04:00", "2026-09-07 03:00"),
        ("sat", SANTIAGO, "2026-04-05 03:30", "2026-04-05 04:00"),
        ("sat 20:00-23:30", SANTIAGO, "2026-04-05 02:45", "2026-04-05 03:30"),
        # half an hour
        ("22:00-02:15", LORD_HOWE, "2026-10-03 12:00", "2026-10-03 15:30"),
        ("22:00-01:45", LORD_HOWE, "2026-04-04 12:00", "2026-04-04 15:15"),
        ("22:00-07:00", KOLKATA, "2026-06-01 16:30", "2026-06-02 01:30"),
        # consecutive ones, and zones other than the recipient's
        ("22:00-07:00 Asia/Kolkata", PARIS, "2026-06-01 16:30", "2026-06-02 01:30"),
        ("fri 22:00-24:00 + sat", "UTC", "2026-06-05 23:00", "2026-06-07 00:00"),
        ("22:00-07:00 + weekend", "UTC", "2026-06-05 23:00", "2026-06-08 07:00"),
    ],
)
def test_quiet_hours_end_correctly_when_the_clocks_change(text: str, zone: str, now: str, until: str | None) -> None:
    assert quiet_until(map(parse_quiet, text.split(" + ")), zone, utc(now)) == (utc(until) if until else None)


@given(some.lists(quiets, min_size=1, max_size=3), some.sampled_from(EDGES), some.integers(-2_000, 2_000), some.integers(0, 59))
def test_quiet_lasts_until_the_first_minute_outside_all_quiet_hours(
    chosen: list[QuietHours], edge: tuple[str, date], apart: int, seconds: int
) -> None:
    zone, around = edge
    now = datetime.combine(around, time(), UTC) + apart * MINUTE
    first = now
    while first - now < EIGHT_DAYS and any(quiet_in(quiet, quiet.zone or zone, around, first) for quiet in chosen):
        first += MINUTE
    until = quiet_until(chosen, zone, now + timedelta(seconds=seconds))
    if first - now < EIGHT_DAYS:
        assert until == (None if first == now else first)
    else:
        assert until is not None
        assert until >= first
    assert until is None or until.tzinfo is UTC


def quiet_in(quiet: QuietHours, zone: str, around: date, moment: datetime) -> bool:
    clock = days_of(zone, around)
    return clock.quiet(quiet, clock.at(moment))


def test_search_for_the_end_of_quiet_hours_stops_after_eight_days() -> None:
    now = utc("2026-06-01 12:00")
    until = quiet_until([QuietHours(EVERY, 0, 1440)], "UTC", now)
    assert until is not None
    assert EIGHT_DAYS <= until - now <= EIGHT_DAYS + DAY


@pytest.mark.parametrize(
    ("text", "zone", "endless"),
    [
        ("weekend + weekdays", PARIS, True),
        ("22:00-07:00", PARIS, False),
        ("00:00-23:59", PARIS, False),
        ("00:00-24:00", PARIS, True),
        ("07:00-22:00 + 22:00-07:00", PARIS, True),
        ("07:00-22:00 + 22:01-07:00", PARIS, False),
        ("mon-sat + sun 00:00-23:59", PARIS, False),
        ("mon-sat + sun", SANTIAGO, True),
        ("00:00-12:00 Europe/Paris + 12:00-24:00 Africa/Lagos", "UTC", True),  # in winter
        ("00:00-12:00 Africa/Lagos + 13:00-01:00 Europe/Paris", "UTC", True),  # in summer
        ("00:00-12:00 Asia/Kolkata + 12:00-24:00 Africa/Lagos", "UTC", False),
    ],
)
def test_quiet_hours_without_an_end_are_detected(text: str, zone: str, endless: bool) -> None:
    assert never_ends([parse_quiet(part) for part in text.split(" + ")], zone) is endless


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
