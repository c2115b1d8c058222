"""Recurring times of a person or rule: quiet hours and digests, in IANA zones and correct when the clocks change.

A wall time that spring skips is the first moment after the gap. If autumn shows it twice, digests and the start of quiet hours
use the first, the end of quiet hours the second: quiet hours are never shorter than written, and a digest is sent once.
"hourly" is every full hour the clock shows, as often as it shows it.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from ..domain.schedule import DAY_MINUTES, DAYS, NAMED_DAYS, QuietHours, Schedule
from .wall_clock import moments_showing, parse_days, split_zone, utc_of, zone_of

MAX_QUIET = timedelta(days=8)  # quiet hours that last this long never end
_TIME = r"([01][0-9]|2[0-4]):([0-5][0-9])"
_SPAN = re.compile(rf"{_TIME}-{_TIME}")
_AT = re.compile(_TIME)
_SAMPLE_WEEKS = (datetime(2026, 1, 12, tzinfo=UTC), datetime(2026, 6, 8, tzinfo=UTC))  # far from most clock changes


def parse_quiet(text: str) -> QuietHours:
    """Read "22:00-07:00", "weekdays 18:00-09:00", "sat-sun" or "weekend", optionally with an IANA zone at the end.

    Raises:
        ValueError: any other text.
    """
    words, zone = split_zone(text)
    span = _SPAN.fullmatch(words[-1]) if words else None
    days = parse_days(words[:-1] if span else words)
    if not days or (not span and not words):
        raise ValueError(f"invalid quiet hours {text!r}")
    if not span:
        return QuietHours(days, 0, DAY_MINUTES, zone)
    start, end = _minutes(span[1], span[2], text), _minutes(span[3], span[4], text)
    if start == end:
        raise ValueError(f"{text!r}: start and end are the same")
    if start == DAY_MINUTES:
        raise ValueError(f"{text!r}: a day starts at 00:00")
    return QuietHours(days, start, end, zone)


def parse_schedule(text: str) -> Schedule:
    """Read "daily 08:00", "weekdays 08:00", "weekly mon 09:00" or "hourly", optionally with an IANA zone at the end.

    Raises:
        ValueError: any other text.
    """
    words, zone = split_zone(text)
    if words == ["hourly"]:
        return Schedule("hour", zone=zone)
    at = _AT.fullmatch(words[-1]) if len(words) > 1 else None
    if at:
        minute = _minutes(at[1], at[2], text)
        if minute < DAY_MINUTES:
            if len(words) == 2 and words[0] in ("daily", "weekdays"):
                return Schedule("day", NAMED_DAYS[words[0]], minute, zone)
            if len(words) == 3 and words[0] == "weekly" and words[1] in DAYS:
                return Schedule("week", (DAYS.index(words[1]),), minute, zone)
    raise ValueError(f"invalid digest time {text!r}")


def quiet_until(quiet_hours: Iterable[QuietHours], zone: str, now: datetime) -> datetime | None:
    """Return the first moment (UTC) outside all quiet hours; None if `now` is outside. `zone` is the recipient's.

    The search stops after MAX_QUIET.
    """
    hours, at = list(quiet_hours), now
    while at - now < MAX_QUIET:
        ends = [end for quiet in hours for begin, end in _spans(quiet, quiet.zone or zone, at) if begin <= at < end]
        if not ends:
            break
        at = max(ends)
    return at if at != now else None


def never_ends(quiet_hours: Iterable[QuietHours], zone: str) -> bool:
    """Whether quiet hours cover all of a week, in winter or in summer: zones change their clocks on different dates."""
    hours = list(quiet_hours)
    ends = [(start, quiet_until(hours, zone, start)) for start in _SAMPLE_WEEKS]
    return any(end is not None and end - start >= MAX_QUIET for start, end in ends)


def next_time(schedule: Schedule, zone: str, after: datetime) -> datetime:
    """Return the schedule's first moment (UTC) later than `after`."""
    zone_info = zone_of(schedule.zone or zone)
    local = after.astimezone(zone_info)
    if schedule.every == "hour":
        hour = local.replace(tzinfo=None, minute=0, second=0, microsecond=0)
        full_hours = [hour + timedelta(hours=offset) for offset in range(-2, 5)]
        return min(at for full_hour in full_hours for at in moments_showing(full_hour, zone_info) if at > after)
    day = local.date() - timedelta(days=1)
    while True:
        if day.weekday() in schedule.days and (at := utc_of(day, schedule.minute, zone_info)) > after:
            return at
        day += timedelta(days=1)


def _spans(quiet: QuietHours, zone: str, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The spans that began on the local day of a moment, or on the two days before."""
    zone_info = zone_of(zone)
    today = at.astimezone(zone_info).date()
    for day in (today - timedelta(days=2), today - timedelta(days=1), today):
        if day.weekday() in quiet.days:
            days_later = 1 if quiet.end <= quiet.start else 0
            end = utc_of(day + timedelta(days=days_later), quiet.end, zone_info, last=True)
            yield utc_of(day, quiet.start, zone_info), end


def _minutes(hours: str, minutes: str, text: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if total > DAY_MINUTES:
        raise ValueError(f"{text!r}: a day ends at 24:00")
    return total
