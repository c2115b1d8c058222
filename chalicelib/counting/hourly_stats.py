"""The numbers of the console's dashboard, from hourly rows: series, totals, percentiles. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from msgspec import Struct

from ..store.counts.hourly import OTHER_FOLDERS, HourlyRow, Outcome
from .latency import percentile

TOP_FOLDERS = 8
_HOUR = timedelta(hours=1)
Name = TypeVar("Name", str, Outcome)


class HourStats(Struct, frozen=True):
    """One hour (UTC). `folders` has the top folders of the whole period, and "(other)"; only those with files."""

    at: datetime
    files: int = 0
    folders: Mapping[str, int] = {}
    states: Mapping[str, int] = {}  # deliveries by the state they reached: "sent", "failed", …


class LatencyStats(Struct, frozen=True):
    """How long it took from an upload until a provider accepted its message."""

    messages: int
    p50: timedelta
    p95: timedelta
    p99: timedelta


class HourlyStats(Struct, frozen=True):
    """A period's numbers. A message that was sent and did not arrive counts as sent and as undelivered."""

    hours: tuple[HourStats, ...]  # every hour, also those without any counts
    files: int
    folders: Mapping[str, int]  # the top folders, most files first, then "(other)" if there are more
    deliveries: Mapping[Outcome, int]  # most first
    latency: LatencyStats | None  # None without messages about single uploads
    segments: Mapping[str, int]  # by calling code

    def by(self, part: str) -> dict[str, int]:
        """Deliveries by "channel", "state" or "reason", most first."""
        sums = Counter[str]()
        for outcome, number in self.deliveries.items():
            sums[getattr(outcome, part)] += number
        return _most_first(sums)


def summarize(rows: Iterable[HourlyRow], since: datetime, until: datetime, top: int = TOP_FOLDERS) -> HourlyStats:
    """Sum up the rows of a period: every hour that begins before `until`, from the hour of `since` on."""
    start = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    by_hour = {row.at: row for row in rows if start <= row.at < until}
    folders, outcomes, latencies, segments = Counter[str](), Counter[Outcome](), Counter[int](), Counter[str]()
    for row in by_hour.values():
        folders.update(row.folders)
        outcomes.update(row.deliveries)
        latencies.update(row.latencies)
        segments.update(row.segments)
    shown = _top(folders, top)
    return HourlyStats(
        hours=tuple(_hour(by_hour.get(at, HourlyRow(at)), shown) for at in _hours(start, until)),
        files=sum(row.files for row in by_hour.values()),
        folders=_fold(folders, shown),
        deliveries=_most_first(outcomes),
        latency=_latency(latencies),
        segments=_most_first(segments),
    )


def _hour(row: HourlyRow, shown: Sequence[str]) -> HourStats:
    states = Counter[str]()
    for outcome, number in row.deliveries.items():
        states[outcome.state] += number
    return HourStats(row.at, row.files, _fold(row.folders, shown), dict(states))


def _hours(start: datetime, until: datetime) -> Iterable[datetime]:
    while start < until:
        yield start
        start += _HOUR


def _top(folders: Mapping[str, int], top: int) -> list[str]:
    return [name for name in _most_first(folders) if name != OTHER_FOLDERS][:top]


def _fold(folders: Mapping[str, int], shown: Sequence[str]) -> dict[str, int]:
    """The shown folders with files, in order, and the sum of all others."""
    kept = {name: folders[name] for name in shown if folders.get(name)}
    others = sum(folders.values()) - sum(kept.values())
    return {**kept, **({OTHER_FOLDERS: others} if others else {})}


def _latency(classes: Mapping[int, int]) -> LatencyStats | None:
    p50, p95, p99 = (percentile(classes, share) for share in (0.5, 0.95, 0.99))
    if p50 is None or p95 is None or p99 is None:
        return None
    return LatencyStats(sum(classes.values()), p50, p95, p99)


def _most_first(counts: Mapping[Name, int]) -> dict[Name, int]:
    return dict(sorted(counts.items(), key=lambda count: (-count[1], count[0])))
