"""Bar charts of the files per hour, day or month, and per folder. The largest bar is as wide as the chart.

The input is what templates get: sanitized dicts with the fields of Summary and Share.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from ..platform.phrases import pluralize

MAX_HOURS = 48  # a longer chart has days
MAX_DAYS = 62  # a longer chart has months
_MAX_GAP = 3  # this many steps without a file become one row
_HOUR = timedelta(hours=1)
_MONTHS = 12

Label = Callable[[int, int | None], str]  # of a step, given the step before it


class Bar(Struct, frozen=True):
    """One row of a chart. `width`: per cent of the largest, at least 1 unless there are no files."""

    label: str
    files: int
    width: int
    size: int = 0


class Chart(Struct, frozen=True):
    """Rows in order of time. `unit`: what one row covers, "hour", "day" or "month"."""

    unit: str
    bars: tuple[Bar, ...]


def hour_start(hour: str) -> datetime:
    """Return the start (UTC) of an hour such as "2026-11-23T10"."""
    return datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC)


def over_time(hours: Iterable[dict[str, Any]], zone: str) -> Chart:
    """Return a chart of hours (UTC) in a recipient's zone. Steps without files are shown, long gaps as one row."""
    zone_info = ZoneInfo(zone)
    files = [(hour_start(share["name"]), share["files"]) for share in hours]
    span = max(files)[0] - min(files)[0] if files else timedelta()
    if span < MAX_HOURS * _HOUR:
        days = {at.astimezone(zone_info).date() for at, _ in files}
        return Chart("hour", _bars(files, lambda at: int(at.timestamp()) // 3600, _hour_label(zone_info, dated=len(days) > 1)))
    if span < timedelta(days=MAX_DAYS):
        return Chart("day", _bars(files, lambda at: at.astimezone(zone_info).toordinal(), _day_label))
    return Chart("month", _bars(files, lambda at: _month_number(at.astimezone(zone_info)), _month_label))


def by_folder(summary: dict[str, Any]) -> tuple[Bar, ...]:
    """Return the bars of a summary's folders, and one for all folders it does not name."""
    rows = [(share["name"] or "(top level)", share["files"], share["size"]) for share in summary["folders"]]
    if summary["more_folders"]:
        files, size = (summary[total] - sum(share[total] for share in summary["folders"]) for total in ("files", "size"))
        rows.append((pluralize(summary["more_folders"], "more folder"), max(files, 0), max(size, 0)))
    largest = max((files for _, files, _ in rows), default=0)
    return tuple(Bar(label, files, _width(files, largest), size) for label, files, size in rows)


def _bars(files: list[tuple[datetime, int]], step_of: Callable[[datetime], int], label: Label) -> tuple[Bar, ...]:
    """One bar per step of time from the first to the last; moments with the same number are one step."""
    steps: Counter[int] = Counter()
    for at, count in files:
        steps[step_of(at)] += count
    largest, bars, previous = max(steps.values(), default=0), list[Bar](), None
    for step in sorted(steps):
        first = step if previous is None else previous + 1
        if step - first >= _MAX_GAP:
            bars.append(Bar("…", 0, 0))
            first = step
        for number in range(first, step + 1):
            bars.append(Bar(label(number, previous), steps[number], _width(steps[number], largest)))
            previous = number
    return tuple(bars)


def _hour_label(zone: ZoneInfo, *, dated: bool) -> Label:
    """With several days (`dated`), the first hour of each day shows its date."""

    def label(number: int, previous: int | None) -> str:
        at = datetime.fromtimestamp(number * 3600, zone)
        new_day = previous is None or datetime.fromtimestamp(previous * 3600, zone).date() != at.date()
        return f"{at.day} {at:%b, %H:%M}" if dated and new_day else f"{at:%H:%M}"

    return label


def _day_label(number: int, _: int | None) -> str:
    day = date.fromordinal(number)
    return f"{day:%a} {day.day} {day:%b}"


def _month_number(at: datetime) -> int:
    return at.year * _MONTHS + at.month - 1


def _month_label(number: int, _: int | None) -> str:
    return f"{date(number // _MONTHS, number % _MONTHS + 1, 1):%b %Y}"


def _width(files: int, largest: int) -> int:
    return max(1, round(100 * files / largest)) if files else 0
