"""Wall times, zones and days: what a clock in an IANA zone shows, also when the clocks change."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from ..domain.schedule import DAYS, EVERY_DAY, NAMED_DAYS

_DAY = "|".join(DAYS)
_DAYS = re.compile(rf"({_DAY})(?:-({_DAY}))?")
_MINUTE = timedelta(minutes=1)


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return the zone with an IANA name.

    Raises:
        OSError, ValueError, KeyError: unknown name.
    """
    return ZoneInfo(name)


def utc_of(day: date, minute: int, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """Return the moment (UTC) of a wall time: the first or last if the clock shows it twice, the end of the gap if never."""
    wall_time = datetime.combine(day, time()) + timedelta(minutes=minute)
    moments = moments_showing(wall_time, zone)
    if moments:
        return max(moments) if last else min(moments)
    before = wall_time.replace(tzinfo=zone, fold=1).astimezone(UTC)  # in a gap, fold=1 is before it and fold=0 after it
    after = wall_time.replace(tzinfo=zone).astimezone(UTC)
    offset = after.astimezone(zone).utcoffset()
    while (after - _MINUTE).astimezone(zone).utcoffset() == offset and after > before:
        after -= _MINUTE
    return after


def moments_showing(wall_time: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return every moment (UTC) at which a clock in a zone shows a wall time: one, two or none."""
    moments = {wall_time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(at for at in moments if at.astimezone(zone).replace(tzinfo=None) == wall_time)


def split_zone(text: str) -> tuple[list[str], str]:
    """Split a text into its words in lower case and the zone at its end, "" if it has none.

    Raises:
        ValueError: the last word looks like a zone but is unknown.
    """
    words = text.split()
    if words and ("/" in words[-1] or words[-1] == "UTC"):
        try:
            zone_of(words[-1])
        except (OSError, ValueError, KeyError):
            raise ValueError(f"unknown time zone {words[-1]!r}") from None
        return [word.lower() for word in words[:-1]], words[-1]
    return [word.lower() for word in words], ""


def parse_days(words: list[str]) -> tuple[int, ...]:
    """Return the days of the week that words name: every day for no words, none if a word is not a day."""
    if not words:
        return EVERY_DAY
    days: set[int] = set()
    for word in words:
        if word in NAMED_DAYS:
            days.update(NAMED_DAYS[word])
            continue
        match = _DAYS.fullmatch(word)
        if not match:
            return ()
        first, last = DAYS.index(match[1]), DAYS.index(match[2] or match[1])
        days.update(day % 7 for day in range(first, last + (1 if last >= first else 8)))
    return tuple(sorted(days))
