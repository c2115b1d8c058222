"""Time zones, the moments when their clocks change, and spans of days, for tests of quiet hours and schedules."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from hypothesis import strategies as some

from chalicelib.domain.schedule import QuietHours, Schedule

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


days = some.sets(some.integers(0, 6), min_size=1).map(lambda chosen: tuple(sorted(chosen)))
near = some.sampled_from([0, 15, 30, 60, 90, 105, 120, 135, 150, 165, 180, 210, 1380, 1395, 1410])
minutes = near | some.integers(0, 1439)
zones = some.sampled_from(("", "", *ZONES))
