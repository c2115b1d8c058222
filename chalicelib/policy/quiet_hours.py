"""Recurring hours: when a reader wants quiet, and when their digests go out, in IANA zones and right over changes of the clock.

A wall time that the clock skips in spring is the first moment after the gap. Of one that comes twice in autumn a digest and
a quiet's beginning take the first, a quiet's end the second: quiet is never shorter than it reads, a digest goes out once.
"hourly" is each full hour that the clock shows, as often as it shows it.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from ..domain.schedule import DAY_MINUTES, DAYS, EVERY_DAY, NAMED_DAYS, Quiet, Schedule

LONGEST = timedelta(days=8)  # quiet that goes on for so long never ends
_DAY = "|".join(DAYS)
_DAYS = re.compile(rf"({_DAY})(?:-({_DAY}))?")
_TIME = r"([01][0-9]|2[0-4]):([0-5][0-9])"
_SPAN = re.compile(rf"{_TIME}-{_TIME}")
_AT = re.compile(_TIME)
_MINUTE = timedelta(minutes=1)
_WEEKS = (datetime(2026, 1, 12, tzinfo=UTC), datetime(2026, 6, 8, tzinfo=UTC))  # far from most changes of the clocks


def parse_quiet(text: str) -> Quiet:
    """Read "22:00-07:00", "weekdays 18:00-09:00", "sat-sun", "weekend", with an IANA zone at the end or without.

    Raises:
        ValueError: it is none of them.
    """
    words, zone = words_and_zone(text)
    times = _SPAN.fullmatch(words[-1]) if words else None
    days = days_named(words[:-1] if times else words)
    if not days or (not times and not words):
        raise ValueError(f"{text!r} is no quiet time")
    if not times:
        return Quiet(days, 0, DAY_MINUTES, zone)
    start, end = _minutes(times[1], times[2], text), _minutes(times[3], times[4], text)
    if start == end:
        raise ValueError(f"{text!r} has no length")
    if start == DAY_MINUTES:
        raise ValueError(f"{text!r}: a day begins at 00:00")
    return Quiet(days, start, end, zone)


def parse_schedule(text: str) -> Schedule:
    """Read "daily 08:00", "weekdays 08:00", "weekly mon 09:00" or "hourly", with an IANA zone at the end or without.

    Raises:
        ValueError: it is none of them.
    """
    words, zone = words_and_zone(text)
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
    raise ValueError(f"{text!r} is no time for digests")


def quiet_until(quiets: Iterable[Quiet], zone: str, now: datetime) -> datetime | None:
    """The first moment (UTC) that is in none of these; None when `now` is in none. `zone` is the reader's.

    What never ends is followed for LONGEST.
    """
    all_, at = list(quiets), now
    while at - now < LONGEST:
        ends = [end for quiet in all_ for begin, end in _spans(quiet, quiet.zone or zone, at) if begin <= at < end]
        if not ends:
            break
        at = max(ends)
    return at if at != now else None


def always(quiets: Iterable[Quiet], zone: str) -> bool:
    """Whether these leave no time of a week, be it only in summer or in winter: zones change their clocks apart."""
    all_ = list(quiets)
    untils = [(begin, quiet_until(all_, zone, begin)) for begin in _WEEKS]
    return any(until is not None and until - begin >= LONGEST for begin, until in untils)


def next_time(schedule: Schedule, zone: str, after: datetime) -> datetime:
    """The schedule's first moment (UTC) that is later than `after`."""
    there = zone_of(schedule.zone or zone)
    local = after.astimezone(there)
    if schedule.every == "hour":
        hour = local.replace(tzinfo=None, minute=0, second=0, microsecond=0)
        walls = [hour + timedelta(hours=each) for each in range(-2, 5)]
        return min(at for wall in walls for at in shown_at(wall, there) if at > after)
    day = local.date() - timedelta(days=1)
    while True:
        if day.weekday() in schedule.days and (at := moment_of(day, schedule.minute, there)) > after:
            return at
        day += timedelta(days=1)


def _spans(quiet: Quiet, zone: str, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The spans that began on the local day of a moment, or on the two before."""
    there = zone_of(zone)
    today = at.astimezone(there).date()
    for day in (today - timedelta(days=2), today - timedelta(days=1), today):
        if day.weekday() in quiet.days:
            over = 1 if quiet.end <= quiet.start else 0
            yield moment_of(day, quiet.start, there), moment_of(day + timedelta(days=over), quiet.end, there, last=True)


def moment_of(day: date, minute: int, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """A wall time as UTC: of two the first or the last; of none the first moment after the gap."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    found = shown_at(wall, zone)
    if found:
        return max(found) if last else min(found)
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)  # in a gap this is before it, and fold=0 after it
    after = wall.replace(tzinfo=zone).astimezone(UTC)
    new = after.astimezone(zone).utcoffset()
    while (after - _MINUTE).astimezone(zone).utcoffset() == new and after > before:
        after -= _MINUTE
    return after


def shown_at(wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """The moments (UTC) at which a clock in that zone shows this: one, two, or none."""
    moments = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(at for at in moments if at.astimezone(zone).replace(tzinfo=None) == wall)


def words_and_zone(text: str) -> tuple[list[str], str]:
    """The words of a text in small letters, and the zone that it ends with, "" where it does not.

    Raises:
        ValueError: it ends with what looks like a zone and is none.
    """
    words = text.split()
    if words and ("/" in words[-1] or words[-1] == "UTC"):
        try:
            zone_of(words[-1])
        except (OSError, ValueError, KeyError):
            raise ValueError(f"{words[-1]!r} is not a time zone of the IANA list") from None
        return [word.lower() for word in words[:-1]], words[-1]
    return [word.lower() for word in words], ""


def days_named(words: list[str]) -> tuple[int, ...]:
    """The days that words name; all of them where there are none, none where a word is no day."""
    if not words:
        return EVERY_DAY
    found: set[int] = set()
    for word in words:
        if word in NAMED_DAYS:
            found.update(NAMED_DAYS[word])
            continue
        named = _DAYS.fullmatch(word)
        if not named:
            return ()
        first, last = DAYS.index(named[1]), DAYS.index(named[2] or named[1])
        found.update(each % 7 for each in range(first, last + (1 if last >= first else 8)))
    return tuple(sorted(found))


def _minutes(hours: str, minutes: str, text: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if total > DAY_MINUTES:
        raise ValueError(f"{text!r}: a day ends at 24:00")
    return total


@cache
def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name; OSError, ValueError or KeyError where there is none."""
    return ZoneInfo(name)
