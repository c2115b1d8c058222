"""Bars of charts: what came in each hour, or in each folder. The largest is as wide as the chart.

Takes what render has made fit to show: dicts shaped as Summary and Share are.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from ..platform.phrases import counted

MOST_HOURS = 48  # more are told by day
MOST_DAYS = 62  # more are told by month
_GAP = 3  # so many steps without a file are one row
_HOUR = timedelta(hours=1)
_YEAR = 12  # months

Label = Callable[[int, int | None], str]  # of a step, and the one before it


class Bar(Struct, frozen=True):
    """One row of a chart. `width` is per cent of the largest, at least 1 where there is anything."""

    label: str
    files: int
    width: int
    size: int = 0


class Chart(Struct, frozen=True):
    """Rows in the order of time. `unit` is what each is of: an hour, a day, a month."""

    unit: str
    bars: tuple[Bar, ...]


def moment_of(hour: str) -> datetime:
    """The beginning of an hour: "2026-11-23T10"."""
    return datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC)


def over_time(hours: Iterable[dict[str, Any]], zone: str) -> Chart:
    """A chart of hours (UTC) in a reader's zone. Steps without a file are shown, many of them as one row."""
    there = ZoneInfo(zone)
    files = [(moment_of(share["name"]), share["files"]) for share in hours]
    spans = max(files)[0] - min(files)[0] if files else timedelta()
    if spans < MOST_HOURS * _HOUR:
        days = {at.astimezone(there).date() for at, _ in files}
        return Chart("hour", _bars(files, lambda at: int(at.timestamp()) // 3600, _by_hour(there, dated=len(days) > 1)))
    if spans < timedelta(days=MOST_DAYS):
        return Chart("day", _bars(files, lambda at: at.astimezone(there).toordinal(), _day))
    return Chart("month", _bars(files, lambda at: _month_number(at.astimezone(there)), _month))


def by_folder(summary: dict[str, Any]) -> tuple[Bar, ...]:
    """The bars of a summary's folders, and one of those that it does not name."""
    rows = [(share["name"] or "(top)", share["files"], share["size"]) for share in summary["folders"]]
    if summary["more_folders"]:
        files, size = (summary[what] - sum(share[what] for share in summary["folders"]) for what in ("files", "size"))
        rows.append((counted(summary["more_folders"], "more folder"), max(files, 0), max(size, 0)))
    largest = max((files for _, files, _ in rows), default=0)
    return tuple(Bar(label, files, _width(files, largest), size) for label, files, size in rows)


def _bars(files: list[tuple[datetime, int]], step_of: Callable[[datetime], int], label: Label) -> tuple[Bar, ...]:
    """A bar for each step of time from the first to the last; what has the same number is one step."""
    steps: Counter[int] = Counter()
    for at, count in files:
        steps[step_of(at)] += count
    largest, bars, before = max(steps.values(), default=0), list[Bar](), None
    for step in sorted(steps):
        following = step if before is None else before + 1
        if step - following >= _GAP:
            bars.append(Bar("…", 0, 0))
            following = step
        for each in range(following, step + 1):
            bars.append(Bar(label(each, before), steps[each], _width(steps[each], largest)))
            before = each
    return tuple(bars)


def _by_hour(zone: ZoneInfo, *, dated: bool) -> Label:
    """Where there are several days, the first hour of each has its date."""

    def label(number: int, before: int | None) -> str:
        at = datetime.fromtimestamp(number * 3600, zone)
        new = before is None or datetime.fromtimestamp(before * 3600, zone).date() != at.date()
        return f"{at.day} {at:%b, %H:%M}" if dated and new else f"{at:%H:%M}"

    return label


def _day(number: int, _: int | None) -> str:
    day = date.fromordinal(number)
    return f"{day:%a} {day.day} {day:%b}"


def _month_number(at: datetime) -> int:
    return at.year * _YEAR + at.month - 1


def _month(number: int, _: int | None) -> str:
    return f"{date(number // _YEAR, number % _YEAR + 1, 1):%b %Y}"


def _width(files: int, largest: int) -> int:
    return max(1, round(100 * files / largest)) if files else 0
