"""When something is expected: deadlines in wall time, in IANA zones and correct when the clocks change.

A deadline that spring skips is the first moment after the gap. If autumn shows it twice, the deadline is the second: nothing is
late before its last chance. "hourly" is that minute of every hour the clock shows, as often as it shows it. A day of the month
that a month does not have is not expected in it.
Source of cron's five fields: crontab(5) of Debian, which cronsim follows. cronsim only gets wall times without a zone, so that
skipped and repeated times are handled the same in every form.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from msgspec import Struct

from ..domain.schedule import DAYS, EVERY_DAY, WORK_DAYS, clock_time, day_names
from .wall_clock import moments_showing, parse_days, split_zone, utc_of, zone_of

_AT = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MINUTE_OF_HOUR = re.compile(r":([0-5][0-9])")
_DAY_OF_MONTH = re.compile(r"[1-9][0-9]?")
_HOLIDAY = re.compile(r"([0-9]{4}-)?[0-9]{2}-[0-9]{2}")
_LEAP_YEAR = "2024-"
_CRON_FIELDS = 5
_MAX_FOLD = timedelta(hours=3)  # more than any zone sets its clock back
_SEARCHED_HOURS = 30  # for an hourly moment: more than any zone sets its clock forward
_SEARCHED_DAYS = 9 * 366  # for a day: 29 February is at most eight years away
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class RecurringDeadline(Struct, frozen=True):
    """One recurring deadline."""

    every: Literal["day", "month", "hour", "cron"]
    zone: str
    days: tuple[int, ...] = EVERY_DAY  # of the week, 0 is Monday
    business: bool = False  # not on holidays
    day: int = 0  # of the month; 0 is the last
    minute: int = 0  # of the day, or of the hour
    cron: str = ""  # the five fields

    def __str__(self) -> str:
        if self.every == "cron":
            return f"cron {self.cron} {self.zone}"
        if self.every == "hour":
            return f"hourly by :{self.minute:02} {self.zone}"
        if self.every == "month":
            days = f"monthly {self.day or 'last'}"
        else:
            days = "business days" if self.business else day_names(self.days, "daily")
        return f"{days} by {clock_time(self.minute)} {self.zone}"


class Expectation(Struct, frozen=True):
    """Every moment at which something is expected."""

    deadlines: tuple[RecurringDeadline, ...]
    holidays: tuple[str, ...] = ()  # "2026-01-26", or "12-25" for every year

    @property
    def business(self) -> bool:
        """Whether holidays matter."""
        return any(deadline.business for deadline in self.deadlines)

    def __str__(self) -> str:
        return ", ".join(map(str, self.deadlines))


class _Due(Struct, frozen=True, order=True):
    at: datetime  # UTC
    wall_time: datetime  # what the clock should show, without a zone
    zone: str


def parse_expectation(text: str | Sequence[str], zone: str, holidays: Sequence[str] = ()) -> Expectation:
    """Read "daily by 08:00", "mon wed fri by 09:00", "business days by 06:00", "monthly last by 18:00", "hourly by :15" or
    "cron 0 6 * * 1-5", or several of them, with an IANA zone at the end or in `zone`.

    Raises:
        ValueError: any other text, a time that never occurs, or business days without holidays.
    """
    texts = [text] if isinstance(text, str) else list(text)
    if not texts:
        raise ValueError("no time given")
    deadlines = tuple(dict.fromkeys(_parse(deadline, zone) for deadline in texts))
    expectation = Expectation(deadlines, parse_holidays(holidays))
    if expectation.business and not expectation.holidays:
        raise ValueError("business days require a list of holidays")
    for deadline in expectation.deadlines:
        if _nearest(deadline, expectation.holidays, _SOME_DAY, 1) is None:
            raise ValueError(f"{str(deadline)!r} never occurs")
    return expectation


def parse_holidays(entries: Sequence[str]) -> tuple[str, ...]:
    """Check a list of holidays: "2026-01-26", or "12-25" for every year.

    Raises:
        ValueError: one is not a date.
    """
    for entry in entries:
        if not _is_date(entry):
            raise ValueError(f"invalid holiday {entry!r}")
    return tuple(entries)


def next_due(expectation: Expectation, after: datetime) -> datetime:
    """Return the first due moment (UTC) later than `after`."""
    return _nearest_of_all(expectation, after, 1).at


def previous_due(expectation: Expectation, at: datetime) -> datetime:
    """Return the last due moment (UTC) at or before `at`."""
    return _nearest_of_all(expectation, at, -1).at


def wall_time_of(expectation: Expectation, due: datetime) -> tuple[datetime, str]:
    """Return the wall time, without a zone, that a due moment was computed from, and its zone: the day is as configured."""
    nearest = _nearest_of_all(expectation, due, -1)
    return nearest.wall_time, nearest.zone


def _is_date(entry: str) -> bool:
    match = _HOLIDAY.fullmatch(entry)
    try:
        return bool(match) and bool(date.fromisoformat(entry if match and match[1] else _LEAP_YEAR + entry))
    except ValueError:
        return False


def _nearest_of_all(expectation: Expectation, at: datetime, step: int) -> _Due:
    nearest = [_nearest(deadline, expectation.holidays, at, step) for deadline in expectation.deadlines]
    dues = [due for due in nearest if due is not None]
    if not dues:
        raise ValueError(f"{expectation} never occurs again")
    return min(dues) if step > 0 else max(dues)


def _nearest(deadline: RecurringDeadline, holidays: tuple[str, ...], at: datetime, step: int) -> _Due | None:
    """The first due moment after `at` (step 1), or the last at or before it (step -1)."""
    zone = zone_of(deadline.zone)
    local = at.astimezone(zone).replace(tzinfo=None)
    if deadline.every == "hour":
        dues = (
            _Due(moment, wall_time, deadline.zone)
            for wall_time in _hours(deadline, local, step)
            for moment in moments_showing(wall_time, zone)
        )
        return (min if step > 0 else max)((due for due in dues if (due.at > at) == (step > 0)), default=None)
    for wall_time in _cron(deadline, local, step) if deadline.every == "cron" else _days(deadline, holidays, local, step):
        moment = utc_of(wall_time.date(), wall_time.hour * 60 + wall_time.minute, zone, last=True)
        if (moment > at) == (step > 0):
            return _Due(moment, wall_time, deadline.zone)
    return None


def _hours(deadline: RecurringDeadline, local: datetime, step: int) -> Iterator[datetime]:
    hour = local.replace(minute=deadline.minute, second=0, microsecond=0)
    return (hour + timedelta(hours=offset * step) for offset in range(-4, _SEARCHED_HOURS))


def _days(deadline: RecurringDeadline, holidays: tuple[str, ...], local: datetime, step: int) -> Iterator[datetime]:
    for offset in range(-1, _SEARCHED_DAYS):
        day = local.date() + timedelta(days=offset * step)
        if _occurs_on(deadline, holidays, day):
            yield datetime.combine(day, time()) + timedelta(minutes=deadline.minute)


def _occurs_on(deadline: RecurringDeadline, holidays: tuple[str, ...], day: date) -> bool:
    if deadline.every == "month":
        return day.day == deadline.day if deadline.day else (day + timedelta(days=1)).day == 1
    if deadline.business and (day.isoformat() in holidays or f"{day:%m-%d}" in holidays):
        return False
    return day.weekday() in deadline.days


def _cron(deadline: RecurringDeadline, local: datetime, step: int) -> Iterator[datetime]:
    from cronsim import CronSim  # only if the settings use cron

    start = local - _MAX_FOLD if step > 0 else local + timedelta(minutes=1)
    return CronSim(deadline.cron, start, reverse=step < 0)


def _parse(text: str, zone: str) -> RecurringDeadline:
    raw = text.split()
    if raw and raw[0].lower() == "cron":
        return _parse_cron(raw[1:], text, zone)
    words, own_zone = split_zone(text)
    zone = own_zone or zone
    if len(words) >= 3 and words[-2] == "by":
        minute = _MINUTE_OF_HOUR.fullmatch(words[-1])
        if minute and words[:-2] == ["hourly"]:
            return RecurringDeadline("hour", zone, minute=int(minute[1]))
        at = _AT.fullmatch(words[-1])
        if at:
            return _parse_days(words[:-2], int(at[1]) * 60 + int(at[2]), text, zone)
        if words[-1] == "24:00":
            raise ValueError(f"{text!r}: the last minute of a day is 23:59")
    raise ValueError(f"invalid expected time {text!r}")


def _parse_days(words: list[str], minute: int, text: str, zone: str) -> RecurringDeadline:
    if words == ["business", "days"]:
        return RecurringDeadline("day", zone, WORK_DAYS, business=True, minute=minute)
    if words[0] == "monthly":
        return RecurringDeadline("month", zone, day=_parse_day_of_month(words[1:], text), minute=minute)
    days = parse_days(words)
    if not days:
        raise ValueError(f"{text!r}: unknown days; use {', '.join(DAYS)}, daily, weekdays, weekend, business days or monthly")
    return RecurringDeadline("day", zone, days, minute=minute)


def _parse_day_of_month(words: list[str], text: str) -> int:
    if words == ["last"]:
        return 0
    if len(words) != 1 or not _DAY_OF_MONTH.fullmatch(words[0]):
        raise ValueError(f"{text!r}: invalid day of the month; use 1 to 31 or last")
    if int(words[0]) > 31:
        raise ValueError(f"{text!r}: no month has a day {words[0]}")
    return int(words[0])


def _parse_cron(words: list[str], text: str, zone: str) -> RecurringDeadline:
    fields, own_zone = words[:_CRON_FIELDS], words[_CRON_FIELDS:]
    if len(fields) < _CRON_FIELDS or len(own_zone) > 1:
        raise ValueError(f"{text!r}: cron takes five fields and an optional zone")
    if own_zone and not split_zone(own_zone[0])[1]:
        raise ValueError(f"unknown time zone {own_zone[0]!r}")
    from cronsim import CronSim, CronSimError

    cron = " ".join(fields)
    try:
        CronSim(cron, _SOME_DAY.replace(tzinfo=None))
    except CronSimError as error:
        raise ValueError(f"invalid cron expression {text!r}: {str(error).lower()}") from error
    except (AssertionError, ValueError) as error:  # for example a number of thousands of digits
        raise ValueError(f"invalid cron expression {text!r}") from error
    return RecurringDeadline("cron", own_zone[0] if own_zone else zone, cron=cron)
