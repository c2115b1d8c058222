"""When something is expected: deadlines by wall clocks, in IANA zones and right over changes of the clock.

A wall time that the clock skips in spring is the first moment after the gap. Of one that comes twice in autumn a deadline is the
second: nobody is late before the last chance. "hourly" is the minute of each hour that the clock shows, as often as it shows it.
A day of the month that a month does not have is not expected in it.
Source of cron's five fields: crontab(5) of Debian, which cronsim follows. It is asked for bare wall times: what becomes of one
that is skipped or comes twice is the same here for all forms.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from msgspec import Struct

from ..domain.schedule import DAYS, clock_words, day_words
from .quiet_hours import days_named, moment_of, shown_at, words_and_zone, zone_of

_EVERY, _WORK = tuple(range(7)), tuple(range(5))
_AT = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_PAST = re.compile(r":([0-5][0-9])")
_DAY_OF_MONTH = re.compile(r"[1-9][0-9]?")
_HOLIDAY = re.compile(r"([0-9]{4}-)?[0-9]{2}-[0-9]{2}")
_LEAP = "2024-"
_CRON_FIELDS = 5
_LONGEST_FOLD = timedelta(hours=3)  # more than any zone's clock is put back
_HOURS = 30  # looked through for an hourly moment: more than any zone's clock is put forward
_DAYS = 9 * 366  # looked through for a day: 29 February is at most eight years away
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class Times(Struct, frozen=True):
    """One recurring deadline."""

    every: Literal["day", "month", "hour", "cron"]
    zone: str
    days: tuple[int, ...] = _EVERY  # of the week, 0 is Monday
    business: bool = False  # not on holidays
    day: int = 0  # of the month; 0 is the last
    minute: int = 0  # of the day, or of the hour
    cron: str = ""  # its five fields

    def __str__(self) -> str:
        if self.every == "cron":
            return f"cron {self.cron} {self.zone}"
        if self.every == "hour":
            return f"hourly by :{self.minute:02} {self.zone}"
        if self.every == "month":
            days = f"monthly {self.day or 'last'}"
        else:
            days = "business days" if self.business else day_words(self.days, "daily")
        return f"{days} by {clock_words(self.minute)} {self.zone}"


class Expectation(Struct, frozen=True):
    """All moments at which something is expected."""

    times: tuple[Times, ...]
    holidays: tuple[str, ...] = ()  # "2026-01-26", or each year's "12-25"

    @property
    def business(self) -> bool:
        """Whether holidays matter to it."""
        return any(each.business for each in self.times)

    def __str__(self) -> str:
        return ", ".join(map(str, self.times))


class _Due(Struct, frozen=True, order=True):
    at: datetime  # UTC
    wall: datetime  # what the clock was to show, without a zone
    zone: str


def parse_expectation(text: str | Sequence[str], zone: str, holidays: Sequence[str] = ()) -> Expectation:
    """Read "daily by 08:00", "mon wed fri by 09:00", "business days by 06:00", "monthly last by 18:00", "hourly by :15" or
    "cron 0 6 * * 1-5", with an IANA zone at the end or in `zone`; or several of them.

    Raises:
        ValueError: it is none of them, has no holidays and needs them, or never comes.
    """
    texts = [text] if isinstance(text, str) else list(text)
    if not texts:
        raise ValueError("it names no time")
    found = Expectation(tuple(dict.fromkeys(_parsed(each, zone) for each in texts)), parse_holidays(holidays))
    if found.business and not found.holidays:
        raise ValueError("business days are those that are no holidays, and no holidays are named")
    for times in found.times:
        if _nearest(times, found.holidays, _SOME_DAY, 1) is None:
            raise ValueError(f"{str(times)!r} never comes")
    return found


def parse_holidays(entries: Sequence[str]) -> tuple[str, ...]:
    """Check a list of holidays: "2026-01-26", or "12-25" for each year.

    Raises:
        ValueError: one is no date.
    """
    for entry in entries:
        if not _is_day(entry):
            raise ValueError(f"{entry!r} is no date of a holiday")
    return tuple(entries)


def next_due(expectation: Expectation, after: datetime) -> datetime:
    """The first moment (UTC) later than `after` at which something is expected."""
    return _found(expectation, after, 1).at


def previous_due(expectation: Expectation, at: datetime) -> datetime:
    """The last moment (UTC), `at` itself or before it, at which something is expected."""
    return _found(expectation, at, -1).at


def wall_of(expectation: Expectation, due: datetime) -> tuple[datetime, str]:
    """The wall time that a due moment stands for, without a zone, and the zone: the day is the one that was meant."""
    found = _found(expectation, due, -1)
    return found.wall, found.zone


def _is_day(entry: str) -> bool:
    found = _HOLIDAY.fullmatch(entry)
    try:
        return bool(found) and bool(date.fromisoformat(entry if found and found[1] else _LEAP + entry))
    except ValueError:
        return False


def _found(expectation: Expectation, at: datetime, step: int) -> _Due:
    each = [_nearest(times, expectation.holidays, at, step) for times in expectation.times]
    dues = [due for due in each if due is not None]
    if not dues:
        raise ValueError(f"{expectation} does not come any more")
    return min(dues) if step > 0 else max(dues)


def _nearest(times: Times, holidays: tuple[str, ...], at: datetime, step: int) -> _Due | None:
    """The first due moment after `at` (step 1), or the last that is not after it (step -1)."""
    there = zone_of(times.zone)
    local = at.astimezone(there).replace(tzinfo=None)
    if times.every == "hour":
        near = (_Due(moment, wall, times.zone) for wall in _hours(times, local, step) for moment in shown_at(wall, there))
        return (min if step > 0 else max)((due for due in near if (due.at > at) == (step > 0)), default=None)
    for wall in _cron(times, local, step) if times.every == "cron" else _days(times, holidays, local, step):
        moment = moment_of(wall.date(), wall.hour * 60 + wall.minute, there, last=True)
        if (moment > at) == (step > 0):
            return _Due(moment, wall, times.zone)
    return None


def _hours(times: Times, local: datetime, step: int) -> Iterator[datetime]:
    hour = local.replace(minute=times.minute, second=0, microsecond=0)
    return (hour + timedelta(hours=each * step) for each in range(-4, _HOURS))


def _days(times: Times, holidays: tuple[str, ...], local: datetime, step: int) -> Iterator[datetime]:
    for each in range(-1, _DAYS):
        day = local.date() + timedelta(days=each * step)
        if _comes(times, holidays, day):
            yield datetime.combine(day, time()) + timedelta(minutes=times.minute)


def _comes(times: Times, holidays: tuple[str, ...], day: date) -> bool:
    if times.every == "month":
        return day.day == times.day if times.day else (day + timedelta(days=1)).day == 1
    if times.business and (day.isoformat() in holidays or f"{day:%m-%d}" in holidays):
        return False
    return day.weekday() in times.days


def _cron(times: Times, local: datetime, step: int) -> Iterator[datetime]:
    from cronsim import CronSim  # only where the settings have one

    start = local - _LONGEST_FOLD if step > 0 else local + timedelta(minutes=1)
    return CronSim(times.cron, start, reverse=step < 0)


def _parsed(text: str, zone: str) -> Times:
    raw = text.split()
    if raw and raw[0].lower() == "cron":
        return _parsed_cron(raw[1:], text, zone)
    words, own = words_and_zone(text)
    zone = own or zone
    if len(words) >= 3 and words[-2] == "by":
        past = _PAST.fullmatch(words[-1])
        if past and words[:-2] == ["hourly"]:
            return Times("hour", zone, minute=int(past[1]))
        at = _AT.fullmatch(words[-1])
        if at:
            return _parsed_days(words[:-2], int(at[1]) * 60 + int(at[2]), text, zone)
        if words[-1] == "24:00":
            raise ValueError(f"{text!r}: a day's last minute is 23:59")
    raise ValueError(f"{text!r} is no time at which something is expected")


def _parsed_days(words: list[str], minute: int, text: str, zone: str) -> Times:
    if words == ["business", "days"]:
        return Times("day", zone, _WORK, business=True, minute=minute)
    if words[0] == "monthly":
        return Times("month", zone, day=_day_of_month(words[1:], text), minute=minute)
    days = days_named(words)
    if not days:
        raise ValueError(f"{text!r} names no days: {', '.join(DAYS)}, daily, weekdays, weekend, business days, monthly")
    return Times("day", zone, days, minute=minute)


def _day_of_month(words: list[str], text: str) -> int:
    if words == ["last"]:
        return 0
    if len(words) != 1 or not _DAY_OF_MONTH.fullmatch(words[0]):
        raise ValueError(f"{text!r} names no day of the month")
    if int(words[0]) > 31:
        raise ValueError(f"{text!r}: no month has a day {words[0]}")
    return int(words[0])


def _parsed_cron(words: list[str], text: str, zone: str) -> Times:
    fields, own = words[:_CRON_FIELDS], words[_CRON_FIELDS:]
    if len(fields) < _CRON_FIELDS or len(own) > 1:
        raise ValueError(f"{text!r}: after cron come five fields, and a zone or none")
    if own and not words_and_zone(own[0])[1]:
        raise ValueError(f"{own[0]!r} is not a time zone of the IANA list")
    from cronsim import CronSim, CronSimError

    cron = " ".join(fields)
    try:
        CronSim(cron, _SOME_DAY.replace(tzinfo=None))
    except CronSimError as error:
        raise ValueError(f"{text!r} cannot be: {str(error).lower()}") from error
    except (AssertionError, ValueError) as error:  # of a number of thousands of digits, say
        raise ValueError(f"{text!r} cannot be read") from error
    return Times("cron", own[0] if own else zone, cron=cron)
